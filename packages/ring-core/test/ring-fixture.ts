import {
  FrameHeader,
  FrameStatus,
  frameOffset,
  type RingGeometry,
  RxRing,
  ringLength,
} from "../src/index.js";

/** Frames of 1,000 bytes in blocks of 4,096: every block ends in a gap of 96. */
export const GAPPED: RingGeometry = { blockSize: 4096, blockCount: 2, frameSize: 1000, frameCount: 8 };

/** A geometry of exactly so many frames, few to a block and with tail gaps. */
export function geometryOf(framesPerBlock: number, blockCount: number): RingGeometry {
  const frameSize = 40;
  const blockSize = framesPerBlock * frameSize + (framesPerBlock % 2) * 12;
  return { blockSize, blockCount, frameSize, frameCount: framesPerBlock * blockCount };
}

/** The memory of one ring, with bytes in front and behind that nobody may touch. */
export class GuardedMemory {
  readonly geometry: RingGeometry;
  readonly byteOffset = 64;
  readonly buffer: ArrayBuffer;
  readonly #view: DataView;
  readonly #words: Int32Array;

  constructor(geometry: RingGeometry) {
    this.geometry = geometry;
    this.buffer = new ArrayBuffer(this.byteOffset + ringLength(geometry) + 64);
    const bytes = new Uint8Array(this.buffer);
    bytes.fill(0xa5);
    bytes.fill(0, this.byteOffset, this.byteOffset + ringLength(geometry));
    this.#view = new DataView(this.buffer);
    this.#words = new Int32Array(this.buffer);
  }

  /** False where a byte in front of the ring, behind it or in a block's tail gap was written. */
  get guardsIntact(): boolean {
    const { blockSize, blockCount, frameSize } = this.geometry;
    const used = Math.floor(blockSize / frameSize) * frameSize;
    const bytes = new Uint8Array(this.buffer);
    const end = this.byteOffset + ringLength(this.geometry);
    const untouched = (from: number, to: number, value: number): boolean =>
      bytes.subarray(from, to).every((byte) => byte === value);
    if (!untouched(0, this.byteOffset, 0xa5) || !untouched(end, bytes.length, 0xa5)) return false;
    for (let block = 0; block < blockCount; block++) {
      const start = this.byteOffset + block * blockSize;
      if (!untouched(start + used, start + blockSize, 0)) return false;
    }
    return true;
  }

  offset(frame: number): number {
    return this.byteOffset + frameOffset(this.geometry, frame);
  }

  status(frame: number): number | undefined {
    return this.#words[this.offset(frame) / 4];
  }

  /** Frames that are the producer's and empty. */
  get freeCount(): number {
    let count = 0;
    for (let frame = 0; frame < this.geometry.frameCount; frame++)
      if (this.status(frame) === FrameStatus.unused) count++;
    return count;
  }

  setStatus(frame: number, status: number): void {
    this.#words[this.offset(frame) / 4] = status;
  }

  setLength(frame: number, length: number): void {
    const [littleEndian] = new Uint8Array(new Uint16Array([1]).buffer);
    this.#view.setUint32(this.offset(frame) + FrameHeader.length, length, littleEndian === 1);
  }

  setPayload(frame: number, bytes: readonly number[]): void {
    new Uint8Array(this.buffer).set(bytes, this.offset(frame) + 24);
  }

  /** A message as the kernel leaves it: one byte of payload. */
  fill(frame: number, byte: number, status: number = FrameStatus.valid): void {
    this.setPayload(frame, [byte]);
    this.setLength(frame, 1);
    this.setStatus(frame, status);
  }

  rx(): RxRing {
    return new RxRing(this.buffer, this.byteOffset, this.geometry);
  }
}

/** Takes everything there is and gives it back; returns the first byte of each message. */
export function readAll(ring: RxRing): number[] {
  const read: number[] = [];
  for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
    read.push(ring.bytes[ring.payloadOffset(frame)] ?? -1);
    ring.release(frame);
  }
  return read;
}
