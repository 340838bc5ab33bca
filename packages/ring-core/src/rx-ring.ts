import { FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { FrameTable } from "./frame-table.js";
import { MessageFinder } from "./message-finder.js";
import { Ownership, ReadingPlace } from "./reading-place.js";

const NONE = -1;

const UNKNOWN_ID = 0xffff_ffff;

/** What the reader has to know of the producer. */
export interface RxRingOptions {
  /**
   * The producer may put a message at the end of its frame: dumps of some kernels from 3.15 to 4.4. The reader then looks for the start of each
   * message, and clears its bytes before it gives the frame back, or it would find the old message in front of a later one.
   */
  readonly misplacedMessages?: boolean | undefined;
  /**
   * The producer touches the ring in calls that the reader's own thread makes, and at no other time. Its status words are read and written by
   * ordinary accesses then, which order nothing, and are 12 to 25 ns cheaper for each message (docs/memory-ordering.md).
   */
  readonly sameThread?: boolean | undefined;
}

/**
 * The reader's side of an RX ring: it takes filled frames in ring order, may hold some for later and releases them in any order.
 *
 * The producer fills strictly in ring order at its own head, which the reader cannot see. It passes over held frames (SKIP) and stops
 * at any other that is not free.
 *
 * Methods that take a frame's number read what `next` gave: ask them between `next` and `release`, which they do not check, since they
 * run per packet. They never read outside the memory.
 */
export class RxRing {
  readonly geometry: RingGeometry;
  /** Bytes that a frame's payload can hold. */
  readonly capacity: number;
  /** The whole memory; payload offsets are absolute in it. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #frames: FrameTable;
  readonly #place: ReadingPlace;
  /** Lengths as they were when the frame was taken: the one in memory may be changed by whoever can write there. */
  readonly #lengths: Uint32Array;
  readonly #copies: Uint8Array;
  readonly #messages: MessageFinder | undefined;
  /** The frame that `ready` set aside for `next`. */
  #waiting = NONE;
  #taken = 0;
  #held = 0;
  #malformed = 0;
  #empty = 0;

  /**
   * @param memory what the ring lies in; may be shared
   * @param byteOffset where it starts, a multiple of 4
   * @param options what is known of the producer
   * @throws GeometryError for a geometry that cannot be, or a ring that leaves the memory
   */
  constructor(
    memory: ArrayBufferLike,
    byteOffset: number,
    geometry: RingGeometry,
    options: RxRingOptions = {},
  ) {
    this.#frames = new FrameTable(memory, byteOffset, geometry, options.sameThread === true);
    this.geometry = geometry;
    this.capacity = this.#frames.capacity;
    this.bytes = this.#frames.bytes;
    this.view = this.#frames.view;
    this.#place = new ReadingPlace(this.#frames);
    this.#lengths = new Uint32Array(geometry.frameCount);
    this.#copies = new Uint8Array(geometry.frameCount);
    this.#messages = options.misplacedMessages === true ? new MessageFinder(this.#frames) : undefined;
  }

  /** Frames handed out and neither held nor released. */
  get takenCount(): number {
    return this.#waiting === NONE ? this.#taken : this.#taken - 1;
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

  /** Frames passed over because no message was found in them, where the producer may misplace messages. */
  get misplacedCount(): number {
    return this.#messages?.lostCount ?? 0;
  }

  /** True where `next` has a frame to give: it is set aside for that call, and to be had nowhere else. */
  get ready(): boolean {
    if (this.#waiting === NONE) this.#waiting = this.#take();
    return this.#waiting !== NONE;
  }

  /** Takes the next filled frame in ring order and returns its number, or -1 when there is none to take now. */
  next(): number {
    if (this.#waiting === NONE) return this.#take();
    const frame = this.#waiting;
    this.#waiting = NONE;
    return frame;
  }

  /**
   * Goes back to the first frame, so that the frames in use are the few that the processor's caches still have. For a producer that fills only when
   * the reader asks it to, and that goes back as well, right after; and for a reader that has just been told that there is no next frame.
   *
   * @returns false where a frame is out, or waits in doubt: then the producer goes on where it was
   */
  rewind(): boolean {
    return this.#taken === 0 && this.#held === 0 && this.#place.rewind();
  }

  #take(): number {
    const place = this.#place;
    const frames = this.#frames;
    // Each frame is looked at twice at most, so one call ends even where another thread fills without pause.
    for (let tries = 2 * this.geometry.frameCount; tries > 0; tries--) {
      const frame = place.position;
      const status = place.ownership[frame] === Ownership.free ? frames.status(frame) : FrameStatus.skip;
      if (status !== FrameStatus.valid && status !== FrameStatus.copy) {
        if (place.step()) continue;
        return NONE;
      }
      const length = frames.length(frame);
      place.advance();
      // A COPY frame stands for a message of any length, none included: passing it over would shift all that follow it.
      if (status === FrameStatus.valid && (length === 0 || length > this.capacity)) {
        if (length === 0) this.#empty++;
        else this.#malformed++;
        this.#messages?.clear(frame);
        frames.setStatus(frame, FrameStatus.unused);
        continue;
      }
      if (
        this.#messages !== undefined &&
        status === FrameStatus.valid &&
        !this.#messages.find(frame, length)
      ) {
        this.#messages.clear(frame);
        frames.setStatus(frame, FrameStatus.unused);
        continue;
      }
      place.ownership[frame] = Ownership.taken;
      this.#lengths[frame] = length;
      this.#copies[frame] = status === FrameStatus.copy ? 1 : 0;
      this.#taken++;
      return frame;
    }
    return NONE;
  }

  /** True where the frame stands for a message that did not fit and is fetched elsewhere. */
  isCopy(frame: number): boolean {
    return this.#copies[frame] === 1;
  }

  /**
   * Bytes of the message, as they were when the frame was taken. At most `capacity`, but of a COPY frame: its message is elsewhere, and
   * the number is its producer's word.
   */
  length(frame: number): number {
    return this.#lengths[frame] ?? 0;
  }

  /** Absolute offset of the frame's message in `bytes` and `view`. The bytes are the reader's until `release`. */
  payloadOffset(frame: number): number {
    return this.#messages === undefined ? this.#frames.payload(frame) : this.#messages.offset(frame);
  }

  /** Multicast group of the message by number, 0 for none. */
  group(frame: number): number {
    return this.#frames.field(frame, FrameHeader.group);
  }

  /** Who sent the message, 0 for the kernel: a netlink port in a user ring, a process id in a kernel ring. */
  senderPort(frame: number): number {
    return this.#frames.field(frame, FrameHeader.sender);
  }

  /**
   * User ring: id of the network namespace that the message comes from (NETLINK_LISTEN_ALL_NSID), or -1 where it was not told. A
   * kernel ring has the sender's group id in its place.
   */
  namespaceId(frame: number): number {
    const id = this.#frames.field(frame, FrameHeader.gid);
    return id === UNKNOWN_ID ? -1 : id;
  }

  /** Keeps a taken frame for later; the producer passes it over. Throws RingError ERR_FRAME_NOT_TAKEN where it is not taken. */
  hold(frame: number): void {
    const { ownership } = this.#place;
    if (ownership[frame] !== Ownership.taken || frame === this.#waiting) throw notTaken(frame);
    ownership[frame] = Ownership.held;
    this.#taken--;
    this.#held++;
    this.#frames.setStatus(frame, FrameStatus.skip);
  }

  /** Gives a frame back, in any order. Throws RingError ERR_FRAME_NOT_TAKEN where it is neither taken nor held. */
  release(frame: number): void {
    const { ownership } = this.#place;
    const owned = ownership[frame];
    if ((owned !== Ownership.taken && owned !== Ownership.held) || frame === this.#waiting)
      throw notTaken(frame);
    this.#messages?.forget(frame);
    if (owned === Ownership.held) {
      this.#held--;
      this.#place.giveBack(frame);
      return;
    }
    this.#taken--;
    ownership[frame] = Ownership.free;
    this.#frames.setStatus(frame, FrameStatus.unused);
  }
}

function notTaken(frame: number): RingError {
  return new RingError(
    `frame ${frame} is not taken: it was released before, or never handed out`,
    "ERR_FRAME_NOT_TAKEN",
  );
}
