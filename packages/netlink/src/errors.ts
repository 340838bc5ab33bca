import { errnoName } from "./errno.js";
import type { AttributePolicy } from "./message/attribute-policy.js";

const MARKER: unique symbol = Symbol.for("@nlring/netlink.NetlinkError");

/** What a NetlinkError is made of. */
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

/** An attribute that the kernel needs and did not get. */
export interface MissingAttribute {
  /** nla_type. */
  readonly type: number;
  /** Where the nest starts that lacks it, in bytes from the start of the request; undefined outside of all nests. */
  readonly nestOffset: number | undefined;
  /** Its name, with those of the nests it belongs to, where the request was made by a schema that knows them. */
  readonly path: string | undefined;
}

/** What a KernelError is made of. */
export interface KernelErrorDetails {
  readonly errno: number;
  readonly sequence: number;
  readonly requestType: number;
  readonly kernelText?: string | undefined;
  readonly offset?: number | undefined;
  readonly path?: string | undefined;
  readonly missing?: MissingAttribute | undefined;
  readonly policy?: AttributePolicy | undefined;
  readonly cookie?: Uint8Array | undefined;
}

/** The kernel took a request and answered with an error (NLMSG_ERROR, or NLMSG_DONE at the end of a dump). */
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
  /** The attribute or header field at `offset` by name, such as "linkInfo.kind", where a schema made the request. */
  readonly path: string | undefined;
  /** What the kernel needs and did not get, where it said so (Linux 6.1). */
  readonly missing: MissingAttribute | undefined;
  /** What the kernel accepts in place of the attribute it refused, where it said so (Linux 5.10). */
  readonly policy: AttributePolicy | undefined;
  /** Bytes that belong to the request, as its subsystem means them. */
  readonly cookie: Uint8Array | undefined;

  constructor(details: KernelErrorDetails) {
    const { errno, kernelText, offset, path, missing } = details;
    const code = errnoName(errno);
    const text = kernelText === undefined ? "" : `: ${kernelText}`;
    let place = "";
    if (path !== undefined) place = ` (about ${path})`;
    else if (offset !== undefined) place = ` (at byte ${offset} of the request)`;
    let lack = "";
    if (missing !== undefined) lack = ` (missing: ${missing.path ?? `attribute ${missing.type}`})`;
    super(`the kernel answered ${code}${text}${place}${lack}`, { code, errno });
    this.sequence = details.sequence;
    this.requestType = details.requestType;
    this.kernelText = kernelText;
    this.offset = offset;
    this.path = path;
    this.missing = missing;
    this.policy = details.policy;
    this.cookie = details.cookie;
  }
}

/** Received bytes break the format. `code` is ERR_DECODE. */
export class DecodeError extends NetlinkError {
  /** Byte offset of the fault: from the start of the message, or of the bytes where they were read without one. */
  readonly offset: number;
  /** Names of the attribute or field from the outermost inwards, such as "linkInfo.data.id", where a schema knows them. */
  declare readonly path?: string;

  constructor(reason: string, offset: number, path?: string) {
    const place = path === undefined ? "" : ` in ${path}`;
    super(`malformed netlink message: ${reason}${place} (at byte ${offset})`, { code: "ERR_DECODE" });
    this.offset = offset;
    if (path !== undefined) this.path = path;
  }
}

/** A value does not fit into the message or the filter that is being written. `code` is ERR_ENCODE. */
export class EncodeError extends NetlinkError {
  /** Names of the attribute or field from the outermost inwards, such as "linkInfo.data.id", where a schema is written by. */
  declare readonly path?: string;

  constructor(reason: string, path?: string) {
    super(path === undefined ? reason : `${path}: ${reason}`, { code: "ERR_ENCODE" });
    if (path !== undefined) this.path = path;
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
 * The state that a dump lists changed while it was listed (NLM_F_DUMP_INTR), as often as it was tried: items may be missing or there
 * twice. `code` is ERR_DUMP_INTERRUPTED.
 */
export class DumpInterruptedError extends NetlinkError {
  /** What came in the last attempt and was not handed out before. */
  readonly items: readonly unknown[];

  constructor(requestType: number, items: readonly unknown[] = []) {
    super(
      `what a dump of type ${requestType} lists changed meanwhile, so items may be missing or there twice: ask again, with more ` +
        "retries, or make do with what came",
      { code: "ERR_DUMP_INTERRUPTED" },
    );
    this.items = items;
  }
}

/** A request was not answered, or a dump not ended, within its `timeout`. Its outcome is unknown. `code` is ERR_TIMEOUT. */
export class TimeoutError extends NetlinkError {
  constructor(milliseconds: number) {
    super(
      `no answer within ${milliseconds} ms, so the outcome is unknown: ask the kernel for the state, or allow more time`,
      {
        code: "ERR_TIMEOUT",
      },
    );
  }
}

/** The kernel acknowledged a request without the one reply that was expected. `code` is ERR_NO_REPLY, or ERR_MANY_REPLIES. */
export class ReplyCountError extends NetlinkError {
  constructor(requestType: number, replies: number) {
    const [what, code] =
      replies === 0
        ? ["the kernel acknowledged it without a reply: ask for its ACK alone", "ERR_NO_REPLY"]
        : ["more than one reply came: ask with dump(), or visit them", "ERR_MANY_REPLIES"];
    super(`a request of type ${requestType} was to have one reply, and ${what}`, { code });
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

/** What a SystemError says beside the call and its number. */
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
