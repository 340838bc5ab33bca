import type { RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { checkGeometry, readRingRequest, ringLength } from "./geometry.js";
import { type KernelDialect, KernelRxRing } from "./kernel-rx-ring.js";
import { type MessageSource, TxDrainer } from "./kernel-side.js";

const EPERM = -1;
const EAGAIN = -11;
const EBUSY = -16;
const EINVAL = -22;
const ENOPROTOOPT = -92;
const ENOBUFS = -105;

const NONE = -1;

/** Bytes of receive buffer that a message of the ordinary way is charged beside its own. */
const MESSAGE_OVERHEAD = 768;

export interface KernelSocketOptions {
  /** Which age of the mapped kernel to be; "from-4.3" where undefined. */
  readonly dialect?: KernelDialect | undefined;
  /** Bytes per page; 4,096 where undefined. */
  readonly pageSize?: number | undefined;
  /** False refuses rings with -EPERM, as outside the initial user namespace; true where undefined. */
  readonly privileged?: boolean | undefined;
  /** Bytes that messages of the ordinary way may wait in; 212,992 where undefined. */
  readonly receiveBuffer?: number | undefined;
  /** As NETLINK_NO_ENOBUFS: overruns are counted and not reported. */
  readonly noEnobufs?: boolean | undefined;
  /**
   * Reproduces the kernels whose dumps start this many bytes before the end of a frame's payload (the smallest chunk, 3,776 with pages of
   * 4 KiB) instead of at its start; undefined for the others.
   */
  readonly misplacedDumps?: number | undefined;
  /** Makes the memory of the rings; an ArrayBuffer where undefined. */
  readonly createMemory?: ((length: number) => ArrayBufferLike) | undefined;
}

/** What poll returns. */
export interface PollBits {
  readonly in: boolean;
  readonly out: boolean;
  readonly err: boolean;
}

/** A message that the kernel builds, in a ring frame where one was given to it. */
export interface MessageBuild {
  /** Where to write. */
  readonly bytes: Uint8Array;
  /** Hands the first `length` bytes to the reader. False where an overrun lost them. */
  deliver(length: number, source?: MessageSource): boolean;
  /** Gives the message up; in a ring the reader finds an empty frame. */
  free(): void;
}

interface QueuedMessage {
  readonly bytes: Uint8Array;
}

/**
 * A mapped netlink socket from the kernel's side, as Linux 3.10 to 4.5 had it: set-up with its checks, messages built in frames or copied,
 * overruns, poll, and the TX ring. It stands in for such a kernel in tests of readers, and is itself held to recordings of two of them.
 *
 * Error numbers are negative. All of it is synchronous, and none of it knows what the messages say.
 */
export class KernelSocket {
  readonly #dialect: KernelDialect;
  readonly #pageSize: number;
  readonly #privileged: boolean;
  readonly #receiveBuffer: number;
  #noEnobufs: boolean;
  readonly #misplacedDumps: number | undefined;
  readonly #createMemory: (length: number) => ArrayBufferLike;
  #rxGeometry: RingGeometry | undefined;
  #txGeometry: RingGeometry | undefined;
  #rx: KernelRxRing | undefined;
  #tx: TxDrainer | undefined;
  #memory: ArrayBufferLike | undefined;
  #mappings = 0;
  readonly #queue: QueuedMessage[] = [];
  #charged = 0;
  #error = 0;
  #congested = false;
  #drops = 0;
  #dump: (() => Uint8Array | undefined) | undefined;

  constructor(options: KernelSocketOptions = {}) {
    this.#dialect = options.dialect ?? "from-4.3";
    this.#pageSize = options.pageSize ?? 4096;
    this.#privileged = options.privileged ?? true;
    this.#receiveBuffer = options.receiveBuffer ?? 212_992;
    this.#noEnobufs = options.noEnobufs ?? false;
    this.#misplacedDumps = options.misplacedDumps;
    this.#createMemory = options.createMemory ?? ((length) => new ArrayBuffer(length));
  }

  /** Messages lost for want of room. */
  get drops(): number {
    return this.#drops;
  }

  /**
   * setsockopt(NETLINK_RX_RING or NETLINK_TX_RING): makes a ring, or with `blockCount` 0 takes it away; the request may come as the bytes
   * of struct nl_mmap_req. Returns 0 or the kernel's error, found in the kernel's order. Rings are set up before the first message.
   */
  setRing(ring: "rx" | "tx", request: RingGeometry | Uint8Array): number {
    if (!this.#privileged) return EPERM;
    const geometry = request instanceof Uint8Array ? readRingRequest(request) : request;
    if (geometry === undefined) return EINVAL;
    if (this.#mappings > 0) return EBUSY;
    if (ring === "rx" && (this.#rx?.pending ?? 0) > 0) return EBUSY;
    const present = ring === "rx" ? this.#rxGeometry : this.#txGeometry;
    if (geometry.blockCount === 0) {
      if (geometry.frameCount !== 0) return EINVAL;
      this.#install(ring, undefined);
      return 0;
    }
    if (present !== undefined) return EBUSY;
    const violation = checkGeometry(geometry, this.#pageSize);
    if (violation !== undefined) return violation.errno;
    this.#install(ring, geometry);
    return 0;
  }

  /** getsockopt of either ring: -ENOPROTOOPT always; the kernel never tells. */
  getRing(_ring: "rx" | "tx"): number {
    return ENOPROTOOPT;
  }

  /** mmap: both rings in one piece, RX first. Returns the memory, or -EINVAL for a wrong length or offset, or without a ring. */
  map(length: number, offset = 0): ArrayBufferLike | number {
    if (offset !== 0 || this.#memory === undefined || length !== this.#memory.byteLength) return EINVAL;
    this.#mappings++;
    return this.#memory;
  }

  unmap(): void {
    if (this.#mappings > 0) this.#mappings--;
  }

  /**
   * Allocates a message of up to `size` bytes, in a ring frame where one that large exists. Undefined after an overrun: the kernel has no other
   * place for it then. Its place in the ring is taken now, not when it is delivered: readers see messages in the order of allocation.
   */
  allocate(size: number): MessageBuild | undefined {
    const rx = this.#rx;
    if (rx === undefined || size > rx.capacity) {
      const bytes = new Uint8Array(size);
      return {
        bytes,
        deliver: (length, source) => this.deliver(bytes.subarray(0, length), source),
        free: () => {},
      };
    }
    const frame = rx.reserve();
    if (frame === NONE) {
      this.#overrun();
      return undefined;
    }
    const offset = rx.payload(frame);
    return {
      bytes: rx.bytes.subarray(offset, offset + size),
      deliver: (length, source = {}) => {
        rx.publish(frame, length, source);
        return true;
      },
      free: () => rx.publish(frame, 0, {}),
    };
  }

  /**
   * Delivers a message that was built elsewhere, as all broadcasts are: through the receive queue, with a COPY frame that stands for it. Reception
   * and copy are one step, so such messages are in the order of arrival. False where it was lost.
   */
  deliver(message: Uint8Array, source: MessageSource = {}): boolean {
    if (this.#congested || this.#charged > this.#receiveBuffer) {
      this.#overrun();
      return false;
    }
    const frame = this.#rx?.reserveCopy();
    if (frame === NONE) {
      this.#overrun();
      return false;
    }
    this.#queue.push({ bytes: message.slice() });
    this.#charged += message.length + MESSAGE_OVERHEAD;
    if (frame !== undefined) this.#rx?.publishCopy(frame, message.length, source);
    return true;
  }

  /** Starts a dump: its first chunk comes now, the others inside `poll`, each in a frame of its own. `next` gives undefined at the end. */
  startDump(next: () => Uint8Array | undefined): number {
    if (this.#dump !== undefined) return EBUSY;
    this.#dump = next;
    this.#continueDump();
    return 0;
  }

  /** poll: goes on with a dump, ends congestion where the receive queue is empty, and tells what is ready. */
  poll(): PollBits {
    while (this.#dump !== undefined && this.#rx?.hasDumpSpace === true) this.#continueDump();
    this.#endCongestion();
    return {
      in: this.#queue.length > 0 || this.#rx?.readable === true,
      // Netlink charges no send buffer: it says nothing about free TX frames.
      out: true,
      err: this.#error !== 0,
    };
  }

  /** setsockopt(NETLINK_NO_ENOBUFS): overruns are counted and not reported; congestion ends. */
  setNoEnobufs(on: boolean): void {
    this.#noEnobufs = on;
    if (on) this.#congested = false;
  }

  /** getsockopt(SO_ERROR): the pending error, which is none then; 0 for none. */
  takeError(): number {
    const error = this.#error;
    this.#error = 0;
    return error;
  }

  /** recv: a pending error once, else the oldest message of the receive queue, else -EAGAIN. */
  receive(): Uint8Array | number {
    const error = this.takeError();
    if (error !== 0) return error;
    const message = this.#queue.shift();
    if (message === undefined) return EAGAIN;
    this.#charged -= message.bytes.length + MESSAGE_OVERHEAD;
    this.#endCongestion();
    return message.bytes;
  }

  /**
   * A send with a NULL iovec: hands every VALID TX frame from the head to `handle`, which answers 0 or an error that ends the send. Returns the
   * bytes of the frames, or the error; frames behind it stay for the next send.
   */
  sendRing(handle: (messages: Uint8Array) => number): number {
    const tx = this.#tx;
    if (tx === undefined) return 0;
    let total = 0;
    for (;;) {
      let frame: number;
      try {
        frame = tx.next();
      } catch (error) {
        if (error instanceof RingError) return error.errno ?? EINVAL;
        throw error;
      }
      if (frame === NONE) return total;
      const offset = tx.payloadOffset(frame);
      const length = tx.length(frame);
      const messages = new Uint8Array(this.#memory ?? new ArrayBuffer(0)).slice(offset, offset + length);
      // Given back before its messages are looked at: what they say may be changed from now on without harm.
      tx.release(frame);
      const refused = handle(messages);
      if (refused < 0) return refused;
      total += length;
    }
  }

  #install(ring: "rx" | "tx", geometry: RingGeometry | undefined): void {
    if (ring === "rx") this.#rxGeometry = geometry;
    else this.#txGeometry = geometry;
    const rxLength = this.#rxGeometry === undefined ? 0 : ringLength(this.#rxGeometry);
    const txLength = this.#txGeometry === undefined ? 0 : ringLength(this.#txGeometry);
    this.#queue.length = 0;
    this.#charged = 0;
    this.#rx = undefined;
    this.#tx = undefined;
    this.#memory = rxLength + txLength === 0 ? undefined : this.#createMemory(rxLength + txLength);
    if (this.#memory === undefined) return;
    if (this.#rxGeometry !== undefined) {
      this.#rx = new KernelRxRing(this.#memory, 0, this.#rxGeometry, this.#dialect);
    }
    if (this.#txGeometry !== undefined) this.#tx = new TxDrainer(this.#memory, rxLength, this.#txGeometry);
  }

  #continueDump(): void {
    const chunk = this.#dump?.();
    if (chunk === undefined) {
      this.#dump = undefined;
      return;
    }
    const rx = this.#rx;
    const shift =
      rx === undefined || this.#misplacedDumps === undefined ? 0 : rx.capacity - this.#misplacedDumps;
    const build = this.allocate(chunk.length + Math.max(shift, 0));
    if (build === undefined) {
      this.#error = ENOBUFS;
      this.#dump = undefined;
      return;
    }
    build.bytes.set(chunk, Math.max(shift, 0));
    build.deliver(chunk.length);
  }

  #endCongestion(): void {
    if (this.#queue.length === 0) this.#congested = false;
  }

  #overrun(): void {
    if (!this.#noEnobufs && !this.#congested) {
      this.#congested = true;
      this.#error = ENOBUFS;
    }
    this.#drops++;
  }
}
