import { setImmediate as nextTurn } from "node:timers/promises";
import { BusyError } from "@nlring/netlink";
import type { Packet } from "./packet.js";
import { TurnBudget } from "./turn.js";

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
  #pulling = false;

  constructor(queue: IteratedQueue) {
    this.#queue = queue;
  }

  async next(): Promise<IteratorResult<Packet, undefined>> {
    if (this.#pulling) throw new BusyError("the iterator waits for a packet already: pull one at a time");
    this.#pulling = true;
    try {
      return await this.#next(this.#settleCurrent());
    } finally {
      this.#pulling = false;
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

  /** @param handled whether a packet was, since the last one was pulled */
  async #next(handled: boolean): Promise<IteratorResult<Packet, undefined>> {
    const queue = this.#queue;
    try {
      if (handled && !this.#budget.spend()) {
        this.#budget.renew();
        queue.endTurn();
        await nextTurn();
      }
      while (!queue.isClosing()) {
        const packet = queue.take();
        if (packet !== undefined) {
          this.#current = packet;
          queue.keep(packet);
          return { value: packet, done: false };
        }
        this.#budget.renew();
        queue.endTurn();
        await queue.readable();
      }
    } catch (error) {
      await queue.end(error);
    }
    await queue.closed();
    return { value: undefined, done: true };
  }
}
