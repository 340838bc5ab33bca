import { loadNative, type NativeSocket } from "@nlring/native";
import { planRing, type RingGeometry, RxRing, ringLength, TxRing } from "@nlring/ring-core";
import { NETLINK_ROUTE } from "./abi.js";
import { SystemError, TransportError } from "./errors.js";
import { PROBE_FRAMES, skipsHeldFrames } from "./kernel-dialect.js";
import { KernelRing, type MappedSocket } from "./kernel-ring.js";
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

  constructor(native: NativeSocket, rx: RingGeometry, tx: RingGeometry, reason: string) {
    super(new NativeControls(native));
    this.reason = reason;
    const memory = native.mapUserRing(rx, tx);
    this.rx = new RxRing(memory, 0, rx);
    this.tx = new TxRing(memory, ringLength(rx), tx);
    this.portId = native.bind(0, 0);
  }

  fill(limit: number): number {
    return this.socket.native.fill(limit);
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

  constructor(native: NativeSocket, rx: RingGeometry, tx: RingGeometry) {
    super(native);
    this.memory = native.mapKernelRing(rx, tx);
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

interface NativeFailure {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly option: string | undefined;
}

/** What the native part tells of a failed system call; undefined for any other error. */
function nativeFailure(error: unknown): NativeFailure | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("errno" in error) || !("syscall" in error))
    return undefined;
  const { code, errno, syscall } = error;
  if (typeof code !== "string" || typeof errno !== "number" || typeof syscall !== "string") return undefined;
  const option = "option" in error && typeof error.option === "string" ? error.option : undefined;
  return { code, errno, syscall, option };
}

/** Runs a set-up call of the native part with its system errors turned into this package's. */
function typed<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const failure = nativeFailure(error);
    if (failure === undefined) throw error;
    const { errno, syscall, option: subject } = failure;
    throw new SystemError(syscall, errno, advice(failure), { subject, cause: error });
  }
}

function advice({ code, syscall, option }: NativeFailure): string {
  if (syscall === "socket" && code === "EPROTONOSUPPORT") {
    return "this kernel has no such netlink protocol, or its module is not loaded";
  }
  if (syscall === "open") return "the network namespace cannot be opened: look at its path";
  if (syscall === "setns")
    return "the descriptor must be a network namespace, and entering it takes CAP_SYS_ADMIN";
  if (option === "NETLINK_ADD_MEMBERSHIP" && code === "EPERM")
    return "joining this group needs CAP_NET_ADMIN";
  if (option === "NETLINK_ADD_MEMBERSHIP" && code === "EINVAL") {
    return "the protocol has no multicast group of this number";
  }
  return "";
}

function openSocket(protocol: number, namespace: TransportRequest["namespace"]): NativeSocket {
  const { Socket } = loadNative();
  return typed(() => new Socket(protocol, namespace));
}

/** Does something with a new socket, which is closed where that fails. */
function withSocket<T>(
  protocol: number,
  namespace: TransportRequest["namespace"],
  use: (socket: NativeSocket) => T,
): T {
  const socket = openSocket(protocol, namespace);
  try {
    return use(socket);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Maps the kernel's own rings. Throws the system's error where it refuses. */
function openKernelRing({ protocol, namespace, mappedRx, tx }: TransportRequest): Transport {
  const { pageSize } = loadNative();
  const probe = planRing({ frameSize: pageSize, frameCount: PROBE_FRAMES, pageSize });
  const skips = withSocket(NETLINK_ROUTE, namespace, (socket) => {
    const answer = skipsHeldFrames(new NativeMappedSocket(socket, probe, probe), probe);
    socket.close();
    return answer;
  });
  const kernelRx = planRing({ ...mappedRx, pageSize });
  const kernelTx = planRing({ frameSize: TX_FRAME_SIZE, frameCount: tx.frameCount, pageSize });
  return withSocket(protocol, namespace, (socket) => {
    const mapped = new NativeMappedSocket(socket, kernelRx, kernelTx);
    return new KernelRing(mapped, kernelRx, kernelTx, {
      kind: "kernel-ring",
      reason: skips
        ? "the kernel maps netlink rings"
        : "the kernel maps netlink rings, and stops at held frames as before Linux 4.3: messages are copied on arrival",
      skipsHeldFrames: skips,
    });
  });
}

/** Opens a socket of the addon with the ring that `choice` names. */
export function openNativeTransport(
  request: TransportRequest,
  choice: "auto" | "kernel-ring" | "user-ring",
): Transport {
  let reason = "asked for";
  if (request.ordered && choice === "kernel-ring") {
    throw new TransportError(
      'a kernel ring has messages in the order in which the kernel began to build them: leave "ordered" out, or use transport "auto"',
    );
  }
  if (request.ordered) {
    reason = "messages are wanted in the order of arrival";
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
  return withSocket(request.protocol, request.namespace, (socket) =>
    typed(() => new UserRing(socket, request.rx, request.tx, reason)),
  );
}
