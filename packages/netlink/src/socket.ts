import { NLM_F_DUMP } from "./abi.js";
import { Diagnostics } from "./diagnostics/diagnostics.js";
import { BusyError, SocketClosedError, SystemError, TransportError } from "./errors.js";
import { decodersByType, type EventBody, type EventDecoder } from "./events/event-decoder.js";
import { type SubscribeOptions, Subscription } from "./events/subscription.js";
import { Watch, type WatchRequest } from "./events/watch.js";
import type { Acknowledgement } from "./message/acknowledgement.js";
import type { FrameKeeper, Message } from "./message/message.js";
import type { MessageCursor } from "./message/message-cursor.js";
import type { MessageWriter } from "./message/message-writer.js";
import type { Decoder, Outgoing } from "./message/outgoing.js";
import { type ReadWaiter, Receiver } from "./receive/receiver.js";
import { ask } from "./request/ask.js";
import { Dump, type DumpOptions, type DumpSocket } from "./request/dump.js";
import { MessageSender } from "./request/message-sender.js";
import { RequestTable } from "./request/request-table.js";
import { Requester } from "./request/requester.js";
import type { RequestOptions, SocketOptions, SocketStatistics } from "./socket-options.js";
import { applyOptions } from "./transport/apply-options.js";
import type { FilterInstruction } from "./transport/filter.js";
import { openTransport } from "./transport/open-transport.js";
import type { Transport, TransportKind } from "./transport/transport.js";
import { transportRequest } from "./transport/transport-request.js";

/** Messages visited before the other work of the event loop gets its turn. */
const MESSAGES_PER_TURN = 512;

/**
 * A netlink socket over a ring of frames. It has one reader: `receive` (pushed) or `take` with `readable` (pulled).
 * Answers to requests are matched by sequence number, own port and sender port 0, and never reach the reader.
 */
export class NetlinkSocket {
  /** Size of the receive buffer in bytes, as the kernel accounts them. */
  readonly receiveBuffer: number;
  readonly #protocol: number;
  readonly #options: SocketOptions;
  readonly #transport: Transport;
  readonly #requests = new RequestTable();
  readonly #receiver: Receiver;
  readonly #sender: MessageSender;
  readonly #requester: Requester;
  readonly #dumpSocket: DumpSocket;
  #receiving = false;
  #closed: { readonly error: unknown; readonly drops: number | undefined } | undefined;
  #stopListening: () => void = () => {};

  private constructor(transport: Transport, protocol: number, options: SocketOptions) {
    this.#protocol = protocol;
    this.#options = options;
    this.#transport = transport;
    this.receiveBuffer = transport.receiveBuffer;
    const requests = this.#requests;
    const diagnostics = new Diagnostics(protocol, transport);
    const receiver = new Receiver(transport, requests, diagnostics, (error) => this.#shut(error));
    this.#receiver = receiver;
    this.#sender = new MessageSender(transport, diagnostics, (error) => this.#shut(error));
    const { portId, receiveBuffer } = transport;
    const requester = new Requester(portId, receiveBuffer, requests, this.#sender, receiver);
    this.#requester = requester;
    this.#dumpSocket = { requester, requests, receiver, assertOpen: () => this.#assertOpen() };
  }

  /**
   * Opens a socket of a netlink protocol, such as NETLINK_ROUTE. Opening needs no privilege; most requests do.
   *
   * Rejects with TransportError where the transport that was named cannot be had, SystemError where the system refuses the socket or its
   * namespace, NativeLoadError (ERR_NATIVE_LOAD) where the addon cannot be loaded, and the signal's reason.
   */
  static async open(protocol: number, options: SocketOptions = {}): Promise<NetlinkSocket> {
    const { signal } = options;
    signal?.throwIfAborted();
    const transport = await openTransport(transportRequest(protocol, options), options.transport ?? "auto");
    try {
      applyOptions(transport, options);
      signal?.throwIfAborted();
      const socket = new NetlinkSocket(transport, protocol, options);
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
    return { ...this.#receiver.statistics, drops, sendRetries: this.#sender.retries };
  }

  /**
   * Counts the times when messages were lost, each once the socket was read empty behind it: nothing before that moment is still to
   * be lost, so it is the one to ask for the state again.
   */
  get losses(): number {
    return this.#receiver.losses;
  }

  /** Joins a multicast group, by number. Its messages reach the socket's reader. Throws SystemError, and TransportError with `kernelOnly`. */
  addMembership(group: number): void {
    this.#assertOpen();
    if (this.#options.kernelOnly === true) {
      throw new TransportError(
        "a socket with the option kernelOnly does not ask whom a message comes from: leave the option out to join groups",
      );
    }
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
   * Sends a request and resolves when the kernel acknowledged it, with what the ACK said beside that, or with the one reply that came
   * before it, decoded. Requests that are made without waiting in between leave in one send, behind what was committed.
   *
   * Several messages in an array leave in a send of their own, resolve together and reject with the first error in their order. A message
   * that asks for no ACK resolves when the socket was read empty without a complaint about it.
   *
   * Rejects with KernelError where the kernel says no, ReplyLostError where the receive buffer overran, TimeoutError, DecodeError or what
   * the visitor throws, ReplyCountError where not one reply came, EncodeError or what a message's `write` throws, SystemError where the send
   * failed, the signal's reason, and SocketClosedError or the reason of the socket's signal when the socket closes first.
   */
  request(message: Outgoing, options?: RequestOptions): Promise<Acknowledgement>;
  request(messages: readonly Outgoing[], options?: RequestOptions): Promise<readonly Acknowledgement[]>;
  request<T>(message: Outgoing, reply: Decoder<T>, options?: Omit<RequestOptions, "visit">): Promise<T>;
  request<T>(
    messages: Outgoing | readonly Outgoing[],
    second?: Decoder<T> | RequestOptions,
    third: RequestOptions = {},
  ): Promise<Acknowledgement | readonly Acknowledgement[] | T> {
    return ask(this.#dumpSocket, messages, second, third);
  }

  /**
   * A list that the kernel hands out in pieces, decoded: iterate it with `for await`, or take all of it with `all()`. NLM_F_DUMP is added
   * to the flags. Nothing is sent before the first item is wanted.
   *
   * Iterating rejects as `request` does, and with DumpInterruptedError where the dump stayed inconsistent.
   */
  dump<T>(message: Outgoing, item: Decoder<T>, options: DumpOptions = {}): Dump<T> {
    return new Dump(
      this.#dumpSocket,
      { ...message, flags: (message.flags ?? 0) | NLM_F_DUMP },
      item,
      options,
    );
  }

  /**
   * Opens a socket of its own, like this one, that joins multicast groups, and gives their messages decoded. Resolves when it has joined.
   *
   * @param groups numbers, such as RTNLGRP_LINK; `@nlring/netlink/generic` has groups by name
   * @param item a schema, or schemas by message type: messages of other types are passed over then
   */
  async subscribe<D extends EventDecoder>(
    groups: number | readonly number[],
    item: D,
    options: SubscribeOptions = {},
  ): Promise<Subscription<EventBody<D>>> {
    const { senders = "kernel", ...changes } = options;
    if (this.#options.descriptor !== undefined && changes.descriptor === undefined) {
      throw new TransportError(
        "a subscription has a socket of its own, and this one came from a descriptor: pass another as `descriptor`",
      );
    }
    // A signal ends what it was given to: this socket's is not the subscription's.
    const socket = await NetlinkSocket.open(this.#protocol, {
      ...this.#options,
      signal: undefined,
      // It must hear of its losses.
      noEnobufs: false,
      kernelOnly: false,
      ...changes,
    });
    try {
      for (const group of typeof groups === "number" ? [groups] : groups) socket.addMembership(group);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return new Subscription(socket, decodersByType(item), senders);
  }

  /**
   * Lists what there is and then tells what changes: the items of a dump, `synced`, and the messages of multicast groups. Where messages were
   * lost it says `resync`, and lists again by itself.
   *
   * @param list the request of the dump, made on this socket
   */
  async watch<T, D extends EventDecoder>(
    { list, item, groups, changes }: WatchRequest<T, D>,
    options: SubscribeOptions & Pick<DumpOptions, "retries"> = {},
  ): Promise<Watch<T, EventBody<D>>> {
    const { retries, ...rest } = options;
    const subscription = await this.subscribe(groups, changes, rest);
    return new Watch(
      () => this.dump(list, item, { signal: options.signal, retries: 0 }),
      subscription,
      retries,
    );
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
   * Takes the next message as `take` does, and makes no object of it: the cursor says where it lies. False where none waits. Its frame is to be
   * released by `frames`, once, if it is not OWN_MEMORY. Throws as `take`.
   *
   * @param trusting where the last look at the socket took all that was there, ends at that, once, and does not look again. A lone message is
   * spared a system call, and what has come since is found by the next call, or wakes whoever waits.
   */
  next(cursor: MessageCursor, trusting = false): boolean {
    this.#assertOpen();
    if (this.#receiving) throw new BusyError("receive() is running: a socket's messages go to one reader");
    return this.#receiver.next(cursor, trusting);
  }

  /** Holds and releases the frames of messages that `next` found. After the socket was closed it does nothing. */
  get frames(): FrameKeeper {
    return this.#receiver.frames;
  }

  /**
   * Resolves when `take` may find a message, in a later turn of the event loop: what loops over both leaves the others their time. Rejects
   * with BusyError where the socket has a reader already, with SocketClosedError when it is closed, and with the signal's reason or the
   * failure where one of them closed it.
   */
  readable(): Promise<void> {
    try {
      if (this.#closed?.error !== undefined) throw this.#closed.error;
      this.#assertReaderFree();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#receiver.untilReadable();
  }

  /**
   * What `readable` does, without a promise: where every message wakes its reader, that and its `await` are a fifth of what is allocated. The
   * waiter is called in a later turn of the event loop, from its bare callback: run it in an AsyncResource to keep the async context. Throws
   * at once what `readable` rejects with.
   */
  whenReadable(waiter: ReadWaiter): void {
    if (this.#closed?.error !== undefined) throw this.#closed.error;
    this.#assertReaderFree();
    this.#receiver.wait(waiter);
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
    // Behind the requests that were made before it.
    this.#requester.sendRun();
    this.#sender.commit();
    this.#sender.scheduleFlush();
  }

  /**
   * Takes room for a whole message in a TX frame and returns the index in `sendWords` of its first word: for messages of one shape, which the
   * caller writes word by word, header and padding included, before anything else is done with the socket. It leaves as what `compose` started
   * does.
   *
   * @param length bytes of the message, a multiple of 4
   */
  place(length: number): number {
    this.#assertOpen();
    this.#requester.sendRun();
    const place = this.#sender.place(length);
    this.#sender.flushSoon();
    return place / 4;
  }

  /** The memory of the TX ring, as 32-bit words in host byte order. */
  get sendWords(): Uint32Array {
    return this.#transport.tx.words;
  }

  /**
   * Sends now what was committed. Where the kernel has no memory for it, it stays and is tried again; where it refuses for good, the
   * socket is lost.
   */
  flush(): void {
    if (this.#closed !== undefined) return;
    this.#requester.sendRun();
    this.#sender.flush();
  }

  /**
   * For subsystems that keep messages back to join them: `write` is called right before what was committed leaves, also where nothing was, and
   * what it composes and commits leaves with it. It takes the place of the one before, and must not throw. Where something is kept back, ask for
   * `flushSoon()`.
   *
   * While another message is being composed it is not called: what was kept back before must be committed before that is.
   */
  beforeFlush(write: () => void): void {
    this.#assertOpen();
    this.#sender.beforeFlush(write);
  }

  /** Has a flush take place before the event loop waits again, as after a `commit`. */
  flushSoon(): void {
    this.#assertOpen();
    this.#sender.flushSoon();
  }

  /**
   * Messages that arrived and that no reader will see: those of `discarded`, `truncated` and `malformed` in `statistics`, at no cost.
   */
  get unseen(): number {
    return this.#receiver.unseen;
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
    this.#requester.sendRun();
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
      this.#requester.sendRun();
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
    this.#requester.stop(reason);
    this.#requests.rejectAll(reason);
    this.#receiver.stop(reason);
    this.#transport.close();
  }
}
