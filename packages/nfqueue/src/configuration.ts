import { KernelError, type MessageWriter, type NetlinkSocket, type Outgoing } from "@nlring/netlink";
import {
  AF_UNSPEC,
  MESSAGE_CONFIG,
  MESSAGE_VERDICT_BATCH,
  NFNETLINK_V0,
  NFQA_CFG_CMD,
  NFQA_CFG_F_CONNTRACK,
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_F_GSO,
  NFQA_CFG_F_SECCTX,
  NFQA_CFG_F_UID_GID,
  NFQA_CFG_FLAGS,
  NFQA_CFG_MASK,
  NFQA_CFG_PARAMS,
  NFQA_CFG_QUEUE_MAXLEN,
  NFQA_VERDICT_HDR,
  NFQNL_CFG_CMD_BIND,
  NFQNL_CFG_CMD_PF_BIND,
  NFQNL_CFG_CMD_UNBIND,
  NFQNL_COPY_META,
  NFQNL_COPY_PACKET,
} from "./abi.js";
import { PermissionError, QueueInUseError, QueueOptionError, QueueUnsupportedError } from "./errors.js";

export interface QueueConfiguration {
  readonly copyRange: number;
  readonly queueMaxLength: number;
  readonly gso: boolean;
  readonly failOpen: boolean;
  readonly conntrack: boolean;
  readonly uidGid: boolean;
  readonly securityContext: boolean;
}

/** A flag of a queue, and what a kernel needs for it. */
const FLAGS = [
  { option: "failOpen", flag: NFQA_CFG_F_FAIL_OPEN, kernelOption: "Linux 3.6" },
  {
    option: "conntrack",
    flag: NFQA_CFG_F_CONNTRACK,
    kernelOption: "CONFIG_NETFILTER_NETLINK_GLUE_CT with CONFIG_NF_CT_NETLINK (nf_conntrack_netlink)",
  },
  { option: "gso", flag: NFQA_CFG_F_GSO, kernelOption: "Linux 3.10" },
  { option: "uidGid", flag: NFQA_CFG_F_UID_GID, kernelOption: "Linux 3.14" },
  {
    option: "securityContext",
    flag: NFQA_CFG_F_SECCTX,
    kernelOption: "CONFIG_NETWORK_SECMARK (Linux 4.3)",
  },
] as const;

/** struct nfgenmsg: family, version, queue number. */
export function writeQueueHeader(writer: MessageWriter, queue: number): MessageWriter {
  return writer.uint8(AF_UNSPEC).uint8(NFNETLINK_V0).uint16Network(queue);
}

/** struct nfqnl_msg_config_cmd: command, padding, protocol family. */
function writeCommand(writer: MessageWriter, command: number): void {
  writer.attribute(NFQA_CFG_CMD, 4).uint8(command).uint8(0).uint16Network(0);
}

function writeCopyRange(writer: MessageWriter, bytes: number): void {
  // A range of 0 in packet mode would mean everything; metadata alone is a mode of its own.
  writer
    .attribute(NFQA_CFG_PARAMS, 5)
    .uint32Network(bytes)
    .uint8(bytes === 0 ? NFQNL_COPY_META : NFQNL_COPY_PACKET)
    .pad();
}

function writeFlags(writer: MessageWriter, mask: number, flags: number): void {
  writer.attributeUint32Network(NFQA_CFG_MASK, mask).attributeUint32Network(NFQA_CFG_FLAGS, flags);
}

/** Binds the queue to the socket and configures it, in one message: no packet is queued half configured. */
export async function bindQueue(
  socket: NetlinkSocket,
  queue: number,
  configuration: QueueConfiguration,
): Promise<void> {
  let flags = 0;
  for (const { option, flag } of FLAGS) if (configuration[option]) flags |= flag;
  try {
    await socket.request({
      type: MESSAGE_CONFIG,
      write: (writer) => {
        writeQueueHeader(writer, queue);
        writeCommand(writer, NFQNL_CFG_CMD_BIND);
        writeCopyRange(writer, configuration.copyRange);
        writer.attributeUint32Network(NFQA_CFG_QUEUE_MAXLEN, configuration.queueMaxLength);
        // A new queue has no flag set, so those that are wanted are all that change.
        writeFlags(writer, flags, flags);
      },
    });
  } catch (error) {
    throw (
      (await findRefusedFlag(socket, queue, flags, error)) ?? (await explainBindError(socket, queue, error))
    );
  }
}

/** Has the kernel copy so many bytes of each packet that it queues from now on; 0 is metadata alone. */
export async function changeCopyRange(socket: NetlinkSocket, queue: number, bytes: number): Promise<void> {
  await socket.request({
    type: MESSAGE_CONFIG,
    write: (writer) => writeCopyRange(writeQueueHeader(writer, queue), bytes),
  });
}

/** Has the kernel keep so many packets waiting at the most. Those that wait already stay. */
export async function changeMaxLength(socket: NetlinkSocket, queue: number, packets: number): Promise<void> {
  await socket.request({
    type: MESSAGE_CONFIG,
    write: (writer) => {
      writeQueueHeader(writer, queue).attributeUint32Network(NFQA_CFG_QUEUE_MAXLEN, packets);
    },
  });
}

/**
 * Which flag a refused bind was refused for, found by asking for each alone: the kernel looks at the flags before it looks for the queue. (Those
 * before Linux 4.4 bound it first; it is this socket's then, which is about to close.)
 */
async function findRefusedFlag(
  socket: NetlinkSocket,
  queue: number,
  flags: number,
  error: unknown,
): Promise<QueueOptionError | undefined> {
  if (!(error instanceof KernelError) || (error.code !== "EOPNOTSUPP" && error.code !== "EINVAL"))
    return undefined;
  for (const { option, flag, kernelOption } of FLAGS) {
    if ((flags & flag) === 0) continue;
    const answer = await socket
      .request({
        type: MESSAGE_CONFIG,
        write: (writer) => writeFlags(writeQueueHeader(writer, queue), flag, flag),
      })
      .then(
        () => undefined,
        (refused: unknown) => refused,
      );
    // A kernel without NFQUEUE refuses everything alike: that is for the next to explain.
    if (answer instanceof KernelError && answer.code === error.code && (await hasQueues(socket, queue)))
      return new QueueOptionError(option, kernelOption, answer);
  }
  return undefined;
}

async function hasQueues(socket: NetlinkSocket, queue: number): Promise<boolean> {
  try {
    await socket.request(bindFamilyRequest(queue));
    return true;
  } catch {
    return false;
  }
}

/** PF_BIND, which does nothing since Linux 3.8 but check that there are queues, and the privilege. */
function bindFamilyRequest(queue: number): Outgoing {
  return {
    type: MESSAGE_CONFIG,
    write: (writer) => writeCommand(writeQueueHeader(writer, queue), NFQNL_CFG_CMD_PF_BIND),
  };
}

/** EPERM on bind means one of two things, which PF_BIND tells apart. */
async function explainBindError(socket: NetlinkSocket, queue: number, error: unknown): Promise<unknown> {
  if (!(error instanceof KernelError)) return error;
  if (error.code === "EBUSY") return new QueueInUseError(queue, error);
  if (error.code === "EPERM") {
    try {
      await socket.request(bindFamilyRequest(queue));
    } catch {
      return new PermissionError(`listening on queue ${queue}`, error);
    }
    return new QueueInUseError(queue, error);
  }
  // nfnetlink answers a subsystem it does not know with EINVAL before Linux 4.12 and EOPNOTSUPP in between.
  if (error.code === "EINVAL" || error.code === "EOPNOTSUPP") return new QueueUnsupportedError(error);
  return error;
}

/** Gives `verdict` to everything that still waits, and unbinds the queue, in one send. */
export function unbindRequests(queue: number, verdict: number, lastId: number): Outgoing[] {
  return [
    {
      type: MESSAGE_VERDICT_BATCH,
      acknowledge: false,
      write: (writer) => {
        writeQueueHeader(writer, queue);
        // Ids are compared as a signed difference, so this one is behind every id that can wait.
        writer
          .attribute(NFQA_VERDICT_HDR, 8)
          .uint32Network(verdict)
          .uint32Network((lastId + 0x3fff_ffff) >>> 0);
      },
    },
    {
      type: MESSAGE_CONFIG,
      write: (writer) => writeCommand(writeQueueHeader(writer, queue), NFQNL_CFG_CMD_UNBIND),
    },
  ];
}
