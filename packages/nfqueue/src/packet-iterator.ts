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

/** Packets one at a time, pulled. */
export class PacketIterator implements AsyncIterableIterator<Packet> {
  readonly #queue: IteratedQueue;
  #current: Packet | undefined;
  readonly #budget = new TurnBudget(() => this.#queue.endTurn());
  readonly #looks = new LooksBeforeSleep();
  /** A packet was handled since the last time when none was left. */
  #handled = false;
  #pulling = false;

  constructor(queue: IteratedQueue) {
    this.#queue = queue;
  }

  // No async function where a packet is at hand: one in another is most of what a packet would allocate.
  next(): Promise<IteratorResult<Packet, undefined>> {
    if (this.#pulling) {
      return Promise.reject(new BusyError("the iterator waits for a packet already: pull one at a time"));
    }
    try {
      const spent = this.#settleCurrent() && !this.#budget.spend();
      const packet = spent || this.#queue.isClosing() ? undefined : this.#take();
      return packet === undefined ? this.#wait(spent) : Promise.resolve({ value: packet, done: false });
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
    this.#handled = true;
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

  /** @param spent whether the turn is over though packets may wait; else none was left */
  async #wait(spent: boolean): Promise<IteratorResult<Packet, undefined>> {
    const queue = this.#queue;
    this.#pulling = true;
    try {
      for (let over = spent; !queue.isClosing(); over = false) {
        queue.endTurn();
        if (over || !this.#looksAgain()) {
          await (over ? nextTurn() : queue.readable());
          this.#budget.renew();
        }
        const packet = this.#take();
        if (packet !== undefined) return { value: packet, done: false };
      }
    } catch (error) {
      return await this.#end(error);
    } finally {
      this.#pulling = false;
    }
    return this.#end(undefined);
  }

  #looksAgain(): boolean {
    const handled = this.#handled;
    this.#handled = false;
    return this.#looks.lookAgain(handled);
  }

  /** Says that there are no more packets, where the queue was closed. */
  async #end(error: unknown): Promise<IteratorResult<Packet, undefined>> {
    if (error !== undefined) await this.#queue.end(error);
    await this.#queue.closed();
    return { value: undefined, done: true };
  }
}
