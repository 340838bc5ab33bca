import { loadNative, type NativeSocket } from "@nlring/native";
import { type RingGeometry, RxRing, ringLength, TxRing } from "@nlring/ring-core";
import { SystemError, TransportError } from "./errors.js";
import type { Transport, TransportRequest } from "./transport.js";

const NO_KERNEL_RING =
  "Linux had memory-mapped netlink from 3.10 to 4.5 (CONFIG_NETLINK_MMAP), for root outside any user namespace";

/** Frames in anonymous memory, filled by one recvmmsg and sent by one gathered sendmsg. */
class UserRing implements Transport {
  readonly kind = "user-ring";
  readonly reason: string;
  readonly portId: number;
  readonly rx: RxRing;
  readonly tx: TxRing;
  readonly #socket: NativeSocket;

  constructor(socket: NativeSocket, rx: RingGeometry, tx: RingGeometry, reason: string) {
    this.#socket = socket;
    this.reason = reason;
    const memory = socket.mapUserRing(rx, tx);
    this.rx = new RxRing(memory, 0, rx);
    this.tx = new TxRing(memory, ringLength(rx), tx);
    this.portId = socket.bind(0, 0);
  }

  get receiveBuffer(): number {
    return this.#socket.receiveBuffer;
  }

  setReceiveBuffer(bytes: number): number {
    return typed(() => this.#socket.setReceiveBuffer(bytes));
  }

  fill(limit: number): number {
    return this.#socket.fill(limit);
  }

  takeCopied(_length: number): Uint8Array | undefined {
    return this.#socket.takeCopied();
  }

  drain(): number {
    return this.#socket.drain();
  }

  send(messages: Uint8Array): number {
    return this.#socket.send(messages);
  }

  drops(): number | undefined {
    try {
      return this.#socket.drops();
    } catch {
      // SO_MEMINFO came with Linux 4.12; without it the number is not known, which is not zero.
      return undefined;
    }
  }

  setOption(level: number, option: number, value: number): void {
    typed(() => this.#socket.setOption(level, option, value));
  }

  addMembership(group: number): void {
    typed(() => this.#socket.addMembership(group));
  }

  dropMembership(group: number): void {
    typed(() => this.#socket.dropMembership(group));
  }

  gracePeriod(): Promise<void> {
    return loadNative().gracePeriod();
  }

  onReadable(callback: () => void): void {
    this.#socket.onReadable(callback);
  }

  resume(): void {
    this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#socket.close();
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

function openSocket({ protocol, namespace }: TransportRequest): NativeSocket {
  const { Socket } = loadNative();
  return typed(() => new Socket(protocol, namespace));
}

/** Tries to map the kernel's own rings on a socket of their own; the reason why not, or undefined where it can. */
function refusedKernelRing(
  request: TransportRequest,
): { error: unknown; code: string; errno: number | undefined } | undefined {
  const probe = openSocket(request);
  try {
    probe.mapKernelRing(request.rx, request.tx);
    return undefined;
  } catch (error) {
    const system = nativeFailure(error);
    return { error, code: system?.code ?? "ERR_TRANSPORT", errno: system?.errno };
  } finally {
    probe.close();
  }
}

/** Opens a socket of the native package with the ring that `choice` names. */
export function openNativeTransport(
  request: TransportRequest,
  choice: "auto" | "kernel-ring" | "user-ring",
): Transport {
  let reason = "asked for";
  if (choice !== "user-ring") {
    const refused = refusedKernelRing(request);
    if (choice === "kernel-ring") {
      if (refused === undefined) {
        throw new TransportError(
          'this kernel maps netlink rings, but this release does not read them yet: use transport "user-ring"',
        );
      }
      throw new TransportError(
        `the kernel refused NETLINK_RX_RING with ${refused.code}. ${NO_KERNEL_RING}. Use transport "auto" or ` +
          '"user-ring", which fill the same ring with one recvmmsg',
        { code: refused.code, errno: refused.errno, syscall: "setsockopt", cause: refused.error },
      );
    }
    reason =
      refused === undefined
        ? "the kernel maps netlink rings, but this release does not read them yet"
        : `the kernel refused NETLINK_RX_RING with ${refused.code}`;
  }
  const socket = openSocket(request);
  try {
    return typed(() => new UserRing(socket, request.rx, request.tx, reason));
  } catch (error) {
    socket.close();
    throw error;
  }
}
