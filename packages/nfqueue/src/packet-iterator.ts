import { setImmediate as nextTurn } from "node:timers/promises";
import { BusyError } from "@nlring/netlink";
import type { Packet } from "./packet.js";
import { LooksBeforeSleep, TurnBudget } from "./turn.js";

/** What the iterator needs of its queue. */
export interface IteratedQueue {
  take(): Packet | undefined;
  isClosing(): boolean;
  /** The packet is in the hands of the loop's body. */
  keep(packet: Packet): void;
  /** The body is done with it. */
  settle(packet: Packet): void;
  /** Sends what was decided. Throws where the queue is lost. */
  endTurn(): void;
  /** Resolves when there may be another packet. */
  readable(): Promise<void>;
  /** Returns where the reading ended because the queue was closed, else throws why it did. */
  end(error: unknown): Promise<void>;
  /** Resolves when the queue is closed; throws where its signal closed it. */
  closed(): Promise<void>;
  leave(): Promise<void>;
}

const RESOLVED = Promise.resolve();

/** Packets one at a time, pulled. */
export class PacketIterator implements AsyncIterableIterator<Packet> {
  readonly #queue: IteratedQueue;
  #current: Packet | undefined;
  readonly #budget = new TurnBudget(() => this.#queue.endTurn());
  readonly #looks = new LooksBeforeSleep();
  #pulling = false;
  // Made once. Until it runs, right before whoever awaits the packet goes on, a second pull would decide a packet that nobody saw.
  readonly #hand = (): IteratorResult<Packet, undefined> => {
    this.#pulling = false;
    const packet = this.#current;
    return packet === undefined ? { value: undefined, done: true } : { value: packet, done: false };
  };

  constructor(queue: IteratedQueue) {
    this.#queue = queue;
  }

  // No async function where a packet is at hand: one in another is half of what a packet would allocate.
  next(): Promise<IteratorResult<Packet, undefined>> {
    if (this.#pulling) {
      return Promise.reject(new BusyError("the iterator waits for a packet already: pull one at a time"));
    }
    this.#pulling = true;
    try {
      const handled = this.#settleCurrent();
      const spent = handled && !this.#budget.spend();
      if (spent || this.#queue.isClosing() || this.#take() === undefined) return this.#wait(handled, spent);
      return RESOLVED.then(this.#hand);
    } catch (error) {
      return this.#end(error);
    }
  }

  async return(): Promise<IteratorResult<Packet, undefined>> {
    this.#settleCurrent();
    await this.#queue.leave();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** True where there was one. */
  #settleCurrent(): boolean {
    const packet = this.#current;
    if (packet === undefined) return false;
    this.#current = undefined;
    this.#queue.settle(packet);
    return true;
  }

  /** The next packet, in the hands of the loop's body. */
  #take(): Packet | undefined {
    const packet = this.#queue.take();
    if (packet === undefined) return undefined;
    this.#current = packet;
    this.#queue.keep(packet);
    return packet;
  }

  /**
   * @param handled whether a packet was, since the queue was asked last
   * @param spent whether the turn is over though packets may wait; else none was left
   */
  async #wait(handled: boolean, spent: boolean): Promise<IteratorResult<Packet, undefined>> {
    const queue = this.#queue;
    try {
      for (let decided = handled, over = spent; !queue.isClosing(); decided = false, over = false) {
        queue.endTurn();
        const looksAgain = this.#looks.lookAgain(decided);
        if (over || !looksAgain) {
          await (over ? nextTurn() : queue.readable());
          this.#budget.renew();
        }
        const packet = this.#take();
        if (packet !== undefined) {
          this.#pulling = false;
          return { value: packet, done: false };
        }
      }
    } catch (error) {
      return await this.#end(error);
    }
    return this.#end(undefined);
  }

  /** Says that there are no more packets, where the queue was closed. */
  async #end(error: unknown): Promise<IteratorResult<Packet, undefined>> {
    try {
      if (error !== undefined) await this.#queue.end(error);
      await this.#queue.closed();
      return { value: undefined, done: true };
    } finally {
      this.#pulling = false;
    }
  }
}
