const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A small generator of numbers that a seed repeats (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}

/** Lengths and types at which formats break: around headers, alignment and the limits of their fields. */
const NUMBERS = [
  0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 36, 0x7f, 0x80, 0xff, 0x7ffc, 0x7fff, 0x8000, 0xfffc, 0xffff,
] as const;

/**
 * Changes a real message the way a broken sender would, and an attacker: bytes, lengths, types, order, its end. The changed message lies in
 * `memory` from `start`, and what lies around it is left as it is.
 */
export class Mutator {
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly #random: Random;
  readonly #corpus: readonly [Uint8Array, ...Uint8Array[]];
  readonly #capacity: number;

  constructor(random: Random, corpus: readonly [Uint8Array, ...Uint8Array[]]) {
    this.#random = random;
    this.#corpus = corpus;
    const longest = Math.max(...corpus.map(({ length }) => length));
    this.#capacity = longest * 2 + 64;
    this.start = 64;
    this.memory = new Uint8Array(this.start + this.#capacity + 64);
    this.view = new DataView(this.memory.buffer);
  }

  /** Makes the next message and returns its length. */
  next(): number {
    const random = this.#random;
    const source = random.pick(this.#corpus);
    this.memory.set(source, this.start);
    let length = source.length;
    for (let changes = 1 + random.below(4); changes > 0; changes--) length = this.#change(length);
    // Most decoders are asked for one whole message: the header says so, unless it was its own length that was to be wrong.
    if (random.below(8) > 0 && length >= 4) this.view.setUint32(this.start, length, HOST_IS_LITTLE_ENDIAN);
    return length;
  }

  /** Fills what lies around the message: whoever reads it gives itself away by another result. */
  surround(length: number, value: number): void {
    this.memory.fill(value, 0, this.start);
    this.memory.fill(value, this.start + length);
  }

  #change(length: number): number {
    const random = this.#random;
    const { memory, view, start } = this;
    if (length === 0) return this.#append(0);
    const at = start + random.below(length);
    switch (random.below(8)) {
      case 0:
        memory[at] = random.below(256);
        return length;
      case 1:
        memory[at] = (memory[at] ?? 0) ^ (1 << random.below(8));
        return length;
      case 2:
      case 3: {
        // Lengths and types stand at multiples of 2.
        const even = start + (random.below(length) & ~1);
        if (even + 2 <= start + length) view.setUint16(even, random.pick(NUMBERS), HOST_IS_LITTLE_ENDIAN);
        return length;
      }
      case 4:
        return random.below(length + 1);
      case 5:
        return this.#append(length);
      case 6: {
        const from = start + random.below(length);
        const size = Math.min(random.below(64), start + length - Math.max(from, at));
        memory.copyWithin(at, from, from + Math.max(0, size));
        return length;
      }
      default: {
        const size = Math.min(random.below(16) + 1, start + length - at);
        memory.copyWithin(at, at + size, start + length);
        return length - size;
      }
    }
  }

  /** Puts a piece of another message behind. */
  #append(length: number): number {
    const other = this.#random.pick(this.#corpus);
    const from = this.#random.below(other.length);
    const size = Math.min(this.#random.below(96), other.length - from, this.#capacity - length);
    this.memory.set(other.subarray(from, from + size), this.start + length);
    return length + size;
  }
}
