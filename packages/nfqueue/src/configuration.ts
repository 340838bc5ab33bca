import { KernelError, type MessageWriter, type NetlinkSocket, type Outgoing } from "@nlring/netlink";
import {
  AF_UNSPEC,
  MESSAGE_CONFIG,
  MESSAGE_VERDICT_BATCH,
  NFNETLINK_V0,
  NFQA_CFG_CMD,
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_F_GSO,
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
import { PermissionError, QueueInUseError, QueueUnsupportedError } from "./errors.js";

export interface QueueConfiguration {
  readonly copyRange: number;
  readonly queueMaxLength: number;
  readonly gso: boolean;
  readonly failOpen: boolean;
}

/** struct nfgenmsg: family, version, queue number. */
export function writeQueueHeader(writer: MessageWriter, queue: number): MessageWriter {
  return writer.uint8(AF_UNSPEC).uint8(NFNETLINK_V0).uint16Network(queue);
}

/** struct nfqnl_msg_config_cmd: command, padding, protocol family. */
function writeCommand(writer: MessageWriter, command: number): void {
  writer.attribute(NFQA_CFG_CMD, 4).uint8(command).uint8(0).uint16Network(0);
}

/** Binds the queue to the socket and configures it, in one message: no packet is queued half configured. */
export async function bindQueue(
  socket: NetlinkSocket,
  queue: number,
  configuration: QueueConfiguration,
): Promise<void> {
  const { copyRange, queueMaxLength, gso, failOpen } = configuration;
  try {
    await socket.request({
      type: MESSAGE_CONFIG,
      write: (writer) => {
        writeQueueHeader(writer, queue);
        writeCommand(writer, NFQNL_CFG_CMD_BIND);
        // A range of 0 in packet mode would mean everything; metadata alone is a mode of its own.
        writer
          .attribute(NFQA_CFG_PARAMS, 5)
          .uint32Network(copyRange)
          .uint8(copyRange === 0 ? NFQNL_COPY_META : NFQNL_COPY_PACKET)
          .pad();
        writer.attributeUint32Network(NFQA_CFG_QUEUE_MAXLEN, queueMaxLength);
        writer.attributeUint32Network(NFQA_CFG_MASK, NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN);
        writer.attributeUint32Network(
          NFQA_CFG_FLAGS,
          (gso ? NFQA_CFG_F_GSO : 0) | (failOpen ? NFQA_CFG_F_FAIL_OPEN : 0),
        );
      },
    });
  } catch (error) {
    throw await explainBindError(socket, queue, error);
  }
}

/** EPERM on bind means one of two things; PF_BIND, which does nothing since Linux 3.8, still checks the privilege alone. */
async function explainBindError(socket: NetlinkSocket, queue: number, error: unknown): Promise<unknown> {
  if (!(error instanceof KernelError)) return error;
  if (error.code === "EBUSY") return new QueueInUseError(queue, error);
  if (error.code === "EPERM") {
    try {
      await socket.request({
        type: MESSAGE_CONFIG,
        write: (writer) => writeCommand(writeQueueHeader(writer, queue), NFQNL_CFG_CMD_PF_BIND),
      });
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
