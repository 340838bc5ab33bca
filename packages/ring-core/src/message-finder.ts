import type { FrameTable } from "./frame-table.js";

/** Bytes of struct nlmsghdr, which begins with the message's length. */
const MESSAGE_HEADER_LENGTH = 16;

/** How many starts that look right are followed up in one frame: what lies in front of the message is not always the kernel's. */
const MOST_TRIALS = 64;

/**
 * Finds messages that do not start where their frame's payload does. Kernels that carry db65a3aaf29e without aa3a022094fa reserve room in front
 * of a dump's chunk in ring frames too. Its size is what the frame has more than the chunk's allocation: often a multiple of 4, and any number
 * once somebody has received into a buffer of an odd length (3.15 to 4.1).
 *
 * The kernel writes nothing in front of the chunk. So what was read is cleared before a frame is given back; the first bytes that are not
 * zero are then the message's, but for the ends of messages that the kernel took back while it built them.
 */
export class MessageFinder {
  readonly #frames: FrameTable;
  /** Where the message starts, 0 for none: no payload starts at 0. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  #lost = 0;

  constructor(frames: FrameTable) {
    this.#frames = frames;
    this.#starts = new Float64Array(frames.geometry.frameCount);
    this.#lengths = new Uint32Array(frames.geometry.frameCount);
  }

  /** Frames in which no message was found. */
  get lostCount(): number {
    return this.#lost;
  }

  /** Absolute offset of the message that `find` found, or of the payload of a frame in which it did not look. */
  offset(frame: number): number {
    const start = this.#starts[frame] ?? 0;
    return start === 0 ? this.#frames.payload(frame) : start;
  }

  /** Looks for messages of `length` bytes together, at most the frame's capacity; false where there are none. */
  find(frame: number, length: number): boolean {
    const start = this.#search(frame, length);
    if (start === 0) {
      this.#lost++;
      return false;
    }
    this.#starts[frame] = start;
    this.#lengths[frame] = length;
    return true;
  }

  /** Clears what was found in a frame that is given back. A frame in which `find` found nothing is left as it is: it may stand for a copy. */
  forget(frame: number): void {
    const start = this.#starts[frame] ?? 0;
    if (start === 0) return;
    this.#starts[frame] = 0;
    this.#frames.bytes.fill(0, start, start + (this.#lengths[frame] ?? 0));
  }

  /** Clears all of a frame that is passed over: nobody knows how much of it the kernel had written. */
  clear(frame: number): void {
    const payload = this.#frames.payload(frame);
    this.#frames.bytes.fill(0, payload, payload + this.#frames.capacity);
  }

  #search(frame: number, length: number): number {
    const frames = this.#frames;
    const payload = frames.payload(frame);
    const end = payload + frames.capacity;
    const last = Math.min(end - length, end - 4);
    let guess = 0;
    let trials = 0;
    for (let offset = payload; offset < Math.min(last + 4, end) && trials < MOST_TRIALS; offset += 4) {
      if (frames.word(offset) === 0) continue;
      if (this.#mayStart(offset, last, length)) {
        if (this.#spans(offset, length)) return offset;
        if (guess === 0) guess = offset;
        trials++;
      }
      // A message that starts elsewhere than at a multiple of 4: its length begins or ends in this word.
      for (let start = Math.max(offset - 3, payload); start < offset + 4; start++) {
        if (start === offset || !this.#mayStart(start, last, length)) continue;
        if (this.#spans(start, length)) return start;
        trials++;
      }
    }
    return guess;
  }

  #mayStart(start: number, last: number, length: number): boolean {
    if (start > last) return false;
    const own = this.#frames.word(start);
    return own >= Math.min(length, MESSAGE_HEADER_LENGTH) && own <= length;
  }

  /** True where messages follow each other from here and end together after `length` bytes. */
  #spans(start: number, length: number): boolean {
    for (let at = 0; at < length; ) {
      if (length - at < 4) return false;
      const own = this.#frames.word(start + at);
      if (own < Math.min(length, MESSAGE_HEADER_LENGTH) || own > length - at) return false;
      at += (own + 3) & ~3;
    }
    return true;
  }
}
