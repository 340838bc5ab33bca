import {
  type MessageSource,
  type RingGeometry,
  RxFiller,
  RxRing,
  ringLength,
  TxDrainer,
  TxRing,
} from "@nlring/ring-core";
import { NETLINK_NO_ENOBUFS } from "../abi.js";
import { EBADF, EBUSY, EINVAL, ENOBUFS, ENOSPC } from "../errno.js";
import type { Transport } from "../transport/transport.js";
import { type FakeSocket, MemorySocket } from "./memory-socket.js";

/** What the kernel's side of a memory transport does with the bytes of one send. */
export type SendHandler = (messages: Uint8Array) => void;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly source: MessageSource;
}

/** Receive buffer of a socket that nobody sized, as on Linux; one message is charged its length and this overhead. */
const DEFAULT_RECEIVE_BUFFER = 212_992;
const MESSAGE_OVERHEAD = 768;
/** A dump's chunk has at least a small allocation of the kernel's, and at most 32 KiB less its bookkeeping, by what the reader offers. */
const SMALLEST_CHUNK = 3776;
const LARGEST_CHUNK = 32_448;

/**
 * A transport without a kernel: the same rings, filled and drained by TypeScript. Sending is handled before `drain` returns, as
 * in the kernel. Messages wait in a receive buffer of limited size until `fill` moves them into frames; after an overrun it takes
 * nothing more until it has been read empty, unless NETLINK_NO_ENOBUFS is set.
 */
export class MemoryTransport extends MemorySocket implements Transport, FakeSocket {
  readonly kind = "memory";
  readonly reason = "given by the caller; no kernel is involved";
  readonly tellsNamespaces = true;
  readonly fillsAll = true;
  readonly portId: number;
  readonly rx: RxRing;
  readonly tx: TxRing;
  readonly #filler: RxFiller;
  readonly #drainer: TxDrainer;
  readonly #handle: SendHandler;
  readonly #waiting: Waiting[] = [];
  readonly #copied: Uint8Array[] = [];
  #receiveBuffer = DEFAULT_RECEIVE_BUFFER;
  #charged = 0;
  #dropped = 0;
  #reportsOverruns = true;
  /** An overrun that nobody was told yet (sk_err). */
  #overrun = false;
  #congested = false;
  #toLose = 0;
  #nextChunk: ((room: number) => Uint8Array | undefined) | undefined;

  constructor(portId: number, rx: RingGeometry, tx: RingGeometry, handle: SendHandler, onClose: () => void) {
    const memory = new ArrayBuffer(ringLength(rx) + ringLength(tx));
    super(memory, onClose);
    this.portId = portId;
    this.#handle = handle;
    this.rx = new RxRing(memory, 0, rx);
    this.tx = new TxRing(memory, ringLength(rx), tx);
    this.#filler = new RxFiller(memory, 0, rx);
    this.#drainer = new TxDrainer(memory, ringLength(rx), tx);
  }

  get receiveBuffer(): number {
    return this.#receiveBuffer;
  }

  setReceiveBuffer(bytes: number): number {
    this.#receiveBuffer = bytes;
    return bytes;
  }

  /**
   * The kernel's side: queues a message for this socket. False when the receive buffer is full, and the message lost; or the filter
   * refuses it.
   */
  deliver(bytes: Uint8Array, source: MessageSource = {}): boolean {
    if (this.closed) return false;
    const kept = this.filtered(bytes);
    if (kept === undefined) return false;
    const charge = kept.length + MESSAGE_OVERHEAD;
    // An empty buffer takes a message of any size.
    let isFull = this.#charged > 0 && this.#charged + charge > this.#receiveBuffer;
    if (this.#toLose > 0) {
      this.#toLose--;
      isFull = true;
    }
    if (isFull || this.#congested) {
      // Another process is told that its message found no room; only what comes from the kernel, or to a group, counts as lost.
      if ((source.senderPort ?? 0) !== 0 && (source.group ?? 0) === 0) return false;
      this.#dropped++;
      if (this.#reportsOverruns && !this.#congested) {
        this.#congested = true;
        this.#overrun = true;
      }
      this.wake();
      return false;
    }
    this.#charged += charge;
    this.#waiting.push({ bytes: kept.slice(), source });
    this.wake();
    return true;
  }

  fill(limit: number): number {
    if (this.closed) return EBADF;
    if (this.#overrun) {
      this.#overrun = false;
      return ENOBUFS;
    }
    let filled = 0;
    while (filled < limit) {
      const message = this.#waiting[0];
      if (message === undefined) break;
      const outcome = this.#filler.deliver(message.bytes, message.source);
      if (outcome === "full") return filled > 0 ? filled : ENOSPC;
      if (outcome === "copy") this.#copied.push(message.bytes);
      this.#waiting.shift();
      this.#charged -= message.bytes.length + MESSAGE_OVERHEAD;
      filled++;
      if (this.#charged <= this.#receiveBuffer / 2) this.#continueDump(LARGEST_CHUNK);
    }
    if (this.#waiting.length === 0) this.#congested = false;
    return filled;
  }

  startDump(next: (room: number) => Uint8Array | undefined): number {
    if (this.#nextChunk !== undefined) return EBUSY;
    this.#nextChunk = next;
    // The kernel does not know yet what the reader will offer.
    this.#continueDump(SMALLEST_CHUNK);
    return 0;
  }

  lose(count: number): void {
    this.#toLose += count;
  }

  waits(): boolean {
    return this.isReadable;
  }

  takeCopied(_length: number): Uint8Array | undefined {
    return this.#copied.shift();
  }

  drain(): number {
    if (this.closed) return EBADF;
    let sent = 0;
    for (let frame = this.#drainer.next(); frame !== -1; frame = this.#drainer.next()) {
      const offset = this.#drainer.payloadOffset(frame);
      const messages = this.tx.bytes.slice(offset, offset + this.#drainer.length(frame));
      this.#drainer.release(frame);
      sent += messages.length;
      this.#handle(messages);
      // The handler may have closed the socket.
      if (this.closed) break;
    }
    return sent;
  }

  send(messages: Uint8Array): number {
    if (this.closed) return EBADF;
    if (messages.length === 0) return EINVAL;
    this.#handle(messages.slice());
    return messages.length;
  }

  drops(): number {
    return this.#dropped;
  }

  override setOption(level: number, option: number, value: number): void {
    super.setOption(level, option, value);
    if (option === NETLINK_NO_ENOBUFS) this.#reportsOverruns = value === 0;
  }

  /** Queues a dump's next chunk, for which there is room: the reader has just made it. */
  #continueDump(room: number): void {
    const chunk = this.#nextChunk?.(room);
    if (chunk === undefined) this.#nextChunk = undefined;
    else {
      this.#charged += chunk.length + MESSAGE_OVERHEAD;
      this.#waiting.push({ bytes: chunk, source: {} });
    }
    this.wake();
  }

  protected override get isReadable(): boolean {
    return this.#waiting.length > 0 || this.#overrun;
  }
}
