import { SocketClosedError } from "../errors.js";
import type { Message } from "../message/message.js";
import type { Decoder } from "../message/outgoing.js";
import type { SocketOptions } from "../socket-options.js";

/** How the socket of a subscription is opened, and whose messages count. */
export interface SubscribeOptions extends Omit<SocketOptions, "transport" | "namespace" | "noEnobufs"> {
  /** Whose messages count: the kernel's alone where undefined, since any process may send to some groups. */
  readonly senders?: "kernel" | "any" | undefined;
}

/** A message of a multicast group. */
export interface EventMessage<T> {
  readonly kind: "message";
  /** nlmsg_type, such as RTM_NEWLINK. */
  readonly type: number;
  /** nlmsg_flags. */
  readonly flags: number;
  /** The group it was sent to, by number. */
  readonly group: number;
  /** Netlink port of the sender; 0 is the kernel. */
  readonly senderPort: number;
  /** The network namespace it comes from, with `allNamespaces`; undefined for the socket's own. */
  readonly namespaceId: number | undefined;
  readonly body: T;
}

/** Messages were lost: what is known of the state may be wrong, and has to be asked for again. */
export interface Resync {
  readonly kind: "resync";
}

/** What a subscription gives, told apart by `kind`. */
export type SubscriptionEvent<T> = EventMessage<T> | Resync;

/** What a subscription needs of its socket. */
export interface EventSocket {
  readonly losses: number;
  readonly closed: boolean;
  take(): Message | undefined;
  readable(): Promise<void>;
  ref(): unknown;
  unref(): unknown;
  close(): Promise<void>;
}

/** Messages taken before the other work of the event loop gets its turn. */
const MESSAGES_PER_TURN = 256;
const RESYNC: Resync = Object.freeze({ kind: "resync" });

/**
 * The messages of multicast groups, in order. Leaving the loop closes it, and so does `close()`.
 *
 * It pulls: while nobody asks for the next one, messages wait in the receive buffer, and where that overruns, what it had comes first, then
 * `resync`, and then what was sent later. A message that does not decode rejects with DecodeError; the next call goes on behind it.
 */
export class Subscription<T> implements AsyncIterable<SubscriptionEvent<T>>, AsyncDisposable {
  readonly #socket: EventSocket;
  readonly #decoderOf: (type: number) => Decoder<T> | undefined;
  readonly #kernelOnly: boolean;
  #lossesTold: number;
  #taken = 0;

  constructor(
    socket: EventSocket,
    decoderOf: (type: number) => Decoder<T> | undefined,
    senders: "kernel" | "any",
  ) {
    this.#socket = socket;
    this.#decoderOf = decoderOf;
    this.#kernelOnly = senders === "kernel";
    this.#lossesTold = socket.losses;
  }

  [Symbol.asyncIterator](): AsyncIterator<SubscriptionEvent<T>, undefined> {
    return { next: () => this.next(), return: () => this.#return() };
  }

  /** The next event; done when the subscription is closed. Rejects with the signal's reason, and with what the socket was lost to. */
  async next(): Promise<IteratorResult<SubscriptionEvent<T>, undefined>> {
    for (;;) {
      // A closed socket says what closed it, where that was not close().
      if (this.#socket.closed && (await this.#isOver())) return { done: true, value: undefined };
      const message = this.#taken < MESSAGES_PER_TURN ? this.#socket.take() : undefined;
      if (message === undefined) {
        if (this.#taken < MESSAGES_PER_TURN && this.#socket.losses !== this.#lossesTold) {
          this.#lossesTold = this.#socket.losses;
          return { done: false, value: RESYNC };
        }
        this.#taken = 0;
        if (await this.#isOver()) return { done: true, value: undefined };
        continue;
      }
      this.#taken++;
      const event = this.#read(message);
      if (event !== undefined) return { done: false, value: event };
    }
  }

  /** Keeps the process alive while an event is waited for (the default). */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end while an event is waited for. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** Leaves the groups and closes the socket. A pending `next` ends. */
  close(): Promise<void> {
    return this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(message: Message): EventMessage<T> | undefined {
    try {
      const { type, senderPort } = message;
      if (this.#kernelOnly && senderPort !== 0) return undefined;
      const decoder = this.#decoderOf(type);
      if (decoder === undefined) return undefined;
      const { flags, group, namespaceId } = message;
      const body = decoder.decode(message);
      return { kind: "message", type, flags, group, senderPort, namespaceId, body };
    } finally {
      message.release();
    }
  }

  /** Waits for something to read. True where the subscription was closed meanwhile. */
  async #isOver(): Promise<boolean> {
    try {
      await this.#socket.readable();
      return false;
    } catch (error) {
      if (error instanceof SocketClosedError && this.#socket.closed) return true;
      throw error;
    }
  }

  async #return(): Promise<IteratorResult<SubscriptionEvent<T>, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }
}
