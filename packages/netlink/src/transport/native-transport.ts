import { loadNative, type NativeSocket } from "@nlring/native";
import { planRing, type RingGeometry, RxRing, ringLength, TxRing } from "@nlring/ring-core";
import { NETLINK_ROUTE } from "../abi.js";
import { TransportError } from "../errors.js";
import { encodeFilter, type FilterInstruction } from "./filter.js";
import { PROBE_FRAMES, skipsHeldFrames } from "./kernel-dialect.js";
import { KernelRing, type MappedSocket } from "./kernel-ring.js";
import { nativeFailure, typed } from "./native-failure.js";
import { type SocketControls, SocketTransport } from "./socket-transport.js";
import type { Transport, TransportRequest } from "./transport.js";

const NO_KERNEL_RING =
  "Linux had memory-mapped netlink from 3.10 to 4.5 (CONFIG_NETLINK_MMAP), for root outside any user namespace";

/** Bytes of a TX frame of the kernel's: some 400 verdicts. */
const TX_FRAME_SIZE = 16_384;

const SOL_SOCKET = 1;
const SO_ERROR = 4;

/** The addon's socket with this package's errors. */
class NativeControls implements SocketControls {
  readonly native: NativeSocket;

  constructor(native: NativeSocket) {
    this.native = native;
  }

  get receiveBuffer(): number {
    return this.native.receiveBuffer;
  }

  setReceiveBuffer(bytes: number): number {
    return typed(() => this.native.setReceiveBuffer(bytes));
  }

  send(messages: Uint8Array): number {
    return this.native.send(messages);
  }

  drops(): number | undefined {
    try {
      return this.native.drops();
    } catch {
      // SO_MEMINFO came with Linux 4.12; without it the number is not known, which is not zero.
      return undefined;
    }
  }

  setOption(level: number, option: number, value: number): void {
    typed(() => this.native.setOption(level, option, value));
  }

  setFilter(program: readonly FilterInstruction[]): void {
    const bytes = encodeFilter(program);
    typed(() => this.native.attachFilter(bytes));
  }

  clearFilter(): void {
    typed(() => this.native.detachFilter());
  }

  addMembership(group: number): void {
    typed(() => this.native.addMembership(group));
  }

  dropMembership(group: number): void {
    typed(() => this.native.dropMembership(group));
  }

  gracePeriod(): Promise<void> {
    return loadNative().gracePeriod();
  }

  onReadable(callback: () => void): void {
    this.native.onReadable(callback);
  }

  resume(): void {
    this.native.resume();
  }

  pause(): void {
    this.native.pause();
  }

  ref(): void {
    this.native.ref();
  }

  unref(): void {
    this.native.unref();
  }

  close(): void {
    this.native.close();
  }
}

/** Frames in anonymous memory, filled by one recvmmsg and sent by one gathered sendmsg. */
class UserRing extends SocketTransport<NativeControls> {
  readonly kind = "user-ring";
  readonly reason: string;
  readonly portId: number;
  readonly rx: RxRing;
  readonly tx: TxRing;

  readonly tellsNamespaces: boolean;
  readonly fillsAll = true;
  readonly rewinds = true;

  constructor(native: NativeSocket, request: TransportRequest, reason: string) {
    super(new NativeControls(native));
    const { rx, tx, filter } = request;
    this.reason = reason;
    this.tellsNamespaces = request.allNamespaces;
    const memory = native.mapUserRing(rx, tx);
    // What receives ahead in another thread leaves the status words to `fill`.
    this.rx = new RxRing(memory, 0, rx, { sameThread: true });
    this.tx = new TxRing(memory, ringLength(rx), tx, { sameThread: true });
    // Unbound, nothing can have been sent to it.
    if (filter !== undefined) this.setFilter(filter);
    // One that was opened elsewhere may be bound, which is done once.
    this.portId = native.portId || native.bind(0, 0);
    if (request.kernelOnly && request.descriptor === undefined) typed(() => native.connect());
  }

  fill(limit: number, rewound: boolean): number {
    return this.socket.native.fill(limit, rewound);
  }

  fillAhead(limit: number): void {
    this.socket.native.fillAhead(limit);
  }

  waits(): boolean {
    return this.socket.native.poll();
  }

  takeCopied(_length: number): Uint8Array | undefined {
    return this.socket.native.takeCopied();
  }

  drain(): number {
    return this.socket.native.drain();
  }
}

/** A socket of the addon whose rings the kernel has mapped. */
class NativeMappedSocket extends NativeControls implements MappedSocket {
  readonly portId: number;
  readonly memory: ArrayBuffer;

  constructor(
    native: NativeSocket,
    rx: RingGeometry,
    tx: RingGeometry,
    filter?: readonly FilterInstruction[] | undefined,
  ) {
    super(native);
    this.memory = native.mapKernelRing(rx, tx);
    if (filter !== undefined) this.setFilter(filter);
    this.portId = native.bind(0, 0);
  }

  takeError(): number {
    // Reading it clears it.
    const error = this.native.getOption(SOL_SOCKET, SO_ERROR);
    return error === 0 ? 0 : -error;
  }

  poll(): boolean {
    return this.native.poll();
  }

  receive(into: Uint8Array): number {
    return this.native.receive(into);
  }

  sendRing(): number {
    return this.native.drain();
  }
}

/** Does something with a new socket, which is closed where that fails. */
function withSocket<T>(
  { protocol, namespace, descriptor }: Pick<TransportRequest, "protocol" | "namespace" | "descriptor">,
  use: (socket: NativeSocket) => T,
): T {
  const { Socket } = loadNative();
  const socket = typed(() => new Socket(protocol, namespace, descriptor));
  try {
    return use(socket);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Maps the kernel's own rings. Throws the system's error where it refuses. */
function openKernelRing(request: TransportRequest): Transport {
  const { namespace, mappedRx, tx, filter } = request;
  const { pageSize } = loadNative();
  const probe = planRing({ frameSize: pageSize, frameCount: PROBE_FRAMES, pageSize });
  const skips = withSocket({ protocol: NETLINK_ROUTE, namespace, descriptor: undefined }, (socket) => {
    const answer = skipsHeldFrames(new NativeMappedSocket(socket, probe, probe), probe);
    socket.close();
    return answer;
  });
  const kernelRx = planRing({ ...mappedRx, pageSize });
  const kernelTx = planRing({ frameSize: TX_FRAME_SIZE, frameCount: tx.frameCount, pageSize });
  return withSocket(request, (socket) => {
    const mapped = new NativeMappedSocket(socket, kernelRx, kernelTx, filter);
    return new KernelRing(mapped, kernelRx, kernelTx, {
      kind: "kernel-ring",
      reason: skips
        ? "the kernel maps netlink rings"
        : "the kernel maps netlink rings, and stops at held frames as before Linux 4.3: messages are copied on arrival",
      skipsHeldFrames: skips,
    });
  });
}

/** What a kernel ring cannot do of what is asked for: the option, and why. Undefined where it can do all of it. */
function beyondKernelRing({
  ordered,
  allNamespaces,
  descriptor,
}: TransportRequest):
  | { readonly option: string; readonly reason: string; readonly limit: string }
  | undefined {
  if (ordered) {
    return {
      option: "ordered",
      reason: "messages are wanted in the order of arrival",
      limit: "has messages in the order in which the kernel began to build them",
    };
  }
  if (allNamespaces) {
    return {
      option: "allNamespaces",
      reason: "the namespace of each message is wanted",
      limit: "does not tell the network namespace of a message",
    };
  }
  if (descriptor !== undefined) {
    return {
      option: "descriptor",
      reason: "the socket was opened elsewhere",
      limit: "is not put on a socket that was opened elsewhere, which others may have mapped",
    };
  }
  return undefined;
}

/** Opens a socket of the addon with the ring that `choice` names. */
export function openNativeTransport(
  request: TransportRequest,
  choice: "auto" | "kernel-ring" | "user-ring",
): Transport {
  let reason = "asked for";
  const beyond = beyondKernelRing(request);
  if (beyond !== undefined && choice === "kernel-ring") {
    throw new TransportError(
      `a kernel ring ${beyond.limit}: leave "${beyond.option}" out, or use transport "auto"`,
    );
  }
  if (request.descriptor !== undefined && request.namespace !== undefined) {
    throw new TransportError(
      'a descriptor belongs to a network namespace already: leave "namespace" out, or "descriptor"',
    );
  }
  if (beyond !== undefined) {
    reason = beyond.reason;
  } else if (choice !== "user-ring") {
    try {
      return openKernelRing(request);
    } catch (error) {
      const failure = nativeFailure(error);
      if (failure === undefined) throw error;
      const { code, errno, syscall, option = syscall } = failure;
      if (choice === "kernel-ring") {
        throw new TransportError(
          `the kernel refused ${option} with ${code}. ${NO_KERNEL_RING}. Use transport "auto" or ` +
            '"user-ring", which fill the same ring with one recvmmsg',
          { code, errno, syscall, cause: error },
        );
      }
      reason = `the kernel refused ${option} with ${code}`;
    }
  }
  return withSocket(request, (socket) => typed(() => new UserRing(socket, request, reason)));
}
