import type { RingGeometry } from "./abi.js";
import { RingError } from "./errors.js";
import { readRingRequest } from "./geometry.js";
import { type MessageBuild, RingBuild, SeparateBuild } from "./kernel-build.js";
import { KernelDump } from "./kernel-dump.js";
import type { KernelDialect } from "./kernel-rx-ring.js";
import type { MessageSource } from "./kernel-side.js";
import { MappedRings } from "./mapped-rings.js";
import { ReceiveQueue } from "./receive-queue.js";

const EPERM = -1;
const EAGAIN = -11;
const EBUSY = -16;
const EINVAL = -22;
const ENOPROTOOPT = -92;
const ENOBUFS = -105;

const NONE = -1;

/** What kind of kernel the stand-in plays. */
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
  /** Bytes that a dump allocates for each chunk: a ring with smaller frames gets its dumps by copy. 3,776 where undefined. */
  readonly dumpSize?: number | undefined;
  /** Reproduces the kernels whose dumps start `dumpSize` bytes before the end of a frame instead of at its payload's start. */
  readonly misplacedDumps?: boolean | undefined;
  /**
   * Makes the memory of both rings, all zeros; an ArrayBuffer where undefined. It is called when a ring is set up or taken away. May throw
   * RangeError, which is -ENOMEM.
   */
  readonly createMemory?: ((length: number) => ArrayBufferLike) | undefined;
  /** Called where the kernel wakes those who poll, in the middle of what it does: note it, and look afterwards. */
  readonly onWake?: (() => void) | undefined;
}

/** What poll returns. */
export interface PollBits {
  readonly in: boolean;
  readonly out: boolean;
  readonly err: boolean;
}

/** A message in the receive queue whose frame does not say so yet. */
export interface QueuedCopy {
  /** Marks the frame COPY, and wakes readers. */
  mark(): void;
}

/**
 * A mapped netlink socket from the kernel's side, as Linux 3.10 to 4.5 had it: set-up with its checks, messages built in frames or copied,
 * overruns, poll, and the TX ring. It stands in for such a kernel in tests of readers, and is itself held to recordings of two of them.
 *
 * Error numbers are negative. All of it is synchronous, so no sender waits for room: it gets its error at once, as with MSG_DONTWAIT. None of
 * it knows what the messages say.
 */
export class KernelSocket {
  readonly #privileged: boolean;
  readonly #misplacedDumps: boolean;
  readonly #onWake: () => void;
  readonly #rings: MappedRings;
  readonly #queue: ReceiveQueue;
  readonly #dump: KernelDump;
  #noEnobufs: boolean;
  #error = 0;
  #congested = false;
  #drops = 0;

  constructor(options: KernelSocketOptions = {}) {
    this.#privileged = options.privileged ?? true;
    this.#dump = new KernelDump(options.dumpSize);
    this.#misplacedDumps = options.misplacedDumps ?? false;
    this.#onWake = options.onWake ?? (() => {});
    this.#noEnobufs = options.noEnobufs ?? false;
    this.#queue = new ReceiveQueue(options.receiveBuffer ?? 212_992);
    this.#rings = new MappedRings(
      options.dialect ?? "from-4.3",
      options.pageSize ?? 4096,
      options.createMemory ?? ((length) => new ArrayBuffer(length)),
    );
  }

  /** Messages lost for want of room: the Drops column of /proc/net/netlink. */
  get drops(): number {
    return this.#drops;
  }

  /** True while a dump has chunks left. */
  get dumping(): boolean {
    return this.#dump.running;
  }

  /**
   * setsockopt(NETLINK_RX_RING or NETLINK_TX_RING): makes a ring, or with `blockCount` 0 takes it away; the request may come as the bytes
   * of struct nl_mmap_req. Returns 0 or the kernel's error, found in the kernel's order. The other ring stays as it is; the receive queue
   * is emptied with a change of the RX ring.
   */
  setRing(ring: "rx" | "tx", request: RingGeometry | Uint8Array): number {
    if (!this.#privileged) return EPERM;
    const geometry = request instanceof Uint8Array ? readRingRequest(request) : request;
    if (geometry === undefined) return EINVAL;
    const error = this.#rings.set(ring, geometry);
    if (error === 0 && ring === "rx") this.#queue.purge();
    return error;
  }

  /** getsockopt of either ring: -ENOPROTOOPT always; the kernel never tells. */
  getRing(_ring: "rx" | "tx"): number {
    return ENOPROTOOPT;
  }

  /**
   * mmap: both rings in one piece, RX first; `length` is rounded up to pages. Returns the memory, or -EINVAL for a wrong length or offset, or
   * without a ring. The memory is the rings' until a ring is set up or taken away, which takes `unmap` first.
   */
  map(length: number, offset = 0): ArrayBufferLike | number {
    return this.#rings.map(length, offset);
  }

  /** munmap of one of the mappings. */
  unmap(): void {
    this.#rings.unmap();
  }

  /**
   * Allocates a message of up to `size` bytes, in a ring frame where one that large exists. Undefined after an overrun: the kernel has no other
   * place for it then. Its place in the ring is taken now, not when it is delivered: readers see messages in the order of allocation.
   *
   * @param purpose an acknowledgement that finds no room leaves -ENOBUFS on the socket even with NETLINK_NO_ENOBUFS (netlink_ack)
   */
  allocate(size: number, purpose: "message" | "acknowledgement" = "message"): MessageBuild | undefined {
    const build = this.#allocate(size, 0);
    if (build === undefined && purpose === "acknowledgement") this.#fail(ENOBUFS);
    return build;
  }

  /**
   * Delivers a message that was built elsewhere, as all broadcasts are: through the receive queue, with a COPY frame that stands for it. Reception
   * and copy are one step, so such messages are in the order of arrival.
   *
   * False where it was lost or refused. Those who send to one socket see less: a message that finds no frame counts as sent. One that
   * finds the socket congested or its receive buffer full gives them -EAGAIN, and is an overrun only for messages of the kernel.
   */
  deliver(message: Uint8Array, source: MessageSource = {}): boolean {
    const queued = this.queueCopy(message, source);
    queued?.mark();
    return queued !== undefined;
  }

  /**
   * The first of the two steps of `deliver`: the message is in the receive queue and its frame is taken, but still reads UNUSED. On
   * several processors others act in between. Undefined where the message was lost or refused.
   */
  queueCopy(message: Uint8Array, source: MessageSource = {}): QueuedCopy | undefined {
    if (this.#congested || this.#queue.isOver) {
      const fromAnotherSocket = (source.senderPort ?? 0) !== 0 && (source.group ?? 0) === 0;
      if (!fromAnotherSocket) this.#overrun();
      return undefined;
    }
    return this.#enqueue(message, source);
  }

  /**
   * Starts a dump: its first chunk comes now, the others inside `poll`, each in a frame of its own, or inside `receive`. Returns 0; -EBUSY while
   * another runs; -ENOBUFS where the first chunk finds no room: the dump has started all the same, and goes on in the next `poll` that does.
   *
   * @param next gives the chunks, of `dumpSize` bytes at most, and undefined behind the last. It is asked one chunk ahead: the
   *   kernel knows the end when it delivers the last one.
   */
  startDump(next: () => Uint8Array | undefined): number {
    if (this.dumping) return EBUSY;
    this.#dump.start(next);
    return this.dumping ? this.#continueDump() : 0;
  }

  /** poll: goes on with a dump, ends congestion where the receive queue is empty, and tells what is ready. */
  poll(): PollBits {
    const { rx } = this.#rings;
    if (rx !== undefined) {
      while (this.dumping && rx.hasDumpSpace) {
        const error = this.#continueDump();
        if (error === 0) continue;
        this.#fail(error);
        break;
      }
      this.#endCongestion();
    }
    return {
      in: !this.#queue.isEmpty || rx?.readable === true,
      // Netlink charges no send buffer: it says nothing about free TX frames.
      out: true,
      err: this.#error !== 0,
    };
  }

  /** A message finds no room, whatever room there is: for tests of what readers do then. */
  overrun(): void {
    this.#overrun();
    this.#onWake();
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

  /**
   * recv: a pending error once, else the oldest message of the receive queue, else -EAGAIN. Goes on with a dump behind a message, and ends
   * congestion where the receive queue is empty.
   */
  receive(): Uint8Array | number {
    const result = this.takeError() || (this.#queue.shift() ?? EAGAIN);
    if (typeof result !== "number" && this.dumping && this.#queue.isHalfEmpty) {
      const error = this.#continueDump();
      if (error !== 0) this.#fail(error);
    }
    this.#endCongestion();
    return result;
  }

  /**
   * A send with a NULL iovec: hands every VALID TX frame from the head to `handle`, which answers 0 or an error that ends the send. Returns the
   * bytes of the frames, or the error; frames behind it stay for the next send. A length that leaves its frame is -EINVAL, and the
   * frame stays VALID until its writer mends it.
   */
  sendRing(handle: (messages: Uint8Array) => number): number {
    const { tx } = this.#rings;
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
      const messages = tx.bytes.slice(offset, offset + length);
      // Given back before its messages are looked at: what they say may be changed from now on without harm.
      tx.release(frame);
      const refused = handle(messages);
      if (refused < 0) return refused;
      total += length;
    }
  }

  #allocate(size: number, shift: number): MessageBuild | undefined {
    const { rx } = this.#rings;
    if (rx === undefined || size > rx.capacity) {
      return new SeparateBuild(size, (message, source) => this.deliver(message, source));
    }
    const frame = rx.reserve();
    if (frame !== NONE) return new RingBuild(rx, frame, size, shift, this.#onWake);
    this.#overrun();
    return undefined;
  }

  /** The receive queue and a frame, whatever the state of the socket. */
  #enqueue(message: Uint8Array, source: MessageSource): QueuedCopy | undefined {
    const { rx } = this.#rings;
    const frame = rx?.reserveCopy();
    if (frame === NONE) {
      this.#overrun();
      return undefined;
    }
    this.#queue.push(message);
    const { length } = message;
    return {
      mark: () => {
        // The ring may have been taken away since, and its frames with it.
        if (frame !== undefined && rx === this.#rings.rx) rx?.publishCopy(frame, length, source);
        this.#onWake();
      },
    };
  }

  /** Delivers a dump's next chunk. Room is found before the chunk is taken, so none is lost with -ENOBUFS. */
  #continueDump(): number {
    const { rx } = this.#rings;
    const { size } = this.#dump;
    if (rx === undefined || size > rx.capacity) {
      // Mapped sockets read no receive queue as a rule: its limit does not stop their dumps.
      if (rx === undefined && this.#queue.isExhausted) return ENOBUFS;
      this.#enqueue(this.#dump.take(), {})?.mark();
      return 0;
    }
    const build = this.#allocate(size, this.#misplacedDumps ? rx.capacity - size : 0);
    if (build === undefined) return ENOBUFS;
    const chunk = this.#dump.take();
    build.bytes.set(chunk);
    build.deliver(chunk.length);
    return 0;
  }

  #endCongestion(): void {
    if (this.#queue.isEmpty) this.#congested = false;
  }

  #overrun(): void {
    if (!this.#noEnobufs && !this.#congested) {
      this.#congested = true;
      this.#fail(ENOBUFS);
    }
    this.#drops++;
  }

  #fail(error: number): void {
    this.#error = error;
    this.#onWake();
  }
}
