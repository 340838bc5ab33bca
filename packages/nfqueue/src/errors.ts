import { NetlinkError } from "@nlring/netlink";

/** A packet was touched after its verdict. `code` is ERR_PACKET_DECIDED. */
export class PacketDecidedError extends NetlinkError {
  constructor(id: number) {
    super(
      `packet ${id} already has its verdict, and its memory may hold another packet by now: ` +
        "decide once, and copy() what must be kept",
      { code: "ERR_PACKET_DECIDED" },
    );
  }
}

/** A packet that is not all here, for the copy range or its size, cannot get a new payload. `code` is ERR_PACKET_CUT. */
export class PacketCutError extends NetlinkError {
  constructor(id: number, length: number, originalLength: number) {
    const part = length === 0 ? "without its bytes" : `with ${length} of its ${originalLength} bytes`;
    super(
      `packet ${id} came ${part}, and a new payload would take the place of all of them: open the queue with a larger copyRange; ` +
        "65,531 bytes is the most",
      { code: "ERR_PACKET_CUT" },
    );
  }
}

/** A verdict's options make no sense, or not for this packet or queue; the packet is undecided. `code` is ERR_VERDICT_OPTION. */
export class VerdictOptionError extends NetlinkError {
  constructor(reason: string) {
    super(reason, { code: "ERR_VERDICT_OPTION" });
  }
}

/** The process may not use NFQUEUE here. `code` is the kernel's, EPERM. */
export class PermissionError extends NetlinkError {
  constructor(what: string, cause: unknown) {
    super(
      `${what} needs CAP_NET_ADMIN in this network namespace. Run as root or with that capability, or in a namespace of your own: ` +
        "unshare --user --map-root-user --net",
      { code: "EPERM", errno: -1, cause },
    );
  }
}

/** Another socket listens on the queue. `code` is ERR_QUEUE_IN_USE. */
export class QueueInUseError extends NetlinkError {
  constructor(queue: number, cause: unknown) {
    super(
      `queue ${queue} is held by another socket: choose another number, or end the process that holds it ` +
        "(/proc/net/netfilter/nfnetlink_queue names its port)",
      { code: "ERR_QUEUE_IN_USE", errno: -1, cause },
    );
  }
}

/** The kernel has no NFQUEUE, or its module is not loaded. `code` is the kernel's. */
export class QueueUnsupportedError extends NetlinkError {
  constructor(cause: NetlinkError) {
    super(
      `this kernel answers NFQUEUE requests with ${cause.code}: load the module nfnetlink_queue, or run a kernel that has ` +
        "CONFIG_NETFILTER_NETLINK_QUEUE",
      { code: cause.code, errno: cause.errno, cause },
    );
  }
}

/** The kernel cannot do what an option of the queue asks for. `code` is the kernel's. */
export class QueueOptionError extends NetlinkError {
  /** The queue's option. */
  readonly option: string;

  constructor(option: string, kernelOption: string, cause: NetlinkError) {
    super(
      `this kernel answers the queue's option "${option}" with ${cause.code}: leave it out, or run a kernel that has ${kernelOption}`,
      { code: cause.code, errno: cause.errno, cause },
    );
    this.option = option;
  }
}

/**
 * The queue is no longer this socket's: it was unbound, another socket has it, the process lost its privilege, or the socket failed
 * (`cause`). What waited was dropped by the kernel. `code` is ERR_QUEUE_LOST.
 */
export class QueueLostError extends NetlinkError {
  constructor(queue: number, reason: string, cause?: unknown) {
    super(`queue ${queue} is lost: ${reason}; its rules were removed. Open it again`, {
      code: "ERR_QUEUE_LOST",
      cause,
    });
  }
}

/** The queue was closed, by `close()`, by its signal, or by a failure that `cause` holds. `code` is ERR_QUEUE_CLOSED. */
export class QueueClosedError extends NetlinkError {
  constructor(cause?: unknown) {
    super("the queue is closed", { code: "ERR_QUEUE_CLOSED", cause });
  }
}

/** A rule cannot be made as asked. `code` is ERR_RULE, or the kernel's where the kernel refused. */
export class RuleError extends NetlinkError {
  constructor(message: string, cause?: NetlinkError) {
    super(message, { code: cause?.code ?? "ERR_RULE", errno: cause?.errno, cause });
  }
}
