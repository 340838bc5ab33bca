import { NetlinkError, SystemError } from "../errors.js";
import { WRONG_FILTER } from "./filter.js";

/** What the native part tells of a failed system call. */
export interface NativeFailure {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly option: string | undefined;
}

/** The failed system call that an error of the native part tells of; undefined for any other error, this package's own included. */
export function nativeFailure(error: unknown): NativeFailure | undefined {
  if (NetlinkError.isInstance(error)) return undefined;
  if (!(error instanceof Error) || !("code" in error) || !("errno" in error) || !("syscall" in error))
    return undefined;
  const { code, errno, syscall } = error;
  if (typeof code !== "string" || typeof errno !== "number" || typeof syscall !== "string") return undefined;
  const option = "option" in error && typeof error.option === "string" ? error.option : undefined;
  return { code, errno, syscall, option };
}

/** Runs a set-up call of the native part with its system errors turned into this package's. */
export function typed<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const failure = nativeFailure(error);
    if (failure === undefined) throw error;
    const { errno, syscall, option: subject } = failure;
    throw new SystemError(syscall, errno, advice(failure), { subject, cause: error });
  }
}

const NOT_A_NETLINK_SOCKET =
  "the descriptor must be a netlink socket of the protocol that is opened; it stays open, and yours";

/** What to do, by the call or socket option that failed and its error. */
const ADVICE: Readonly<Record<string, string | undefined>> = {
  "socket EPROTONOSUPPORT": "this kernel has no such netlink protocol, or its module is not loaded",
  "SO_DOMAIN EBADF": NOT_A_NETLINK_SOCKET,
  "SO_DOMAIN ENOTSOCK": NOT_A_NETLINK_SOCKET,
  "SO_DOMAIN EAFNOSUPPORT": NOT_A_NETLINK_SOCKET,
  "SO_PROTOCOL EPROTOTYPE": NOT_A_NETLINK_SOCKET,
  "SO_ATTACH_FILTER EINVAL": WRONG_FILTER,
  "SO_ATTACH_FILTER ENOMEM": "the filter is larger than net.core.optmem_max allows: make it shorter",
  "SO_ATTACH_FILTER EPERM": "whoever opened the socket has locked its filter",
  "SO_DETACH_FILTER EPERM": "whoever opened the socket has locked its filter",
  "NETLINK_ADD_MEMBERSHIP EPERM": "joining this group needs CAP_NET_ADMIN",
  "NETLINK_ADD_MEMBERSHIP EINVAL": "the protocol has no multicast group of this number",
  "NETLINK_LISTEN_ALL_NSID EPERM":
    "allNamespaces takes CAP_NET_BROADCAST in the user namespace that owns the socket's network namespace",
  "NETLINK_LISTEN_ALL_NSID ENOPROTOOPT": "allNamespaces takes Linux 4.2: open a socket in each namespace",
  "NETLINK_CAP_ACK ENOPROTOOPT": "shortErrors takes Linux 4.3: leave it out to have it where the kernel can",
  "NETLINK_EXT_ACK ENOPROTOOPT": "extendedAck takes Linux 4.12: leave it out to have it where the kernel can",
  "NETLINK_GET_STRICT_CHK ENOPROTOOPT": "strict takes Linux 4.20: leave it out, and filter what a dump lists",
};

function advice({ code, syscall, option }: NativeFailure): string {
  if (syscall === "open") return "the network namespace cannot be opened: look at its path";
  if (syscall === "setns")
    return "the descriptor must be a network namespace, and entering it takes CAP_SYS_ADMIN";
  return ADVICE[`${option ?? syscall} ${code}`] ?? "";
}
