import { errnoName } from "./errno.js";

const MARKER: unique symbol = Symbol.for("@nlring/netlink.NetlinkError");

export interface NetlinkErrorDetails {
  readonly code: string;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly cause?: unknown;
}

/**
 * Every error of this package. `code` is the kernel's name of the error where the kernel said no ("EPERM"), else one
 * of ours, which begin with `ERR_`. `errno` is negative, as in Node's own system errors.
 */
export class NetlinkError extends Error {
  readonly code: string;
  declare readonly errno?: number;
  declare readonly syscall?: string;

  constructor(message: string, details: NetlinkErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    if (details.errno !== undefined) this.errno = details.errno;
    if (details.syscall !== undefined) this.syscall = details.syscall;
    Object.defineProperty(this, MARKER, { value: true });
  }

  /** True for the errors of any copy of this package in the process, where `instanceof` knows only one. */
  static isInstance(value: unknown): value is NetlinkError {
    return typeof value === "object" && value !== null && MARKER in value;
  }
}

export interface KernelErrorDetails {
  readonly errno: number;
  readonly sequence: number;
  readonly requestType: number;
  readonly kernelText?: string | undefined;
  readonly offset?: number | undefined;
}

/** The kernel took a request and answered with an error (NLMSG_ERROR). */
export class KernelError extends NetlinkError {
  declare readonly errno: number;
  /** The sequence number of the request. */
  readonly sequence: number;
  /** nlmsg_type of the request. */
  readonly requestType: number;
  /** What the kernel said in words (extended ACK, Linux 4.12), where it did. */
  readonly kernelText: string | undefined;
  /** Byte offset in the request, its header included, of the attribute that the kernel refused, where it said so. */
  readonly offset: number | undefined;

  constructor(details: KernelErrorDetails) {
    const code = errnoName(details.errno);
    const text = details.kernelText === undefined ? "" : `: ${details.kernelText}`;
    const place = details.offset === undefined ? "" : ` (at byte ${details.offset} of the request)`;
    super(`the kernel answered ${code}${text}${place}`, { code, errno: details.errno });
    this.sequence = details.sequence;
    this.requestType = details.requestType;
    this.kernelText = details.kernelText;
    this.offset = details.offset;
  }
}

/** Received bytes break the format. `code` is ERR_DECODE. */
export class DecodeError extends NetlinkError {
  /** Byte offset of the fault: from the start of the message, or of the bytes where they were read without one. */
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`malformed netlink message: ${reason} (at byte ${offset})`, { code: "ERR_DECODE" });
    this.offset = offset;
  }
}

/** A value does not fit into the message or the filter that is being written. `code` is ERR_ENCODE. */
export class EncodeError extends NetlinkError {
  constructor(reason: string) {
    super(reason, { code: "ERR_ENCODE" });
  }
}

/** The socket was closed, by `close()`, by its signal, or by a failure that `cause` holds. `code` is ERR_SOCKET_CLOSED. */
export class SocketClosedError extends NetlinkError {
  constructor(cause?: unknown) {
    super("the netlink socket is closed", { code: "ERR_SOCKET_CLOSED", cause });
  }
}

/**
 * The kernel handled a request, but its reply found the receive buffer full: whether the request succeeded is
 * unknown. `code` is ERR_REPLY_LOST.
 */
export class ReplyLostError extends NetlinkError {
  constructor(requestType: number) {
    super(
      `the reply to a request of type ${requestType} was lost because the receive buffer was full, so its outcome is ` +
        "unknown: ask the kernel for the state, and open the socket with a larger receiveBuffer",
      { code: "ERR_REPLY_LOST" },
    );
  }
}

/**
 * The state that a dump lists changed while it was listed (NLM_F_DUMP_INTR): items may be missing or seen twice. Rejects when the
 * dump has ended, with everything visited. `code` is ERR_DUMP_INTERRUPTED.
 */
export class DumpInterruptedError extends NetlinkError {
  constructor(requestType: number) {
    super(
      `what a dump of type ${requestType} lists changed meanwhile, so items may be missing or seen twice: forget what was ` +
        "visited and ask again",
      { code: "ERR_DUMP_INTERRUPTED" },
    );
  }
}

/** The transport that was asked for cannot be had. `code` is the kernel's where the kernel refused, else ERR_TRANSPORT. */
export class TransportError extends NetlinkError {
  constructor(message: string, details: Partial<NetlinkErrorDetails> = {}) {
    super(message, { ...details, code: details.code ?? "ERR_TRANSPORT" });
  }
}

/** The socket's one reader is busy: a second `receive` or `take` while one runs. `code` is ERR_BUSY. */
export class BusyError extends NetlinkError {
  constructor(what: string) {
    super(what, { code: "ERR_BUSY" });
  }
}

export interface SystemErrorOptions {
  /** What the call was about, such as the socket option's name. */
  readonly subject?: string | undefined;
  readonly cause?: unknown;
}

/** A system call failed. `code`, `errno` and `syscall` are the system's. */
export class SystemError extends NetlinkError {
  declare readonly errno: number;
  declare readonly syscall: string;

  constructor(syscall: string, errno: number, advice = "", options: SystemErrorOptions = {}) {
    const code = errnoName(errno);
    const subject = options.subject === undefined ? "" : ` ${options.subject}`;
    super(`${syscall}${subject}: ${code}${advice === "" ? "" : `; ${advice}`}`, {
      code,
      errno,
      syscall,
      cause: options.cause,
    });
  }
}
