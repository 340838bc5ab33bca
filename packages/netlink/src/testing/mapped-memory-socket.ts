import {
  type KernelDialect,
  KernelSocket,
  type MessageSource,
  type RingGeometry,
  ringLength,
} from "@nlring/ring-core";
import { NETLINK_NO_ENOBUFS } from "../abi.js";
import { EBADF, EINVAL } from "../errno.js";
import type { MappedSocket } from "../transport/kernel-ring.js";
import { type FakeSocket, MemorySocket } from "./memory-socket.js";
import type { SendHandler } from "./memory-transport.js";

/** What such a kernel allocates for a chunk of a dump. */
const DUMP_CHUNK = 3776;

/**
 * A socket of a stand-in for the mapped kernel. As there, what the kernel answers is built in ring frames, and multicast and other sockets'
 * messages come by copy.
 */
export class MappedMemorySocket extends MemorySocket implements MappedSocket, FakeSocket {
  readonly portId: number;
  readonly memory: ArrayBuffer;
  readonly receiveBuffer = 212_992;
  readonly #kernel: KernelSocket;
  readonly #handle: SendHandler;
  #toLose = 0;

  constructor(
    portId: number,
    rx: RingGeometry,
    tx: RingGeometry,
    dialect: KernelDialect,
    handle: SendHandler,
    onClose: () => void,
  ) {
    // Pages are the real kernel's; here any ring will do.
    const kernel = new KernelSocket({ dialect, pageSize: 1 });
    const refused = kernel.setRing("rx", rx) || kernel.setRing("tx", tx);
    const memory = kernel.map(ringLength(rx) + ringLength(tx));
    if (refused !== 0 || !(memory instanceof ArrayBuffer))
      throw new RangeError(`the rings are refused: error ${refused}`);
    super(memory, onClose);
    this.portId = portId;
    this.memory = memory;
    this.#kernel = kernel;
    this.#handle = handle;
  }

  deliver(bytes: Uint8Array, source: MessageSource = {}): boolean {
    if (this.closed) return false;
    const { group = 0, senderPort = 0 } = source;
    const isAnswer = group === 0 && senderPort === 0;
    if (this.#toLose > 0 && (senderPort === 0 || group !== 0)) {
      this.#toLose--;
      this.#kernel.overrun();
      return false;
    }
    const kept = this.filtered(bytes);
    if (kept === undefined) {
      // It was built in a frame, which the kernel then hands on empty.
      if (isAnswer) this.#kernel.allocate(bytes.length)?.free();
      return false;
    }
    const delivered = isAnswer ? this.#build(kept) : this.#kernel.deliver(kept, source);
    this.wake();
    return delivered;
  }

  startDump(next: (room: number) => Uint8Array | undefined): number {
    const started = this.#kernel.startDump(() => next(DUMP_CHUNK));
    this.wake();
    return started;
  }

  lose(count: number): void {
    this.#toLose += count;
  }

  setReceiveBuffer(_bytes: number): number {
    return this.receiveBuffer;
  }

  takeError(): number {
    return this.closed ? EBADF : this.#kernel.takeError();
  }

  poll(): boolean {
    return !this.closed && this.#kernel.poll().in;
  }

  receive(into: Uint8Array): number {
    if (this.closed) return EBADF;
    const received = this.#kernel.receive();
    if (typeof received === "number") return received;
    into.set(received.subarray(0, into.length));
    return received.length;
  }

  sendRing(): number {
    if (this.closed) return EBADF;
    return this.#kernel.sendRing((messages) => {
      this.#handle(messages);
      return 0;
    });
  }

  send(messages: Uint8Array): number {
    if (this.closed) return EBADF;
    if (messages.length === 0) return EINVAL;
    this.#handle(messages.slice());
    return messages.length;
  }

  drops(): number {
    return this.#kernel.drops;
  }

  override setOption(level: number, option: number, value: number): void {
    super.setOption(level, option, value);
    if (option === NETLINK_NO_ENOBUFS) this.#kernel.setNoEnobufs(value !== 0);
  }

  protected override get isReadable(): boolean {
    const { in: readable, err } = this.#kernel.poll();
    return readable || err;
  }

  #build(bytes: Uint8Array): boolean {
    const build = this.#kernel.allocate(bytes.length);
    if (build === undefined) return false;
    build.bytes.set(bytes);
    return build.deliver(bytes.length);
  }
}
