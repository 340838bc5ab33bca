import { FRAME_ALIGNMENT, FRAME_HEADER_LENGTH, type RingGeometry } from "./abi.js";
import { GeometryError } from "./errors.js";

const EINVAL = -22;

/** The largest block that the kernel takes: its check reads the size as a signed number. */
const LARGEST_BLOCK = 0x7fff_ffff;

/** A rule that a geometry breaks. */
export interface GeometryViolation {
  readonly rule:
    | "numbers are whole and of 32 bits"
    | "there is a block"
    | "block size is positive"
    | "block size is a multiple of the page size"
    | "frame size holds the header"
    | "frame size is a multiple of 4"
    | "a block holds a frame"
    | "blocks hold the number of frames";
  /** -EINVAL, which is what setsockopt gives. (It takes no blocks and no frames together as a request to free the ring.) */
  readonly errno: number;
}

/**
 * The first rule that a geometry breaks, in the kernel's order of checks and with its 32-bit arithmetic; undefined for none.
 *
 * @param pageSize bytes per page of the kernel that will map the ring
 */
export function checkGeometry(geometry: RingGeometry, pageSize = 4096): GeometryViolation | undefined {
  const { blockSize, blockCount, frameSize, frameCount } = geometry;
  const broken = (rule: GeometryViolation["rule"]): GeometryViolation => ({ rule, errno: EINVAL });
  const numbers = [blockSize, blockCount, frameSize, frameCount];
  if (numbers.some((number) => number !== number >>> 0)) return broken("numbers are whole and of 32 bits");
  if (blockCount === 0) return broken("there is a block");
  if ((blockSize | 0) <= 0) return broken("block size is positive");
  if (blockSize % pageSize !== 0) return broken("block size is a multiple of the page size");
  if (frameSize < FRAME_HEADER_LENGTH) return broken("frame size holds the header");
  if (frameSize % FRAME_ALIGNMENT !== 0) return broken("frame size is a multiple of 4");
  const framesPerBlock = Math.floor(blockSize / frameSize);
  if (framesPerBlock === 0) return broken("a block holds a frame");
  if (Math.imul(framesPerBlock, blockCount) >>> 0 !== frameCount)
    return broken("blocks hold the number of frames");
  return undefined;
}

/** Bytes that a ring takes. */
export function ringLength(geometry: RingGeometry): number {
  return geometry.blockSize * geometry.blockCount;
}

/** Where a frame starts, in bytes from the start of its ring. A block's frames leave a gap behind them where they do not fill it. */
export function frameOffset(geometry: RingGeometry, frame: number): number {
  const framesPerBlock = Math.floor(geometry.blockSize / geometry.frameSize);
  return (
    Math.floor(frame / framesPerBlock) * geometry.blockSize + (frame % framesPerBlock) * geometry.frameSize
  );
}

/** What a ring is planned from: the shape that is wanted, in bytes and frames. */
export interface RingPlan {
  /** Bytes per frame, its 24-byte header included; a multiple of 4. */
  readonly frameSize: number;
  /** Number of frames. */
  readonly frameCount: number;
  /** Bytes per page of the kernel that will map the ring; 4,096 where undefined. */
  readonly pageSize?: number | undefined;
}

/** A valid geometry with exactly these frames, in the least memory and, of those, the smallest blocks. Throws GeometryError. */
export function planRing({ frameSize, frameCount, pageSize = 4096 }: RingPlan): RingGeometry {
  const possible = frameSize >= FRAME_HEADER_LENGTH && frameSize <= LARGEST_BLOCK;
  if (!possible || frameSize % FRAME_ALIGNMENT !== 0) {
    throw new GeometryError(
      `a frame of ${frameSize} bytes: it takes a multiple of ${FRAME_ALIGNMENT} from ${FRAME_HEADER_LENGTH} to ${LARGEST_BLOCK}`,
      EINVAL,
    );
  }
  if (!Number.isInteger(frameCount) || frameCount < 1 || frameCount > 0xffff_ffff) {
    throw new GeometryError(`a ring of ${frameCount} frames: it takes a whole number, at least 1`, EINVAL);
  }
  if (!Number.isInteger(pageSize) || pageSize < 4096 || (pageSize & (pageSize - 1)) !== 0) {
    throw new GeometryError(`pages of ${pageSize} bytes: they are powers of 2, at least 4,096`, EINVAL);
  }
  let best: RingGeometry | undefined;
  const consider = (framesPerBlock: number): void => {
    const blockSize = Math.ceil((framesPerBlock * frameSize) / pageSize) * pageSize;
    // A tail gap that could hold a frame would change the number of frames per block.
    if (blockSize > LARGEST_BLOCK || Math.floor(blockSize / frameSize) !== framesPerBlock) return;
    const candidate = { blockSize, blockCount: frameCount / framesPerBlock, frameSize, frameCount };
    const difference = best === undefined ? -1 : ringLength(candidate) - ringLength(best);
    if (difference < 0 || (difference === 0 && blockSize < (best?.blockSize ?? 0))) best = candidate;
  };
  for (let divisor = 1; divisor * divisor <= frameCount; divisor++) {
    if (frameCount % divisor !== 0) continue;
    consider(divisor);
    consider(frameCount / divisor);
  }
  if (best === undefined) {
    throw new GeometryError(
      `${frameCount} frames of ${frameSize} bytes fill no whole blocks of ${pageSize}-byte pages: choose another number of ` +
        "frames, or a frame size that divides the page size or is a multiple of it",
      EINVAL,
    );
  }
  return best;
}

/** Bytes of struct nl_mmap_req. */
const REQUEST_LENGTH = 16;

/** A geometry as the setsockopt argument: struct nl_mmap_req, four numbers of 32 bits in host byte order. */
export function writeRingRequest(geometry: RingGeometry): Uint8Array {
  const { blockSize, blockCount, frameSize, frameCount } = geometry;
  return new Uint8Array(Uint32Array.of(blockSize, blockCount, frameSize, frameCount).buffer);
}

/** The geometry in a setsockopt argument; undefined where it is too short. What lies behind it is not looked at, as in the kernel. */
export function readRingRequest(request: Uint8Array): RingGeometry | undefined {
  if (request.length < REQUEST_LENGTH) return undefined;
  const [blockSize = 0, blockCount = 0, frameSize = 0, frameCount = 0] = new Uint32Array(
    request.slice(0, REQUEST_LENGTH).buffer,
  );
  return { blockSize, blockCount, frameSize, frameCount };
}
