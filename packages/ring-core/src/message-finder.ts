import type { FrameTable } from "./frame-table.js";

/** Bytes of struct nlmsghdr, which begins with the message's length. */
const MESSAGE_HEADER_LENGTH = 16;

/**
 * Finds messages that do not start where their frame's payload does. Kernels that carry db65a3aaf29e without aa3a022094fa reserve room in front
 * of a dump's chunk in ring frames too: it ends where the frame ends, or a few bytes before, and what is in front of it is zeros.
 */
export class MessageFinder {
  readonly #frames: FrameTable;
  readonly #offsets: Float64Array;
  #lost = 0;

  constructor(frames: FrameTable) {
    this.#frames = frames;
    this.#offsets = new Float64Array(frames.geometry.frameCount);
  }

  /** Frames in which no message was found. */
  get lostCount(): number {
    return this.#lost;
  }

  /** Absolute offset of the message that `find` found. */
  offset(frame: number): number {
    return this.#offsets[frame] ?? 0;
  }

  /** Looks for a message of `length` bytes; false where there is none. */
  find(frame: number, length: number): boolean {
    const payload = this.#frames.payload(frame);
    const last = payload + this.#frames.capacity - length;
    for (let offset = payload; offset <= last; offset += 4) {
      const own = this.#frames.word(offset);
      if (own === 0) continue;
      // The first word that is no zero is the first message's length, or there is no message.
      if (own < Math.min(length, MESSAGE_HEADER_LENGTH) || own > length) break;
      this.#offsets[frame] = offset;
      return true;
    }
    this.#lost++;
    return false;
  }

  /** Clears the start of a frame that is given back, so that what is found there next is new. */
  forget(frame: number): void {
    const offset = this.#offsets[frame] ?? 0;
    if (offset !== 0) this.#frames.setWord(offset, 0);
  }
}
