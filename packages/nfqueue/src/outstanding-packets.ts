import type { Packet } from "./packet.js";

interface Entry {
  readonly packet: Packet;
  /** When it falls due, in ms of `performance.now()`. */
  readonly due: number;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** Packets that outlived the call that delivered them, in the order in which they came, and the verdict timeout of them all. */
export class OutstandingPackets {
  // A list of its own beside the map: finding a map's first key passes over every deletion before it, and an iterator that is kept open
  // keeps each table alive that the map has outgrown since.
  readonly #entries = new Map<Packet, Entry>();
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  readonly #timeout: number | undefined;
  readonly #onDue: (packet: Packet) => void;
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

  /** The packet that has waited longest; undefined where none waits. */
  get oldest(): Packet | undefined {
    return this.#oldest?.packet;
  }

  /** Adds the packet that came last; one that is there already keeps its place. */
  add(packet: Packet): void {
    if (this.#entries.has(packet)) return;
    const due = this.#timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + this.#timeout;
    const entry: Entry = { packet, due, older: this.#newest, newer: undefined };
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#entries.set(packet, entry);
    if (this.#timeout !== undefined && this.#timer === undefined) this.#arm(this.#timeout);
  }

  delete(packet: Packet): void {
    const entry = this.#oldest === undefined ? undefined : this.#entries.get(packet);
    if (entry === undefined) return;
    this.#entries.delete(packet);
    const { older, newer } = entry;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }

  /** The packets, oldest first; each may be deleted when it has been handed out. */
  *[Symbol.iterator](): IterableIterator<Packet> {
    for (let entry = this.#oldest; entry !== undefined; ) {
      const { packet, newer } = entry;
      yield packet;
      entry = newer;
    }
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
    for (let entry = this.#oldest; entry !== undefined; entry = this.#oldest) {
      const left = entry.due - performance.now();
      if (left > 0) {
        this.#arm(left);
        return;
      }
      this.#onDue(entry.packet);
      // Whatever became of it, it is not asked about again.
      this.delete(entry.packet);
    }
  }
}
