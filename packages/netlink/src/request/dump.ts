import { DumpInterruptedError } from "../errors.js";
import type { Message } from "../message/message.js";
import type { Decoder, Outgoing } from "../message/outgoing.js";
import type { Receiver } from "../receive/receiver.js";
import { limitWaiting } from "./request-group.js";
import type { PendingRequest, RequestOwner, RequestTable } from "./request-table.js";
import type { DumpTurn, Requester } from "./requester.js";

/** How a dump is read, and how long. */
export interface DumpOptions {
  /** How often a dump that the kernel calls inconsistent (NLM_F_DUMP_INTR) is asked for again; 3 where undefined. */
  readonly retries?: number | undefined;
  /** Items decoded ahead of the reader; 1024 where undefined. */
  readonly readAhead?: number | undefined;
  /** Ends the dump with its reason when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the first `next` to the end of the dump; unlimited where undefined. */
  readonly timeout?: number | undefined;
}

/** What a dump needs of its socket. */
export interface DumpSocket {
  readonly requester: Requester;
  readonly requests: RequestTable;
  readonly receiver: Receiver;
  /** Throws where the socket is closed. */
  assertOpen(): void;
}

const RETRIES = 3;
const READ_AHEAD = 1024;

/**
 * A list that the kernel hands out in pieces. Every iteration asks anew, when its first item is wanted; `all` collects one.
 *
 * Reading follows the reader: the kernel builds a piece when the one before was taken, and no more than `readAhead` items are decoded ahead.
 * Dumps of one socket run one after another, as the kernel has it; while another waits for its turn, the rest of the one that runs is
 * decoded ahead of its reader, so that a loop inside a loop goes on.
 *
 * Where the kernel says that the dump is inconsistent, it is asked for again, up to `retries` times, as long as no item was handed out:
 * always in `all`, and in an iteration while the dump fits `readAhead`. After that it ends with DumpInterruptedError, whose `items` are those
 * that were not handed out. Leaving an iteration early takes the rest of the dump off the socket in the background.
 */
export class Dump<T> implements AsyncIterable<T> {
  readonly #socket: DumpSocket;
  readonly #message: Outgoing;
  readonly #item: Decoder<T>;
  readonly #options: DumpOptions;

  constructor(socket: DumpSocket, message: Outgoing, item: Decoder<T>, options: DumpOptions) {
    this.#socket = socket;
    this.#message = message;
    this.#item = item;
    this.#options = options;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return new DumpCursor(this.#socket, this.#message, this.#item, this.#options);
  }

  /** All items. Rejects as an iteration does. */
  async all(): Promise<T[]> {
    const options = { ...this.#options, readAhead: Number.POSITIVE_INFINITY };
    const cursor = new DumpCursor(this.#socket, this.#message, this.#item, options);
    return cursor.collect();
  }
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** One run through a dump. */
class DumpCursor<T> implements AsyncIterator<T, undefined>, RequestOwner, DumpTurn {
  readonly #socket: DumpSocket;
  readonly #message: Outgoing;
  readonly #item: Decoder<T>;
  readonly #options: DumpOptions;
  #readAhead: number;
  #retries: number;
  #items: T[] = [];
  /** What was not handed out of `#items`, and how much was. */
  #unread = this.#items.values();
  #head = 0;
  #handedOut = false;
  #state: "new" | "waiting" | "running" | "ended" = "new";
  #error: unknown;
  #request: PendingRequest | undefined;
  /** Who called `next` and has no answer yet, in order. */
  readonly #waiters: Waiter<T>[] = [];
  #stopLimit: (() => void) | undefined;

  constructor(socket: DumpSocket, message: Outgoing, item: Decoder<T>, options: DumpOptions) {
    this.#socket = socket;
    this.#message = message;
    this.#item = item;
    this.#options = options;
    this.#readAhead = Math.max(1, options.readAhead ?? READ_AHEAD);
    this.#retries = options.retries ?? RETRIES;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#isReady && this.#waiters.length === 0) return Promise.resolve(this.#take());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#advance();
    });
  }

  /** Leaves early. What is still to come is taken off the socket unseen. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#clear();
    this.#finish(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  async collect(): Promise<T[]> {
    const first = await this.next();
    if (first.done === true) return [];
    // Everything is here with the first item: no read-ahead is too much. One alone was cleared away when it was handed out.
    return this.#items.length > 0 ? this.#items : [first.value];
  }

  /** The dump's turn among those of the socket. */
  start(): void {
    this.#state = "running";
    const { requester } = this.#socket;
    try {
      const request = requester.sendDump(this.#message, this);
      // A send that failed has ended it already.
      if (this.#state === "running") this.#request = request;
    } catch (error) {
      // It could not be written.
      this.#finish(error);
      requester.endDump();
    }
  }

  hurry(): void {
    this.#readAhead = Number.POSITIVE_INFINITY;
    if (this.#request === undefined) return;
    this.#want(true);
    this.#socket.receiver.lookSoon();
  }

  fail(error: unknown): void {
    this.#finish(error);
  }

  visit(message: Message): void {
    if (this.#state !== "running") return;
    this.#items.push(this.#item.decode(message));
    if (this.#items.length - this.#head >= this.#readAhead) {
      this.#want(false);
      this.#handOut();
    } else if (this.#handedOut) this.#handOut();
  }

  settle(_index: number, error: unknown): void {
    this.#request = undefined;
    if (this.#state !== "running") {
      // It was left before; its turn ends here.
      this.#socket.requester.endDump();
      return;
    }
    if (error instanceof DumpInterruptedError) {
      if (!this.#handedOut && this.#retries > 0) {
        this.#retries--;
        this.#clear();
        this.#state = "waiting";
        // Behind the dumps that wait already.
        this.#socket.requester.startDump(this);
      } else {
        const items = this.#items.slice(this.#head);
        this.#finish(new DumpInterruptedError(this.#message.type, items));
      }
    } else {
      this.#finish(error);
    }
    this.#socket.requester.endDump();
  }

  /** True where an item can be handed out: the first one when a retry is no longer to be expected. */
  get #isReady(): boolean {
    const count = this.#items.length - this.#head;
    if (count === 0 || this.#error !== undefined) return false;
    return this.#handedOut || this.#state === "ended" || count >= this.#readAhead;
  }

  #take(): IteratorResult<T, undefined> {
    const result = this.#unread.next();
    this.#handedOut = true;
    this.#head++;
    if (this.#head === this.#items.length) this.#clear();
    return result;
  }

  /** Gives those who wait what there is, and reads on where that is not enough. */
  #advance(): void {
    if (this.#state === "new") this.#begin();
    this.#handOut();
    if (this.#waiters.length === 0 || this.#state !== "running") return;
    this.#want(true);
    this.#socket.receiver.readNow();
  }

  #begin(): void {
    const { signal } = this.#options;
    try {
      this.#socket.assertOpen();
      signal?.throwIfAborted();
    } catch (error) {
      this.#finish(error);
      return;
    }
    this.#state = "waiting";
    this.#stopLimit = limitWaiting(this.#options, (error) => this.#finish(error));
    this.#socket.requester.startDump(this);
  }

  #handOut(): void {
    while (this.#waiters.length > 0) {
      if (this.#isReady) {
        this.#waiters.shift()?.resolve(this.#take());
        continue;
      }
      if (this.#state !== "ended") return;
      const error = this.#error;
      // Once: an iterator that has failed is done.
      this.#error = undefined;
      if (error !== undefined) {
        this.#clear();
        this.#waiters.shift()?.reject(error);
      } else this.#waiters.shift()?.resolve({ done: true, value: undefined });
    }
  }

  /** Ends it for its reader. A dump that still runs is taken off the socket. */
  #finish(error: unknown): void {
    if (this.#state === "ended") return;
    if (this.#state === "waiting") this.#socket.requester.cancelDump(this);
    this.#state = "ended";
    this.#error = error;
    this.#stopLimit?.();
    if (this.#request !== undefined) {
      this.#want(true);
      this.#socket.receiver.lookSoon();
    }
    this.#handOut();
  }

  #clear(): void {
    this.#items = [];
    this.#unread = this.#items.values();
    this.#head = 0;
  }

  #want(wanted: boolean): void {
    if (this.#request !== undefined) this.#socket.requests.setWanted(this.#request, wanted);
  }
}
