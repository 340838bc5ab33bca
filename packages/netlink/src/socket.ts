import { setImmediate as setImmediatePromise } from "node:timers/promises";
import { planRing } from "@nlring/ring-core";
import {
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_NO_ENOBUFS,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  SOL_NETLINK,
} from "./abi.js";
import { BusyError, SocketClosedError, SystemError } from "./errors.js";
import { FrameReader, type ReceiveStatistics } from "./frame-reader.js";
import type { Message } from "./message.js";
import { MessageSender } from "./message-sender.js";
import { MessageWriter } from "./message-writer.js";
import { openTransport, type TransportChoice } from "./open-transport.js";
import { RequestGroup } from "./request-group.js";
import { RequestTable } from "./request-table.js";
import type { RingOptions, Transport, TransportKind } from "./transport.js";

/** 32 KiB is the largest chunk in which the kernel hands out a dump; a larger message comes by copy. */
const RX_FRAME_SIZE = 32_768 + 24;
const RX_FRAME_COUNT = 64;
const TX_FRAME_SIZE = 32_768;
const TX_FRAME_COUNT = 8;
/** Messages visited before the other work of the event loop gets its turn. */
const MESSAGES_PER_TURN = 512;

export interface SocketOptions {
  /** Which transport to use; `auto` where undefined. `socket.transport` tells what came and why. */
  readonly transport?: TransportChoice | undefined;
  /** Shape of the receive ring. */
  readonly ring?: RingOptions | undefined;
  /** Receive buffer wanted, in bytes as the kernel accounts them; `socket.receiveBuffer` tells what came. */
  readonly receiveBuffer?: number | undefined;
  /** Network namespace of the socket: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /**
   * Sets NETLINK_NO_ENOBUFS: a full receive buffer loses what does not fit and goes on, instead of refusing everything
   * until it has been read empty. The losses show in `statistics.drops` alone.
   */
  readonly noEnobufs?: boolean | undefined;
  /** Closes the socket when aborted; what is pending then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A request to send. */
export interface Outgoing {
  /** nlmsg_type. */
  readonly type: number;
  /** nlmsg_flags. NLM_F_REQUEST is added, and NLM_F_ACK unless it is a dump or `acknowledge` is false. */
  readonly flags?: number | undefined;
  /** Asks for an ACK; true where undefined. Without one only a failure is heard of. */
  readonly acknowledge?: boolean | undefined;
  /** Writes what follows the message header. */
  readonly write?: ((writer: MessageWriter) => void) | undefined;
}

export interface RequestOptions {
  /** Sees each message that answers the request, in place: it is valid until the visitor returns. */
  readonly visit?: ((reply: Message) => void) | undefined;
}

export interface SocketStatistics extends ReceiveStatistics {
  /** Messages that the receive buffer had no room for, as the kernel counts them; undefined before Linux 4.12. */
  readonly drops: number | undefined;
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * A netlink socket over a ring of frames. It has one reader: `receive` (pushed) or `take` with `readable` (pulled).
 * Answers to requests are matched by sequence number, own port and sender port 0, and never reach the reader.
 */
export class NetlinkSocket {
  readonly #transport: Transport;
  readonly #requests = new RequestTable();
  readonly #frames: FrameReader;
  readonly #sender: MessageSender;
  /** Messages met while only an answer was looked for, in order. */
  readonly #backlog: Message[] = [];
  #waiter: Waiter | undefined;
  #receiving = false;
  #nextTurn: NodeJS.Immediate | undefined;
  #closed: { readonly error: unknown } | undefined;
  #stopListening: () => void = () => {};

  private constructor(transport: Transport) {
    this.#transport = transport;
    this.#frames = new FrameReader(transport, this.#requests, () => this.#scheduleTurn());
    this.#sender = new MessageSender(transport, (error) => this.#shut(error));
    transport.onReadable(() => this.#turn());
  }

  /** Opens a socket of a netlink protocol, such as NETLINK_ROUTE. Opening needs no privilege; most requests do. */
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
        namespace: options.namespace,
      },
      options.transport ?? "auto",
    );
    try {
      if (options.receiveBuffer !== undefined) transport.setReceiveBuffer(options.receiveBuffer);
      if (options.noEnobufs === true) transport.setOption(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
      setOptionWhereKnown(transport, NETLINK_EXT_ACK);
      setOptionWhereKnown(transport, NETLINK_CAP_ACK);
      signal?.throwIfAborted();
    } catch (error) {
      transport.close();
      throw error;
    }
    const socket = new NetlinkSocket(transport);
    if (signal !== undefined) {
      const abort = (): void => socket.#shut(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      socket.#stopListening = () => signal.removeEventListener("abort", abort);
    }
    return socket;
  }

  /** The netlink port this socket is bound to. */
  get portId(): number {
    return this.#transport.portId;
  }

  /** Size of the receive buffer in bytes, as the kernel accounts them. */
  get receiveBuffer(): number {
    return this.#transport.receiveBuffer;
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
    return {
      ...this.#frames.statistics,
      drops: this.#closed === undefined ? this.#transport.drops() : undefined,
    };
  }

  /** Joins a multicast group, by number. Its messages reach the socket's reader. */
  addMembership(group: number): void {
    this.#assertOpen();
    this.#transport.addMembership(group);
  }

  dropMembership(group: number): void {
    this.#assertOpen();
    this.#transport.dropMembership(group);
  }

  /**
   * Sends a request and resolves when the kernel acknowledged it or ended its dump. Several messages leave in one send of their
   * own and resolve together; they reject with the first error in their order.
   *
   * Rejects with KernelError where the kernel says no, ReplyLostError where the receive buffer overran, SystemError where the send
   * failed, and SocketClosedError or the signal's reason when the socket closes first.
   */
  request(messages: Outgoing | readonly Outgoing[], options: RequestOptions = {}): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#assertOpen();
      const list: readonly Outgoing[] = "type" in messages ? [messages] : messages;
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
      this.#updateInterest();
    });
  }

  /**
   * Hands every received message that answers no request to `visit`, in ring order. A message is read in place and goes back to the
   * producer when the visitor returns, unless it called `message.hold()`. What the visitor commits leaves with one send a turn.
   *
   * Resolves when the socket is closed; rejects when it is lost, or with what the visitor throws.
   */
  async receive(visit: (message: Message) => void): Promise<void> {
    this.#assertReaderFree();
    this.#receiving = true;
    try {
      while (this.#closed === undefined) {
        const drained = this.#visitTurn(visit);
        if (this.#closed !== undefined) break;
        this.flush();
        // Frames may be full while the socket is empty: readiness would not come back for them.
        await (drained ? this.#untilReadable() : setImmediatePromise());
      }
    } catch (error) {
      if (!(this.#closed !== undefined && this.#closed.error === undefined)) throw error;
    } finally {
      this.#receiving = false;
    }
    if (this.#closed?.error !== undefined) throw this.#closed.error;
  }

  /**
   * Takes the next received message that answers no request, or undefined where none waits. The caller releases it. Frames that are
   * not released stop the reading in the end: they are the back-pressure.
   */
  take(): Message | undefined {
    this.#assertOpen();
    if (this.#receiving) throw new BusyError("receive() is running: a socket's messages go to one reader");
    return this.#take();
  }

  /** Resolves when `take`, having found nothing, may find a message again. Rejects when the socket is closed or lost. */
  async readable(): Promise<void> {
    this.#assertReaderFree();
    await this.#untilReadable();
  }

  /**
   * Starts a message in the current TX frame, in place; `commit` finishes it. It leaves with all others of this event-loop turn in as
   * few sends as possible and expects no answer: its sequence number is 0, and so is that of an error about it.
   *
   * @param maximumLength the most bytes that follow the message header
   */
  compose(type: number, flags: number, maximumLength: number): MessageWriter {
    this.#assertOpen();
    return this.#sender.compose(type, flags, maximumLength);
  }

  /** Finishes the message that `compose` started. */
  commit(): void {
    this.#sender.commit();
    this.#sender.scheduleFlush();
  }

  /** Sends now what was committed. */
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

  /** Sends what is committed, settles what is pending and closes. Views of the ring are void from then on. */
  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#sender.flush();
    this.#shut(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new SocketClosedError(this.#closed.error);
  }

  #assertReaderFree(): void {
    this.#assertOpen();
    if (this.#receiving || this.#waiter !== undefined) {
      throw new BusyError("the socket has a reader already: its messages go to one reader");
    }
  }

  #take(): Message | undefined {
    const message = this.#backlog.shift() ?? this.#frames.next();
    if (message === undefined) this.#checkLost();
    return message;
  }

  #untilReadable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      this.#waiter = { resolve, reject };
      this.#updateInterest();
    });
  }

  /** Visits a bounded number of messages; true when no more wait. */
  #visitTurn(visit: (message: Message) => void): boolean {
    for (let visited = 0; visited < MESSAGES_PER_TURN; visited++) {
      const message = this.#take();
      if (message === undefined) return true;
      try {
        visit(message);
      } finally {
        if (!message.held) message.release();
      }
      if (this.#closed !== undefined) return true;
    }
    return false;
  }

  /** Called when the descriptor is readable or a frame came free: wakes the reader, else looks for answers. */
  #turn(): void {
    if (this.#closed !== undefined) return;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      // Still watched: the reader comes back in a moment, and stopping and starting a watch costs two system calls.
      this.#waiter = undefined;
      waiter.resolve();
      return;
    }
    if (this.#requests.size > 0) {
      this.#readToBacklog();
      this.#checkLost();
    }
    if (this.#requests.size === 0 && this.#closed === undefined) this.#transport.pause();
  }

  /** Reads until every request has its answer. What else comes waits for the reader, held so that the ring goes on. */
  #readToBacklog(): void {
    while (this.#requests.size > 0) {
      const message = this.#frames.next();
      if (message === undefined) return;
      message.hold();
      this.#backlog.push(message);
    }
  }

  #scheduleTurn(): void {
    if (this.#closed !== undefined || this.#nextTurn !== undefined) return;
    this.#nextTurn = setImmediate(() => {
      this.#nextTurn = undefined;
      this.#turn();
      this.#updateInterest();
    });
  }

  /** Watches the descriptor while somebody waits for it and a frame is free. */
  #updateInterest(): void {
    if (this.#closed !== undefined) return;
    if (this.#frames.starved) this.#transport.pause();
    else if (this.#waiter !== undefined || this.#requests.size > 0) this.#transport.resume();
  }

  #checkLost(): void {
    if (this.#frames.lost !== 0) this.#shut(new SystemError("recvmmsg", this.#frames.lost));
  }

  #shut(error: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.#stopListening();
    clearImmediate(this.#nextTurn);
    this.#sender.stop();
    const reason = error ?? new SocketClosedError();
    this.#requests.rejectAll(reason);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(reason);
    this.#transport.close();
  }
}

/** Both are comforts of later kernels: words in errors (4.12), and errors without the request's payload (4.3). */
function setOptionWhereKnown(transport: Transport, option: number): void {
  try {
    transport.setOption(SOL_NETLINK, option, 1);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOPROTOOPT")) throw error;
  }
}
