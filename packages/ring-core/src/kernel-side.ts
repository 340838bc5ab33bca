import { FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { FrameTable } from "./frame-table.js";

const NONE = -1;
const EINVAL = -22;
/** (uid_t)-1: nobody's. The ids are known in a kernel ring only, and 0 would say root. */
const UNKNOWN_ID = 0xffff_ffff;

/** Where a message comes from. */
export interface MessageSource {
  /** 0 or undefined is the kernel. */
  readonly senderPort?: number | undefined;
  /** Multicast group by number; 0 or undefined for none. */
  readonly group?: number | undefined;
  /** Id of the network namespace, where a user ring tells it; undefined where it does not, and of no effect in a kernel ring. */
  readonly namespaceId?: number | undefined;
}

/** The producer's side of an RX ring, as the kernel has it: fills frames strictly in ring order, passing over held ones. */
export class RxFiller {
  readonly #frames: FrameTable;
  #head = 0;

  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry) {
    this.#frames = new FrameTable(memory, byteOffset, geometry);
  }

  /**
   * Puts a message into the next free frame. "copy" where it is larger than a frame: the frame only stands for it, and the caller keeps the
   * message for the reader to fetch, in the order of these frames. "full" where the frame at the head is not free. A message of no bytes takes a frame that the reader passes over.
   */
  deliver(message: Uint8Array, source: MessageSource = {}): "valid" | "copy" | "full" {
    const frames = this.#frames;
    let frame = this.#head;
    let status = frames.status(frame);
    for (let seen = 1; status === FrameStatus.skip && seen < frames.geometry.frameCount; seen++) {
      frame = frames.next(frame);
      status = frames.status(frame);
    }
    if (status !== FrameStatus.unused) return "full";
    const fits = message.length <= frames.capacity;
    if (fits) frames.bytes.set(message, frames.payload(frame));
    frames.setField(frame, FrameHeader.length, message.length);
    // As signed 32 bits, which the memory takes for the same: a larger number is an object to V8 wherever a call is not inlined (32 bytes a
    // message, seen in every second process).
    frames.setField(frame, FrameHeader.group, (source.group ?? 0) | 0);
    frames.setField(frame, FrameHeader.sender, (source.senderPort ?? 0) | 0);
    frames.setField(frame, FrameHeader.uid, UNKNOWN_ID | 0);
    frames.setField(frame, FrameHeader.gid, (source.namespaceId ?? UNKNOWN_ID) | 0);
    this.#head = frames.next(frame);
    frames.setStatus(frame, fits ? FrameStatus.valid : FrameStatus.copy);
    return fits ? "valid" : "copy";
  }
}

/** The consumer's side of a TX ring, as the kernel has it: takes filled frames strictly in ring order. */
export class TxDrainer {
  /** The whole memory; payload offsets are absolute in it. */
  readonly bytes: Uint8Array;
  readonly #frames: FrameTable;
  #head: number;
  #taken = NONE;
  #length = 0;

  /**
   * @param memory what the ring lies in; may be shared
   * @param byteOffset where it starts, a multiple of 4
   * @param head the frame to take first: 0, or `head` of the one that drained the ring until now
   * @throws GeometryError for a geometry that cannot be, or a ring that leaves the memory
   */
  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry, head = 0) {
    this.#frames = new FrameTable(memory, byteOffset, geometry);
    this.bytes = this.#frames.bytes;
    this.#head = head;
  }

  /** The frame that is taken next. */
  get head(): number {
    return this.#head;
  }

  /**
   * The frame at the head where it is filled, else -1. Throws RingError ERR_FRAME_LENGTH for a length that leaves the frame, which stops the ring
   * until its writer mends that very frame, as in the kernel.
   */
  next(): number {
    const frame = this.#head;
    if (this.#frames.status(frame) !== FrameStatus.valid) return NONE;
    const length = this.#frames.length(frame);
    if (length > this.#frames.capacity) {
      throw new RingError(
        `frame ${frame} says ${length} bytes and holds ${this.#frames.capacity}: its writer must mend that length`,
        "ERR_FRAME_LENGTH",
        EINVAL,
      );
    }
    this.#taken = frame;
    this.#length = length;
    return frame;
  }

  /** Bytes of payload of the frame that `next` gave, as they were then; 0 for any other. */
  length(frame: number): number {
    return frame === this.#taken ? this.#length : 0;
  }

  /** Absolute offset of the frame's payload in `bytes`. */
  payloadOffset(frame: number): number {
    return this.#frames.payload(frame);
  }

  /** Gives the frame that `next` gave back to the writer. Throws RingError ERR_FRAME_NOT_TAKEN for any other. */
  release(frame: number): void {
    if (frame === NONE || frame !== this.#taken) {
      throw new RingError(
        `frame ${frame} is not the one that next() gave last: take it first, and release it once`,
        "ERR_FRAME_NOT_TAKEN",
      );
    }
    this.#taken = NONE;
    this.#length = 0;
    this.#head = this.#frames.next(frame);
    this.#frames.setStatus(frame, FrameStatus.unused);
  }
}
