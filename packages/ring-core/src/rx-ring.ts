import { FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { FrameTable } from "./frame-table.js";

/**
 * What the reader knows of a frame. It is kept beside the ring and not in it: whoever can write into the ring must not be able to
 * make the reader take a frame twice or give back one it never had.
 */
const Ownership = {
  /** The producer's. */
  free: 0,
  /** The producer's, but held when the producer may have passed it: it may stay empty while later frames are filled. */
  hole: 1,
  /** The reader's, handed out by `next`. */
  taken: 2,
  /** The reader's, handed out and held: the producer passes it over. */
  held: 3,
} as const;

const NONE = -1;

/**
 * The reader's side of an RX ring: it takes filled frames in ring order, may hold some for later and releases them in any order.
 *
 * The producer fills strictly in ring order at its own head, which the reader cannot see. It passes over held frames (SKIP) and stops
 * at any other that is not free.
 */
export class RxRing {
  readonly geometry: RingGeometry;
  /** Bytes that a frame's payload can hold. */
  readonly capacity: number;
  /** The whole memory; payload offsets are absolute in it. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #frames: FrameTable;
  readonly #ownership: Uint8Array;
  /** Lengths as they were when the frame was taken: the one in memory may be changed by whoever can write there. */
  readonly #lengths: Uint32Array;
  readonly #copies: Uint8Array;
  #position = 0;
  #taken = 0;
  #held = 0;
  #malformed = 0;
  #empty = 0;

  /**
   * @param memory what the ring lies in; may be shared
   * @param byteOffset where it starts, a multiple of 4
   */
  constructor(memory: ArrayBufferLike, byteOffset: number, geometry: RingGeometry) {
    this.#frames = new FrameTable(memory, byteOffset, geometry);
    this.geometry = geometry;
    this.capacity = this.#frames.capacity;
    this.bytes = this.#frames.bytes;
    this.view = this.#frames.view;
    this.#ownership = new Uint8Array(geometry.frameCount);
    this.#lengths = new Uint32Array(geometry.frameCount);
    this.#copies = new Uint8Array(geometry.frameCount);
  }

  /** Frames handed out and neither held nor released. */
  get takenCount(): number {
    return this.#taken;
  }

  /** Frames held. */
  get heldCount(): number {
    return this.#held;
  }

  /** Frames passed over because their length leaves the frame. */
  get malformedCount(): number {
    return this.#malformed;
  }

  /** Frames passed over because they hold nothing: the kernel freed the message while it built it. */
  get emptyCount(): number {
    return this.#empty;
  }

  /** Takes the next filled frame in ring order and returns its number, or -1 when there is none to take now. */
  next(): number {
    // Every frame passed over here was given back, so one lap ends the loop even where another thread fills without pause.
    for (let tries = 0; tries < this.geometry.frameCount; tries++) {
      const frame = this.#locate();
      if (frame === NONE) return NONE;
      const copy = this.#frames.status(frame) === FrameStatus.copy;
      const length = this.#frames.length(frame);
      this.#passTo(frame);
      // A COPY frame stands for a message of any length, none included: passing it over would shift all that follow it.
      if (!copy && (length === 0 || length > this.capacity)) {
        if (length === 0) this.#empty++;
        else this.#malformed++;
        this.#frames.setStatus(frame, FrameStatus.unused);
        continue;
      }
      this.#ownership[frame] = Ownership.taken;
      this.#lengths[frame] = length;
      this.#copies[frame] = copy ? 1 : 0;
      this.#taken++;
      return frame;
    }
    return NONE;
  }

  /** True where the frame stands for a message that did not fit and is fetched elsewhere. */
  isCopy(frame: number): boolean {
    return this.#copies[frame] === 1;
  }

  /** Bytes of the message, as they were when the frame was taken. */
  length(frame: number): number {
    return this.#lengths[frame] ?? 0;
  }

  /** Absolute offset of the frame's payload in `bytes` and `view`. The bytes are the reader's until `release`. */
  payloadOffset(frame: number): number {
    return this.#frames.payload(frame);
  }

  /** Multicast group of the message by number, 0 for none. */
  group(frame: number): number {
    return this.#frames.field(frame, FrameHeader.group);
  }

  /** Who sent the message, 0 for the kernel: a netlink port in a user ring, a process id in a kernel ring. */
  senderPort(frame: number): number {
    return this.#frames.field(frame, FrameHeader.sender);
  }

  /** Keeps a taken frame for later; the producer passes it over. Throws RingError ERR_FRAME_NOT_TAKEN where it is not taken. */
  hold(frame: number): void {
    if (this.#ownership[frame] !== Ownership.taken) throw notTaken(frame);
    this.#ownership[frame] = Ownership.held;
    this.#taken--;
    this.#held++;
    this.#frames.setStatus(frame, FrameStatus.skip);
  }

  /** Gives a frame back, in any order. Throws RingError ERR_FRAME_NOT_TAKEN where it is neither taken nor held. */
  release(frame: number): void {
    const ownership = this.#ownership[frame];
    if (ownership === Ownership.taken) {
      this.#taken--;
      this.#ownership[frame] = Ownership.free;
    } else if (ownership === Ownership.held) {
      this.#held--;
      this.#ownership[frame] = Ownership.hole;
    } else {
      throw notTaken(frame);
    }
    this.#frames.setStatus(frame, FrameStatus.unused);
  }

  /**
   * The next filled frame, without moving. Held frames and possible holes in front of it are looked past; anything else that is not
   * filled means that there is nothing yet, and the position stays, or frames filled there later would be missed.
   */
  #locate(): number {
    const frames = this.#frames;
    let frame = this.#position;
    for (let seen = 0; seen < this.geometry.frameCount; seen++) {
      const ownership = this.#ownership[frame];
      if (ownership !== Ownership.held) {
        if (ownership === Ownership.taken) return NONE;
        const status = frames.status(frame);
        if (status === FrameStatus.valid || status === FrameStatus.copy) {
          return seen === 0 ? frame : this.#firstFilledBefore(frame);
        }
        if (ownership !== Ownership.hole || status !== FrameStatus.unused) return NONE;
      }
      frame = frames.next(frame);
    }
    return NONE;
  }

  /**
   * A possible hole was seen free before the filled frame behind it was. A producer on another thread may have filled both in between,
   * in ring order; now that the later one is seen, so is the earlier one.
   */
  #firstFilledBefore(found: number): number {
    const frames = this.#frames;
    for (let frame = this.#position; frame !== found; frame = frames.next(frame)) {
      if (this.#ownership[frame] === Ownership.held) continue;
      const status = frames.status(frame);
      if (status === FrameStatus.valid || status === FrameStatus.copy) return frame;
      if (status !== FrameStatus.unused) return NONE;
    }
    return found;
  }

  /** Moves behind a filled frame. The producer has passed what lies before it: holes there are free frames again. */
  #passTo(found: number): void {
    let frame = this.#position;
    while (frame !== found) {
      if (this.#ownership[frame] === Ownership.hole) this.#ownership[frame] = Ownership.free;
      frame = this.#frames.next(frame);
    }
    this.#ownership[found] = Ownership.free;
    this.#position = this.#frames.next(found);
  }
}

function notTaken(frame: number): RingError {
  return new RingError(
    `frame ${frame} is not taken: it was released before, or never handed out`,
    "ERR_FRAME_NOT_TAKEN",
  );
}
