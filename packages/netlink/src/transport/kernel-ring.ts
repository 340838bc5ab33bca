import { type RingGeometry, RxRing, ringLength, TxRing } from "@nlring/ring-core";
import { EAGAIN } from "../errno.js";
import { type SocketControls, SocketTransport } from "./socket-transport.js";
import type { TransportKind } from "./transport.js";

/** How long to look away from a frame that is still being filled, in milliseconds. */
const PATIENCE = 1;

/** A socket whose rings the kernel has mapped: the addon's, or a stand-in's. Calls return negative error numbers. */
export interface MappedSocket extends SocketControls {
  readonly portId: number;
  /** Both rings, RX first. */
  readonly memory: ArrayBufferLike;
  /** The error that is pending on the socket, which ends by being told; 0 for none. */
  takeError(): number;
  /** poll without waiting, inside which the kernel goes on with a dump. True where it finds something to read. */
  poll(): boolean;
  /** One message of the receive queue, which COPY frames stand for: its length. */
  receive(into: Uint8Array): number;
  /** Has the kernel send the committed TX frames (a send with a NULL iovec): bytes. */
  sendRing(): number;
}

export interface KernelRingOptions {
  readonly kind: TransportKind;
  readonly reason: string;
  /** False before Linux 4.3: a held frame at the kernel's head stops the ring. */
  readonly skipsHeldFrames: boolean;
}

/**
 * The kernel's own rings (NETLINK_RX_RING and NETLINK_TX_RING, Linux 3.10 to 4.5): frames are full before anybody asks, and one send with
 * no bytes sends many.
 */
export class KernelRing extends SocketTransport<MappedSocket> {
  readonly kind: TransportKind;
  readonly reason: string;
  readonly portId: number;
  readonly rx: RxRing;
  readonly tx: TxRing;
  readonly holdsFrames: boolean;
  #patience: NodeJS.Timeout | undefined;
  #wanted = false;
  /** An error that a message was fetched behind, to be told by the next `fill`; 0 for none. */
  #error = 0;

  constructor(socket: MappedSocket, rx: RingGeometry, tx: RingGeometry, options: KernelRingOptions) {
    super(socket);
    this.kind = options.kind;
    this.reason = options.reason;
    this.portId = socket.portId;
    this.holdsFrames = options.skipsHeldFrames;
    // Some of these kernels put a dump's chunk at the end of its frame.
    this.rx = new RxRing(socket.memory, 0, rx, { misplacedMessages: true });
    this.tx = new TxRing(socket.memory, ringLength(rx), tx);
  }

  /** The kernel fills the frames; what is left to do is to take errors, to keep dumps going, and to look again. */
  fill(_limit: number): number {
    const error = this.#error || this.socket.takeError();
    this.#error = 0;
    if (error < 0) return error;
    const readable = this.socket.poll();
    if (this.rx.ready) return 1;
    if (readable) this.#lookAway();
    // With nothing readable and no frame held every answer has been seen. A frame that is being filled may hold one, and a dump goes on
    // only when held frames are out of its way.
    return readable || this.rx.heldCount > 0 ? EAGAIN : 0;
  }

  waits(): boolean {
    return this.socket.poll() || this.rx.ready;
  }

  takeCopied(length: number): Uint8Array | undefined {
    const message = new Uint8Array(length);
    let received = this.socket.receive(message);
    if (received < 0 && received !== EAGAIN) {
      // A pending error comes first, once, and is gone by that: it is often ENOBUFS, whose loss must not go untold. The message is behind it.
      this.#error = received;
      received = this.socket.receive(message);
    }
    return received < 0 ? undefined : message.subarray(0, Math.min(received, length));
  }

  drain(): number {
    return this.socket.sendRing();
  }

  override resume(): void {
    this.#wanted = true;
    if (this.#patience === undefined) super.resume();
  }

  override pause(): void {
    this.#wanted = false;
    super.pause();
  }

  override close(): void {
    clearTimeout(this.#patience);
    super.close();
  }

  /**
   * poll tells of any filled frame, also of one behind a frame that is still being filled (an NFLOG batch takes up to a second). Watched
   * on, the event loop would turn without rest.
   */
  #lookAway(): void {
    if (this.#patience !== undefined) return;
    super.pause();
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      if (this.#wanted) super.resume();
    }, PATIENCE);
  }
}
