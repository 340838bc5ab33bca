import type { MessageWriter, Outgoing } from "@nlring/netlink";
import { NFNETLINK_V0 } from "../abi.js";
import { NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, NFPROTO_UNSPEC } from "./abi.js";

/** Adds one change to a transaction; `write` writes the attributes. */
export type AddChange = (
  type: number,
  flags: number,
  family: number,
  write: (writer: MessageWriter) => void,
) => void;

/**
 * The messages of one transaction: the kernel makes all changes of it, or none. Only the last is acknowledged, which says it for all: a
 * refusal comes unasked, and the answers to hundreds of changes would not fit the receive buffer.
 */
export function batch(fill: (add: AddChange) => void): Outgoing[] {
  const changes: Outgoing[] = [];
  fill((type, flags, family, write) => {
    changes.push({
      type,
      flags,
      acknowledge: false,
      write: (writer) => {
        writeFamily(writer, family);
        write(writer);
      },
    });
  });
  const last = changes.pop();
  return [
    batchMark(NFNL_MSG_BATCH_BEGIN),
    ...changes,
    ...(last === undefined ? [] : [{ ...last, acknowledge: true }]),
    batchMark(NFNL_MSG_BATCH_END),
  ];
}

/** struct nfgenmsg of everything but the ends of a batch. */
export function writeFamily(writer: MessageWriter, family: number): MessageWriter {
  return writer.uint8(family).uint8(NFNETLINK_V0).uint16Network(0);
}

/** Begin and end of a transaction: struct nfgenmsg with the subsystem as its resource. */
function batchMark(type: number): Outgoing {
  return {
    type,
    acknowledge: false,
    write: (writer) => writer.uint8(NFPROTO_UNSPEC).uint8(NFNETLINK_V0).uint16Network(NFNL_SUBSYS_NFTABLES),
  };
}
