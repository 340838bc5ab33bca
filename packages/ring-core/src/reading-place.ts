import { FrameStatus } from "./abi.js";
import type { FrameTable } from "./frame-table.js";

/**
 * What the reader knows of a frame. It is kept beside the ring and not in it: whoever can write into the ring must not be able to
 * make the reader take a frame twice or give back one it never had.
 */
export const Ownership = {
  /** The producer's, or filled and not read yet. */
  free: 0,
  /** The reader's, handed out by `next`. */
  taken: 1,
  /** The reader's, handed out and held: the producer passes it over. */
  held: 2,
  /** The producer's again, but only for its next lap: it was held when the producer came by. */
  passed: 3,
} as const;

/**
 * Where the reader is, and what it can tell of where the producer is.
 *
 * The producer fills frames in ring order and passes over held ones. So a held frame that is given back lies either in front of the
 * producer, which fills it next, or behind it, and then it stays empty while later frames are filled. The status word does not tell the
 * two apart once the producer has gone all the way round: the order in which frames are read would be wrong. Therefore the reader finds
 * out when the frame is given back, from the frames in front of it.
 *
 * That is exact for a producer that moves only by filling and not during a call of the reader (a user ring). Beside another processor it is
 * exact but for two cases, in which the status words are then the same as in another order: a held frame is given back while a delivery has
 * passed it and not yet filled the frame behind it, and every free frame is filled before the reader looks again; or the head also moves over
 * held frames while the ring is full (Linux 4.3 to 4.5), and goes round before the reader has read on to the end.
 *
 * The three marks below count frames from `position` on. They are 0, and cost one comparison, as long as no frame was given back late.
 */
export class ReadingPlace {
  readonly ownership: Uint8Array;
  /** The frame that is read next. */
  position = 0;
  readonly #frames: FrameTable;
  readonly #frameCount: number;
  /** The producer is past this many frames for certain: each of them is filled, held or passed. */
  #ahead = 0;
  /** From `#ahead` to here all are held; the frame here is the first that the producer may fill. */
  #gap = 0;
  /** From `#gap` to here all are held or empty; the empty ones may have been given back behind the producer. At least `#gap`. */
  #doubt = 0;
  /** The producer was once seen behind a frame in doubt: a frame filled in front of the others no longer clears them. */
  #scattered = false;

  constructor(frames: FrameTable) {
    this.#frames = frames;
    this.#frameCount = frames.geometry.frameCount;
    this.ownership = new Uint8Array(this.#frameCount);
  }

  /** Goes back to the first frame, where every frame is the producer's and it is known to be at `position`; false where it is not. */
  rewind(): boolean {
    if (this.#doubt !== 0) return false;
    this.position = 0;
    return true;
  }

  /** Moves behind the frame at `position`, which was filled. */
  advance(): void {
    this.position = this.#frames.next(this.position);
    if (this.#doubt !== 0) this.#shift();
  }

  /** For a frame at `position` that cannot be taken: true where there is reason to look again, for the place moved or a frame was found. */
  step(): boolean {
    const ownership = this.ownership[this.position];
    if (ownership === Ownership.taken || (ownership === Ownership.free && this.#doubt === 0)) return false;
    // Past an unfinished frame (RESERVED) nothing is read, for its message comes first; where the producer went is noted all the same.
    const waiting = this.#ahead > 0;
    this.#follow();
    if (this.#gap < this.#doubt) this.#lookPast();
    return !waiting && this.#ahead > 0;
  }

  /** Gives a held frame back to the producer. */
  giveBack(frame: number): void {
    this.#look();
    const distance = this.#distance(frame);
    if (distance < this.#ahead) {
      this.ownership[frame] = Ownership.passed;
      this.#frames.setStatus(frame, FrameStatus.unused);
      return;
    }
    this.ownership[frame] = Ownership.free;
    this.#frames.setStatus(frame, FrameStatus.unused);
    // A producer on another processor may have come by between the look and the store. Still seen in front of this frame after the
    // store, it will find it free.
    if (distance < this.#gap) {
      const next = this.#gap;
      this.#gap = distance;
      if (next < this.#frameCount && this.#wasFilled(this.#at(next))) this.#lookPast();
      return;
    }
    this.#look();
    if (this.#at(this.#gap) !== frame) return;
    if (this.#doubt === this.#gap) this.#doubt = this.#behindHeld(this.#gap + 1);
    this.#lookPast();
  }

  #at(distance: number): number {
    const frame = this.position + distance;
    return frame < this.#frameCount ? frame : frame - this.#frameCount;
  }

  #distance(frame: number): number {
    return frame < this.position ? frame - this.position + this.#frameCount : frame - this.position;
  }

  /** The first frame from here on that is not held. */
  #behindHeld(from: number): number {
    let distance = from;
    while (distance < this.#frameCount && this.ownership[this.#at(distance)] === Ownership.held) distance++;
    return distance;
  }

  /** Counts the marks from the next frame on, `position` having moved there. */
  #shift(): void {
    if (this.#ahead > 0) {
      this.#ahead--;
      this.#gap--;
      this.#doubt--;
      this.#passOver();
    } else {
      this.#clear(this.#doubt - 1);
    }
  }

  /**
   * Moves to the first frame in front of the producer's mark that is neither held nor passed. At once and not when it is read: the producer
   * cannot pass a filled frame, but those in front of it a second time.
   */
  #passOver(): void {
    while (this.#ahead > 0) {
      const ownership = this.ownership[this.position];
      if (ownership === Ownership.passed) this.ownership[this.position] = Ownership.free;
      else if (ownership !== Ownership.held) return;
      this.position = this.#frames.next(this.position);
      this.#ahead--;
      this.#gap--;
      this.#doubt--;
    }
  }

  /**
   * A frame was filled in front of all that are in doubt: they were given back before the producer came.
   *
   * @param doubt where the doubt ends if that does not settle it
   */
  #clear(doubt: number): void {
    if (!this.#scattered || doubt <= this.#ahead) {
      this.#doubt = this.#ahead;
      this.#scattered = false;
    } else {
      this.#doubt = doubt;
    }
  }

  /** Notes frames that were filled in ring order since the last look. */
  #follow(): void {
    for (;;) {
      this.#gap = this.#behindHeld(this.#gap);
      this.#doubt = this.#behindHeld(Math.max(this.#doubt, this.#gap));
      if (this.#gap === this.#frameCount) return;
      if (!this.#wasFilled(this.#at(this.#gap))) return;
      this.#gap++;
      this.#ahead = this.#gap;
      this.#clear(this.#doubt);
      this.#passOver();
    }
  }

  /**
   * Notes all that was filled since the last look, behind empty frames in doubt too. A frame that is given back behind one in doubt is itself
   * in doubt only if the producer has reached what lies between the two: that is seen here or never.
   */
  #look(): void {
    do this.#follow();
    while (this.#gap < this.#doubt && this.#lookPast());
  }

  /** Looks for a filled frame behind the empty one at `#gap`: the producer went past what lies between. True where there is one. */
  #lookPast(): boolean {
    for (let distance = this.#gap + 1; distance <= this.#doubt && distance < this.#frameCount; distance++) {
      const frame = this.#at(distance);
      if (this.#wasFilled(frame)) {
        this.#settle(distance);
        return true;
      }
    }
    return false;
  }

  #settle(found: number): void {
    let last = found;
    for (let distance = this.#gap; distance < found; distance++) {
      const frame = this.#at(distance);
      if (this.ownership[frame] === Ownership.held) continue;
      // Seen empty before the frame behind it was seen filled. Filled by now, it was filled first.
      if (this.#frames.status(frame) !== FrameStatus.unused) {
        last = distance;
        break;
      }
      this.ownership[frame] = Ownership.passed;
    }
    this.#ahead = last + 1;
    this.#gap = last + 1;
    this.#scattered = this.#doubt > this.#ahead;
    if (!this.#scattered) this.#doubt = this.#ahead;
    this.#passOver();
  }

  /** True where the producer has passed a frame that is not held: it fills in ring order, and RESERVED says that it has begun. */
  #wasFilled(frame: number): boolean {
    if (this.ownership[frame] !== Ownership.free) return false;
    const status = this.#frames.status(frame);
    return status === FrameStatus.valid || status === FrameStatus.copy || status === FrameStatus.reserved;
  }
}
