import { FRAME_HEADER_LENGTH, FrameHeader, type RingGeometry } from "./abi.js";
import { GeometryError } from "./errors.js";
import { checkGeometry, ringLength } from "./geometry.js";
import { loadStatus, storeStatus } from "./status-word.js";

/** True where integers are stored with the least significant byte first: headers are in host byte order. */
const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The frames of one ring in memory: where each is, and its header's fields. */
export class FrameTable {
  readonly geometry: RingGeometry;
  /** Bytes that a frame's payload can hold. */
  readonly capacity: number;
  /** The whole memory; offsets are absolute in it, so that reading makes no views. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #frameSize: number;
  readonly #blockSize: number;
  readonly #framesPerBlock: number;

  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry) {
    // Pages matter to the kernel alone: here any block that holds its frames will do.
    const violation = checkGeometry(geometry, 1);
    if (violation !== undefined)
      throw new GeometryError(`a ring breaks the rule: ${violation.rule}`, violation.errno);
    if (byteOffset % 4 !== 0 || byteOffset < 0 || byteOffset + ringLength(geometry) > memory.byteLength) {
      throw new GeometryError(
        `a ring of ${ringLength(geometry)} bytes at ${byteOffset} leaves its memory of ${memory.byteLength}, or is not aligned`,
        -22,
      );
    }
    this.geometry = geometry;
    this.capacity = geometry.frameSize - FRAME_HEADER_LENGTH;
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.#words = new Int32Array(memory, 0, memory.byteLength >> 2);
    this.#base = byteOffset;
    this.#frameSize = geometry.frameSize;
    this.#blockSize = geometry.blockSize;
    this.#framesPerBlock = Math.floor(geometry.blockSize / geometry.frameSize);
  }

  /** Absolute offset of a frame's header. */
  offset(frame: number): number {
    const inBlock = frame % this.#framesPerBlock;
    return (
      this.#base + ((frame - inBlock) / this.#framesPerBlock) * this.#blockSize + inBlock * this.#frameSize
    );
  }

  /** Absolute offset of a frame's payload. */
  payload(frame: number): number {
    return this.offset(frame) + FRAME_HEADER_LENGTH;
  }

  next(frame: number): number {
    return frame + 1 === this.geometry.frameCount ? 0 : frame + 1;
  }

  status(frame: number): number {
    return loadStatus(this.#words, this.offset(frame) >>> 2);
  }

  setStatus(frame: number, status: number): void {
    storeStatus(this.#words, this.offset(frame) >>> 2, status);
  }

  /** A field of the header, by its offset in FrameHeader. */
  field(frame: number, field: number): number {
    return this.view.getUint32(this.offset(frame) + field, HOST_IS_LITTLE_ENDIAN);
  }

  setField(frame: number, field: number, value: number): void {
    this.view.setUint32(this.offset(frame) + field, value, HOST_IS_LITTLE_ENDIAN);
  }

  length(frame: number): number {
    return this.field(frame, FrameHeader.length);
  }
}
