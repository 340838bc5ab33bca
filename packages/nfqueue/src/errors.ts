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
