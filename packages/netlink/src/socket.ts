import { planRing } from "@nlring/ring-core";
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from "./abi.js";
import { applyOptions } from "./apply-options.js";
import { BusyError, SocketClosedError, SystemError } from "./errors.js";
import type { FilterInstruction } from "./filter.js";
import type { Message } from "./message.js";
import { MessageSender } from "./message-sender.js";
import { MessageWriter } from "./message-writer.js";
import { openTransport } from "./open-transport.js";
import { Receiver } from "./receiver.js";
import { RequestGroup } from "./request-group.js";
import { RequestTable } from "./request-table.js";
import type { Outgoing, RequestOptions, SocketOptions, SocketStatistics } from "./socket-options.js";
import type { Transport, TransportKind } from "./transport.js";

/** 32 KiB is the largest chunk in which the kernel hands out a dump; a larger message comes by copy. */
const RX_FRAME_SIZE = 32_768 + 24;
const RX_FRAME_COUNT = 64;
/** A mapped kernel's dump chunks fit 4 KiB, and the ring is all the room that messages have. */
const MAPPED_FRAME_SIZE = 4096;
const MAPPED_FRAME_COUNT = 256;
/** The kernel's rings are its own memory, taken for good; what does not fit a frame comes by copy. */
const LARGEST_MAPPED_FRAME = 16_384;
const TX_FRAME_SIZE = 32_768;
const TX_FRAME_COUNT = 8;
/** Messages visited before the other work of the event loop gets its turn. */
const MESSAGES_PER_TURN = 512;

/**
 * A netlink socket over a ring of frames. It has one reader: `receive` (pushed) or `take` with `readable` (pulled).
 * Answers to requests are matched by sequence number, own port and sender port 0, and never reach the reader.
 */
export class NetlinkSocket {
  /** Size of the receive buffer in bytes, as the kernel accounts them. */
  readonly receiveBuffer: number;
  readonly #transport: Transport;
  readonly #requests = new RequestTable();
  readonly #receiver: Receiver;
  readonly #sender: MessageSender;
  #receiving = false;
  #closed: { readonly error: unknown; readonly drops: number | undefined } | undefined;
  #stopListening: () => void = () => {};

  private constructor(transport: Transport) {
    this.#transport = transport;
    this.receiveBuffer = transport.receiveBuffer;
    this.#receiver = new Receiver(transport, this.#requests, (error) => this.#shut(error));
    this.#sender = new MessageSender(transport, (error) => this.#shut(error));
  }

  /**
   * Opens a socket of a netlink protocol, such as NETLINK_ROUTE. Opening needs no privilege; most requests do.
   *
   * Rejects with TransportError where the transport that was named cannot be had, SystemError where the system refuses the socket or its
   * namespace, NativeLoadError (ERR_NATIVE_LOAD) where the addon cannot be loaded, and the signal's reason.
   */
  static async open(protocol: number, options: SocketOptions = {}): Promise<NetlinkSocket> {
    const { signal, ring } = options;
    signal?.throwIfAborted();
    const transport = await openTransport(
      {
        protocol,
        rx: planRing({
          frameSize: ring?.frameSize ?? RX_FRAME_SIZE,
          frameCount: ring?.frameCount ?? RX_FRAME_COUNT,
        }),
        tx: planRing({ frameSize: TX_FRAME_SIZE, frameCount: TX_FRAME_COUNT }),
        mappedRx: {
          frameSize:
            ring?.mapped?.frameSize ?? Math.min(ring?.frameSize ?? MAPPED_FRAME_SIZE, LARGEST_MAPPED_FRAME),
          frameCount: ring?.mapped?.frameCount ?? ring?.frameCount ?? MAPPED_FRAME_COUNT,
        },
        ordered: options.ordered ?? false,
        namespace: options.namespace,
        descriptor: options.descriptor,
        allNamespaces: options.allNamespaces ?? false,
        filter: options.filter,
      },
      options.transport ?? "auto",
    );
    try {
      applyOptions(transport, options);
      signal?.throwIfAborted();
      const socket = new NetlinkSocket(transport);
      if (signal !== undefined) socket.#closeWith(signal);
      return socket;
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  /** The netlink port this socket is bound to. */
  get portId(): number {
    return this.#transport.portId;
  }

  /** The transport in use, and why it is this one. */
  get transport(): { readonly kind: TransportKind; readonly reason: string } {
    const { kind, reason } = this.#transport;
    return { kind, reason };
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** What was received and lost so far. */
  get statistics(): SocketStatistics {
    const drops = this.#closed === undefined ? this.#transport.drops() : this.#closed.drops;
    return { ...this.#receiver.statistics, drops };
  }

  /** Joins a multicast group, by number. Its messages reach the socket's reader. Throws SystemError. */
  addMembership(group: number): void {
    this.#assertOpen();
    this.#transport.addMembership(group);
  }

  dropMembership(group: number): void {
    this.#assertOpen();
    this.#transport.dropMembership(group);
  }

  /**
   * Has a classic BPF program decide which messages reach the socket, in the place of the one before. It sees each message from its header
   * on, with loads in network byte order, and returns 0 to refuse it, or a number of bytes to keep: at least all of them (0xffffffff
   * will do), or the message is cut, for which kernels that map rings are not made. A dump's chunk is judged whole, by its first message.
   *
   * It judges answers too: let NLMSG_ERROR (2) and NLMSG_DONE (3) pass, or requests reject with ReplyLostError. Throws EncodeError where a
   * number does not fit, SystemError with EINVAL where the kernel finds the program wrong; the one before stays then.
   */
  setFilter(program: readonly FilterInstruction[]): void {
    this.#assertOpen();
    this.#transport.setFilter(program);
  }

  /** Lets all messages through again. */
  clearFilter(): void {
    this.#assertOpen();
    this.#transport.clearFilter();
  }

  /**
   * Sends a request and resolves when the kernel acknowledged it or ended its dump. Several messages leave in one send of their own,
   * behind what was committed, and resolve together; they reject with the first error in their order. Messages that ask for no ACK
   * resolve when the socket was read empty without a complaint about them.
   *
   * Rejects with KernelError where the kernel says no, ReplyLostError where the receive buffer overran, DumpInterruptedError where the
   * dump is inconsistent, SystemError where the send failed, with what the visitor throws, and with SocketClosedError or the signal's
   * reason when the socket closes first.
   */
  request(messages: Outgoing | readonly Outgoing[], options: RequestOptions = {}): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#assertOpen();
      const list: readonly Outgoing[] = "type" in messages ? [messages] : messages;
      if (list.length === 0) {
        resolve();
        return;
      }
      const group = new RequestGroup(this.#requests, resolve, reject);
      const writer = MessageWriter.growing();
      try {
        for (const message of list) {
          const dump = ((message.flags ?? 0) & NLM_F_DUMP) === NLM_F_DUMP;
          const answered = dump || (message.acknowledge ?? true);
          const flags = (message.flags ?? 0) | NLM_F_REQUEST | (answered && !dump ? NLM_F_ACK : 0);
          writer.begin(message.type, flags, group.add(message.type, answered, options.visit), this.portId);
          message.write?.(writer);
          writer.end();
        }
        this.#sender.sendRun(writer.finished());
        group.sent();
      } catch (error) {
        group.abandon();
        throw error;
      }
      this.#receiver.lookSoon();
    });
  }

  /**
   * Hands every received message that answers no request to `visit`, in ring order. A message is read in place and goes back to the
   * producer when the visitor returns, unless it called `message.hold()`. What the visitor commits leaves with one send a turn.
   *
   * Resolves when the socket is closed; rejects with what the visitor throws, with the failure that the socket was lost to, or with the
   * reason of its signal. Rejects with BusyError where the socket has a reader already.
   */
  async receive(visit: (message: Message) => void): Promise<void> {
    this.#assertReaderFree();
    this.#receiving = true;
    try {
      while (this.#closed === undefined) {
        this.#visitTurn(visit);
        if (this.#closed !== undefined) break;
        this.flush();
        await this.#receiver.untilReadable();
      }
    } catch (error) {
      if (this.#closed === undefined || !(error instanceof SocketClosedError)) throw error;
    } finally {
      this.#receiving = false;
    }
    if (this.#closed?.error !== undefined) throw this.#closed.error;
  }

  /**
   * Takes the next received message that answers no request, or undefined where none waits. The caller releases it. Frames that are
   * neither released nor held stop the reading in the end: they are the back-pressure.
   *
   * Throws BusyError while `receive` runs, and SocketClosedError.
   */
  take(): Message | undefined {
    this.#assertOpen();
    if (this.#receiving) throw new BusyError("receive() is running: a socket's messages go to one reader");
    return this.#receiver.take();
  }

  /**
   * Resolves when `take` may find a message, in a later turn of the event loop: what loops over both leaves the others their time. Rejects
   * with BusyError where the socket has a reader already, with SocketClosedError when it is closed, and with the signal's reason or the
   * failure where one of them closed it.
   */
  async readable(): Promise<void> {
    if (this.#closed?.error !== undefined) throw this.#closed.error;
    this.#assertReaderFree();
    await this.#receiver.untilReadable();
  }

  /**
   * Starts a message in the current TX frame, in place; `commit` finishes it, and another `compose` gives it up. It leaves with all others of
   * this event-loop turn in as few sends as possible and expects no answer: its sequence number is 0, and so is that of an error about it.
   * One that is larger than a frame leaves at its commit, by copy, behind those before it.
   *
   * @param maximumLength the most bytes that follow the message header
   */
  compose(type: number, flags: number, maximumLength: number): MessageWriter {
    this.#assertOpen();
    return this.#sender.compose(type, flags, maximumLength);
  }

  /** Finishes the message that `compose` started. Throws EncodeError where there is none, or something in it did not fit. */
  commit(): void {
    this.#assertOpen();
    this.#sender.commit();
    this.#sender.scheduleFlush();
  }

  /**
   * Sends now what was committed. Where the kernel has no memory for it, it stays and is tried again; where it refuses for good, the
   * socket is lost.
   */
  flush(): void {
    if (this.#closed === undefined) this.#sender.flush();
  }

  /**
   * Resolves when every processor has left what it was doing in the kernel, best effort: a packet that still ran through rules
   * that were deleted before has done so by then, and is in its queue. It takes some 10 ms.
   */
  gracePeriod(): Promise<void> {
    return this.#transport.gracePeriod();
  }

  /** Keeps the process alive while the socket waits for messages (the default). */
  ref(): this {
    this.#transport.ref();
    return this;
  }

  /** Lets the process end while the socket waits for messages. */
  unref(): this {
    this.#transport.unref();
    return this;
  }

  /**
   * Sends what is committed, rejects what is pending with SocketClosedError and closes. Views of the ring are void from then on. Rejects
   * with SystemError where the last send failed; the socket is closed all the same.
   */
  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    const flushed = this.#sender.flush();
    this.#shut(undefined);
    if (flushed < 0) {
      throw new SystemError("sendmsg", flushed, "the socket was closed with messages that were not sent");
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new SocketClosedError(this.#closed.error);
  }

  #assertReaderFree(): void {
    this.#assertOpen();
    if (this.#receiving || this.#receiver.isAwaited) {
      throw new BusyError("the socket has a reader already: its messages go to one reader");
    }
  }

  /** Visits a bounded number of messages. */
  #visitTurn(visit: (message: Message) => void): void {
    for (let visited = 0; visited < MESSAGES_PER_TURN; visited++) {
      const message = this.#receiver.take();
      if (message === undefined) return;
      try {
        visit(message);
      } finally {
        if (!message.held) message.release();
      }
    }
  }

  #closeWith(signal: AbortSignal): void {
    const abort = (): void => {
      // As in close(): what was committed was decided before.
      this.#sender.flush();
      this.#shut(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#stopListening = () => signal.removeEventListener("abort", abort);
  }

  #shut(error: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error, drops: this.#transport.drops() };
    this.#stopListening();
    this.#sender.stop();
    const reason = error === undefined ? new SocketClosedError() : error;
    this.#requests.rejectAll(reason);
    this.#receiver.stop(reason);
    this.#transport.close();
  }
}
