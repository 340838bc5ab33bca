import { FRAME_HEADER_LENGTH, FrameHeader, type RingGeometry } from "./abi.js";
import { GeometryError } from "./errors.js";
import { checkGeometry, frameOffset, ringLength } from "./geometry.js";
import { loadStatus, storeStatus } from "./status-word.js";

/** True where integers are stored with the least significant byte first: headers are in host byte order. */
const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const EINVAL = -22;

/** Words are counted in 32 bits here. */
const LARGEST_MEMORY = 4 * 2 ** 32;

/** The frames of one ring in memory: where each is, and its header's fields. */
export class FrameTable {
  readonly geometry: RingGeometry;
  /** Bytes that a frame's payload can hold. */
  readonly capacity: number;
  /** The whole memory; offsets are absolute in it, so that reading makes no views. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The whole memory as 32-bit words in host byte order. Through a DataView a header's fields cost 7 ns more for each message that is delivered. */
  readonly words: Uint32Array;
  readonly #statuses: Int32Array;
  /** Where each frame's status word is. Looking it up is 8 ns a packet cheaper than the divisions that give it. */
  readonly #places: Uint32Array;
  readonly #frameCount: number;
  readonly #sameThread: boolean;

  /**
   * Throws GeometryError for a geometry that cannot be, or a ring that leaves the memory.
   *
   * @param sameThread the other side touches the memory in calls of this thread alone
   */
  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry, sameThread = false) {
    // Pages matter to the kernel alone: here any block that holds its frames will do.
    const violation = checkGeometry(geometry, 1);
    if (violation !== undefined)
      throw new GeometryError(`a ring breaks the rule: ${violation.rule}`, violation.errno);
    const end = byteOffset + ringLength(geometry);
    if (byteOffset % 4 !== 0 || byteOffset < 0 || end > memory.byteLength || end > LARGEST_MEMORY) {
      throw new GeometryError(
        `a ring of ${ringLength(geometry)} bytes at ${byteOffset} leaves its memory of ${memory.byteLength}, or is not aligned ` +
          "to 4: give it memory of ringLength(geometry) bytes from there, within the first 16 GiB",
        EINVAL,
      );
    }
    this.geometry = geometry;
    this.#sameThread = sameThread;
    this.capacity = geometry.frameSize - FRAME_HEADER_LENGTH;
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.words = new Uint32Array(memory, 0, Math.floor(memory.byteLength / 4));
    this.#statuses = new Int32Array(memory, 0, this.words.length);
    this.#frameCount = geometry.frameCount;
    this.#places = new Uint32Array(geometry.frameCount);
    for (let frame = 0; frame < geometry.frameCount; frame++)
      this.#places[frame] = (byteOffset + frameOffset(geometry, frame)) / 4;
  }

  /** Absolute offset of a frame's header. */
  offset(frame: number): number {
    return (this.#places[frame] ?? 0) * 4;
  }

  /** Absolute offset of a frame's payload. */
  payload(frame: number): number {
    return this.offset(frame) + FRAME_HEADER_LENGTH;
  }

  next(frame: number): number {
    return frame + 1 === this.#frameCount ? 0 : frame + 1;
  }

  status(frame: number): number {
    const place = this.#places[frame] ?? 0;
    return this.#sameThread ? (this.#statuses[place] ?? 0) : loadStatus(this.#statuses, place);
  }

  setStatus(frame: number, status: number): void {
    const place = this.#places[frame] ?? 0;
    if (this.#sameThread) this.#statuses[place] = status;
    else storeStatus(this.#statuses, place, status);
  }

  /** A field of the header, by its offset in FrameHeader. */
  field(frame: number, field: number): number {
    return this.words[(this.#places[frame] ?? 0) + field / 4] ?? 0;
  }

  setField(frame: number, field: number, value: number): void {
    this.words[(this.#places[frame] ?? 0) + field / 4] = value;
  }

  length(frame: number): number {
    return this.field(frame, FrameHeader.length);
  }

  /** 32 bits in host byte order at an absolute offset. */
  word(offset: number): number {
    return this.view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
  }
}
