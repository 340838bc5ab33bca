import { FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
import { FrameTable } from "./frame-table.js";
import type { MessageSource } from "./kernel-side.js";

const NONE = -1;

/**
 * What two ages of the mapped kernel do differently. Before 4.3 a held frame (SKIP) at the head makes the ring full, since the search for
 * the next one looks at the head again and again; and poll looks at the frame before the head instead of all of them.
 */
export type KernelDialect = "before-4.3" | "from-4.3";

/** The kernel's side of a mapped RX ring: which frame it fills next, and what it stores there. */
export class KernelRxRing {
  #frames: FrameTable;
  readonly #dialect: KernelDialect;
  #head = 0;
  /** Frames reserved and neither delivered nor freed. */
  #pending = 0;

  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry, dialect: KernelDialect) {
    this.#frames = new FrameTable(memory, byteOffset, geometry);
    this.#dialect = dialect;
  }

  get capacity(): number {
    return this.#frames.capacity;
  }

  get bytes(): Uint8Array {
    return this.#frames.bytes;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Goes on at the start of other memory, which holds the same frames by the time the next one is touched. */
  move(memory: ArrayBufferLike): void {
    this.#frames = new FrameTable(memory, 0, this.#frames.geometry);
  }

  /** Absolute offset of a frame's payload. */
  payload(frame: number): number {
    return this.#frames.payload(frame);
  }

  /** Takes the frame at the head for a message that is built in it; -1 where the ring is full. */
  reserve(): number {
    this.#passHeld();
    const frame = this.#takeHead();
    if (frame === NONE) return NONE;
    this.#frames.setStatus(frame, FrameStatus.reserved);
    this.#pending++;
    return frame;
  }

  /** Hands a reserved frame to the reader. */
  publish(frame: number, length: number, source: MessageSource): void {
    this.#pending--;
    this.#describe(frame, length, source);
    this.#frames.setStatus(frame, FrameStatus.valid);
  }

  /** Gives a reserved frame up. The kernel sets no RX frame back: the reader gets it with length 0, the other fields as they were. */
  free(frame: number): void {
    this.#pending--;
    this.#frames.setField(frame, FrameHeader.length, 0);
    this.#frames.setStatus(frame, FrameStatus.valid);
  }

  /**
   * Takes the frame at the head for a message that was built elsewhere; -1 where the ring is full. This way passes over no held frames, in
   * either dialect. The frame still reads UNUSED until `publishCopy`: the kernel queues the message in between.
   */
  reserveCopy(): number {
    return this.#takeHead();
  }

  publishCopy(frame: number, length: number, source: MessageSource): void {
    this.#describe(frame, length, source);
    this.#frames.setStatus(frame, FrameStatus.copy);
  }

  /** True where poll finds something to read in the ring. */
  get readable(): boolean {
    const frames = this.#frames;
    const { frameCount } = frames.geometry;
    if (this.#dialect === "before-4.3") {
      const before = this.#head === 0 ? frameCount - 1 : this.#head - 1;
      return frames.status(before) !== FrameStatus.unused;
    }
    for (let frame = 0; frame < frameCount; frame++) {
      if (frames.status(frame) === FrameStatus.valid) return true;
    }
    return false;
  }

  /** True where poll goes on with a dump: the frame at the head is free, and so is the one half a ring further. */
  get hasDumpSpace(): boolean {
    const frames = this.#frames;
    const { frameCount } = frames.geometry;
    // Counted from the last frame's number, so that a wrap lands one frame early: the kernel's own arithmetic.
    const last = frameCount - 1;
    let half = this.#head + (last >> 1);
    if (half > last) half -= last;
    return frames.status(this.#head) === FrameStatus.unused && frames.status(half) === FrameStatus.unused;
  }

  #passHeld(): void {
    // Before 4.3 the search is there and finds the same frame each time.
    if (this.#dialect === "before-4.3") return;
    const { frameCount } = this.#frames.geometry;
    for (let seen = 0; seen < frameCount && this.#frames.status(this.#head) === FrameStatus.skip; seen++) {
      this.#head = this.#frames.next(this.#head);
    }
  }

  #takeHead(): number {
    const frame = this.#head;
    if (this.#frames.status(frame) !== FrameStatus.unused) return NONE;
    this.#head = this.#frames.next(frame);
    return frame;
  }

  #describe(frame: number, length: number, source: MessageSource): void {
    this.#frames.setField(frame, FrameHeader.length, length);
    this.#frames.setField(frame, FrameHeader.group, source.group ?? 0);
    this.#frames.setField(frame, FrameHeader.sender, source.senderPort ?? 0);
    this.#frames.setField(frame, FrameHeader.uid, 0);
    this.#frames.setField(frame, FrameHeader.gid, 0);
  }
}
