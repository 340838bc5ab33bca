import type { Packet } from "./packet.js";

/** Packets that outlived the call that delivered them, in the order in which they came, and the verdict timeout of them all. */
export class OutstandingPackets {
  /** Each with the time at which it falls due, in ms of `performance.now()`. */
  readonly #packets = new Map<Packet, number>();
  readonly #timeout: number | undefined;
  readonly #onDue: (packet: Packet) => void;
  /** Walks the map as it changes, so that the oldest packet is found without passing over what was deleted before it each time. */
  #cursor: Iterator<Packet, undefined> = this.#packets.keys();
  #oldest: Packet | undefined;
  /** One timer, for the oldest. */
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeout milliseconds that a packet may wait; undefined for ever
   * @param onDue gives a packet that waited so long its verdict
   */
  constructor(timeout: number | undefined, onDue: (packet: Packet) => void) {
    this.#timeout = timeout;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#packets.size;
  }

  /** The packet that has waited longest; undefined where none waits. */
  get oldest(): Packet | undefined {
    if (this.#packets.size === 0) return undefined;
    while (this.#oldest === undefined || !this.#packets.has(this.#oldest)) {
      const step = this.#cursor.next();
      if (step.done === true) {
        // It had reached the end before the packet was added.
        this.#cursor = this.#packets.keys();
        continue;
      }
      this.#oldest = step.value;
    }
    return this.#oldest;
  }

  add(packet: Packet): void {
    if (this.#timeout === undefined) {
      this.#packets.set(packet, Number.POSITIVE_INFINITY);
      return;
    }
    if (this.#packets.has(packet)) return;
    this.#packets.set(packet, performance.now() + this.#timeout);
    if (this.#timer === undefined) this.#arm(this.#timeout);
  }

  delete(packet: Packet): void {
    if (this.#packets.size > 0) this.#packets.delete(packet);
  }

  /** The packets, oldest first; those that are deleted on the way are passed over. */
  [Symbol.iterator](): IterableIterator<Packet> {
    return this.#packets.keys();
  }

  /** Lets packets wait for as long as they like. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(delay: number): void {
    // The queue's socket keeps the process alive where anything does.
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, Math.ceil(delay))).unref();
  }

  #expire(): void {
    this.#timer = undefined;
    for (;;) {
      const packet = this.oldest;
      if (packet === undefined) return;
      const left = (this.#packets.get(packet) ?? 0) - performance.now();
      if (left > 0) {
        this.#arm(left);
        return;
      }
      this.#packets.delete(packet);
      this.#onDue(packet);
    }
  }
}
