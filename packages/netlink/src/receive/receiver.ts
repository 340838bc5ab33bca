import type { Diagnostics } from "../diagnostics/diagnostics.js";
import { SystemError } from "../errors.js";
import { type FrameKeeper, Message } from "../message/message.js";
import type { MessageCursor } from "../message/message-cursor.js";
import type { RequestTable } from "../request/request-table.js";
import type { Transport } from "../transport/transport.js";
import { FrameReader, type ReceiveStatistics } from "./frame-reader.js";

/** What a waiting message costs beside its bytes, about as the kernel charges it. */
const MESSAGE_OVERHEAD = 768;

/** How often a turn of the event loop reads for requests that were made without waiting for it. */
const READS_PER_TURN = 16;

/** Who waits for messages. One of the two is called, once. */
export interface ReadWaiter {
  /** There may be a message. */
  resolve(): void;
  /** The socket was closed, or is lost. */
  reject(error: unknown): void;
}

/**
 * The receiving side of a socket: it watches the transport while somebody waits, finds the answers to requests while nobody reads,
 * and keeps what else it meets then, in order, for the reader.
 */
export class Receiver {
  readonly #transport: Transport;
  readonly #requests: RequestTable;
  readonly #frames: FrameReader;
  readonly #onLost: (error: SystemError) => void;
  /** Messages met while only an answer was looked for, in order. */
  #backlog: Message[] = [];
  #backlogSize = 0;
  readonly #backlogLimit: number;
  /** True when the last look found neither a message nor a reason to look again before the descriptor says so. */
  #drained = true;
  #waiter: ReadWaiter | undefined;
  #nextTurn: NodeJS.Immediate | undefined;
  readonly #look = (): void => {
    this.#nextTurn = undefined;
    this.#turn();
    this.#updateInterest();
  };
  #reads = 0;
  readonly #renewReads = (): void => {
    this.#reads = 0;
  };
  #stopped = false;

  constructor(
    transport: Transport,
    requests: RequestTable,
    diagnostics: Diagnostics,
    onLost: (error: SystemError) => void,
  ) {
    this.#transport = transport;
    this.#requests = requests;
    this.#onLost = onLost;
    this.#frames = new FrameReader(transport, requests, diagnostics, () => this.lookSoon());
    this.#backlogLimit = transport.receiveBuffer;
    transport.onReadable(() => {
      // One look a turn of the event loop: the bounds on what it does are a turn's.
      if (this.#nextTurn === undefined) this.#turn();
    });
  }

  get statistics(): ReceiveStatistics {
    return this.#frames.statistics;
  }

  /** Messages that arrived and that no reader will see. */
  get unseen(): number {
    return this.#frames.unseen;
  }

  /** How many times messages were lost, each counted once all of them were: when the socket had been read empty. */
  get losses(): number {
    return this.#frames.losses;
  }

  /** True while somebody waits. */
  get isAwaited(): boolean {
    return this.#waiter !== undefined;
  }

  /** Holds and releases frames. */
  get frames(): FrameKeeper {
    return this.#frames;
  }

  /** The next message that answers no request, or undefined where none waits. */
  take(): Message | undefined {
    return this.#backlog.length > 0 ? this.#takeMet() : this.#read(true);
  }

  /** The same for a reader that makes its own objects: false where none waits. */
  next(cursor: MessageCursor, trusting: boolean): boolean {
    const met = this.#backlog.length > 0 ? this.#takeMet() : undefined;
    if (met === undefined) return this.#noteRead(this.#frames.place(cursor, trusting));
    cursor.pointAt(met, Message.frameOf(met));
    return true;
  }

  #takeMet(): Message | undefined {
    const message = this.#backlog.shift();
    if (message !== undefined) this.#backlogSize -= size(message);
    return message;
  }

  /** Resolves when `take` may find a message again: in a later turn of the event loop, never in this one. */
  untilReadable(): Promise<void> {
    return new Promise((resolve, reject) => this.wait({ resolve, reject }));
  }

  /** The same without a promise. */
  wait(waiter: ReadWaiter): void {
    this.#waiter = waiter;
    // Frames may be full while the socket is empty: readiness would not come back for them.
    if (!this.#drained || this.#backlog.length > 0) this.lookSoon();
    this.#updateInterest();
  }

  /** True while this turn of the event loop has reads left for requests that are made without waiting for it. */
  get mayRead(): boolean {
    return this.#reads < READS_PER_TURN;
  }

  /** Reads the answers that are there, whatever else was done in this turn of the event loop; it goes on in the next where not all came. */
  readAnswers(): void {
    if (this.#stopped || this.#requests.wanted === 0) return;
    if (this.#reads++ === 0) setImmediate(this.#renewReads);
    this.#findAnswers();
    // Who waits to read finds what was met meanwhile.
    if (this.#requests.wanted > 0 || this.#waiter !== undefined) this.lookSoon();
  }

  /**
   * Looks for answers now: the kernel has queued them when the send returns. Where this was done often in this turn of the event loop,
   * it is done in the next: a chain of awaited requests leaves the others their time.
   */
  readNow(): void {
    if (this.#stopped || this.#requests.wanted === 0) return;
    if (this.mayRead) this.readAnswers();
    else this.lookSoon();
  }

  /**
   * Looks in the event loop's next turn, without waiting for the descriptor, whether anybody reads or not. After a request that is
   * all it takes: the kernel has answered when the send returns.
   */
  lookSoon(): void {
    if (this.#stopped || this.#nextTurn !== undefined) return;
    this.#nextTurn = setImmediate(this.#look);
  }

  /** The transport is about to close: whoever waits is rejected, and what waits is forgotten. */
  stop(reason: unknown): void {
    this.#stopped = true;
    clearImmediate(this.#nextTurn);
    this.#frames.stop();
    this.#backlog = [];
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(reason);
  }

  #read(forReader: boolean): Message | undefined {
    const message = this.#frames.next(forReader);
    this.#noteRead(message !== undefined);
    return message;
  }

  #noteRead(found: boolean): boolean {
    const frames = this.#frames;
    this.#drained = !found && !frames.interrupted;
    if (!found && frames.lost !== 0) {
      this.#onLost(new SystemError("recvmmsg", frames.lost, "the socket is closed; open another one"));
    }
    return found;
  }

  /** Called when the descriptor is readable or a frame came free: wakes the reader, else looks for answers. */
  #turn(): void {
    if (this.#stopped) return;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      // Still watched: the reader comes back in a moment, and stopping and starting a watch costs two system calls.
      this.#waiter = undefined;
      waiter.resolve();
      return;
    }
    this.#findAnswers();
    if (this.#stopped) return;
    if (this.#requests.wanted === 0) this.#transport.pause();
    else if (!this.#drained) this.lookSoon();
  }

  /** Reads until every request has its answer; what else comes waits for the reader. */
  #findAnswers(): void {
    while (this.#requests.wanted > 0) {
      const message = this.#read(false);
      if (message === undefined) return;
      const total = this.#backlogSize + size(message);
      // Requests empty the socket's own buffer, which bounds what waits; the same bound holds here instead.
      if (this.#backlog.length > 0 && total > this.#backlogLimit) {
        this.#frames.discard(message);
        continue;
      }
      this.#backlogSize = total;
      this.#backlog.push(message);
    }
  }

  /** Watches the descriptor while somebody waits for it. Without a free frame only answers are worth it: they find room. */
  #updateInterest(): void {
    if (this.#stopped) return;
    if (this.#requests.wanted > 0) this.#transport.resume();
    else if (this.#frames.starved) this.#transport.pause();
    else if (this.#waiter !== undefined) this.#transport.resume();
  }
}

function size(message: Message): number {
  return message.end - message.offset + MESSAGE_OVERHEAD;
}
