import { FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { FrameTable } from "./frame-table.js";

/** What the writer has to know of the consumer. */
export interface TxRingOptions {
  /** As `sameThread` of RxRingOptions: the consumer touches the ring in calls that the writer's own thread makes, and at no other time. */
  readonly sameThread?: boolean | undefined;
}

const NONE = -1;
const EINVAL = -22;

/**
 * The writer's side of a TX ring: reserve a frame, write messages into it in place, commit it. Frames are sent in ring order, and one is
 * reserved at a time, so there are no gaps, which would stop the consumer for good.
 */
export class TxRing {
  readonly geometry: RingGeometry;
  /** Bytes that a frame's payload can hold. */
  readonly capacity: number;
  /** The whole memory; payload offsets are absolute in it. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same as 32-bit words in host byte order; where the memory ends between two of them, without its end. */
  readonly words: Uint32Array;
  readonly #frames: FrameTable;
  #head = 0;
  #reserved = NONE;

  /**
   * @param memory what the ring lies in; may be shared
   * @param byteOffset where it starts, a multiple of 4
   * @param options what is known of the consumer
   * @throws GeometryError for a geometry that cannot be, or a ring that leaves the memory
   */
  constructor(
    memory: ArrayBufferLike,
    byteOffset: number,
    geometry: RingGeometry,
    options: TxRingOptions = {},
  ) {
    this.#frames = new FrameTable(memory, byteOffset, geometry, options.sameThread === true);
    this.geometry = geometry;
    this.capacity = this.#frames.capacity;
    this.bytes = this.#frames.bytes;
    this.view = this.#frames.view;
    this.words = this.#frames.words;
  }

  /** The reserved frame, or -1. */
  get reserved(): number {
    return this.#reserved;
  }

  /**
   * Takes the next free frame for writing and returns its number, or -1 when all wait to be sent. Throws RingError ERR_FRAME_RESERVED while
   * another is reserved.
   */
  reserve(): number {
    if (this.#reserved !== NONE) {
      throw new RingError(
        `frame ${this.#reserved} is reserved already: commit or abandon it first`,
        "ERR_FRAME_RESERVED",
      );
    }
    if (this.#frames.status(this.#head) !== FrameStatus.unused) return NONE;
    this.#reserved = this.#head;
    return this.#reserved;
  }

  /** Absolute offset of a frame's payload in `bytes` and `view`. */
  payloadOffset(frame: number): number {
    return this.#frames.payload(frame);
  }

  /**
   * Hands the reserved frame with `length` bytes of payload to the consumer. Throws RingError ERR_FRAME_LENGTH where it cannot hold them: the
   * frame stays reserved; ERR_FRAME_NOT_RESERVED where none is.
   */
  commit(length: number): void {
    const frame = this.#take();
    if (!Number.isInteger(length) || length < 1 || length > this.capacity) {
      throw new RingError(
        `${length} bytes in a frame that holds 1 to ${this.capacity}: commit another length, or abandon it`,
        "ERR_FRAME_LENGTH",
        EINVAL,
      );
    }
    this.#reserved = NONE;
    this.#frames.setField(frame, FrameHeader.length, length);
    this.#head = this.#frames.next(frame);
    this.#frames.setStatus(frame, FrameStatus.valid);
  }

  /** Gives the reserved frame up; the next `reserve` takes the same one. Throws RingError ERR_FRAME_NOT_RESERVED where none is. */
  abandon(): void {
    this.#take();
    this.#reserved = NONE;
  }

  #take(): number {
    if (this.#reserved === NONE)
      throw new RingError("no frame is reserved: reserve one first", "ERR_FRAME_NOT_RESERVED");
    return this.#reserved;
  }
}
