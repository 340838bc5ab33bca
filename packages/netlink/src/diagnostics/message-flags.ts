import { NETLINK_GENERIC, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR } from "../abi.js";

type FlagNames = readonly (readonly [flag: number, name: string])[];

/** Flags of every message (include/uapi/linux/netlink.h). */
const COMMON: FlagNames = [
  [0x01, "REQUEST"],
  [0x02, "MULTI"],
  [0x04, "ACK"],
  [0x08, "ECHO"],
  [0x10, "DUMP_INTR"],
  [0x20, "DUMP_FILTERED"],
];

// The bits from 0x100 mean something else in each of these.
const OF_GET: FlagNames = [
  [0x300, "DUMP"],
  [0x100, "ROOT"],
  [0x200, "MATCH"],
  [0x400, "ATOMIC"],
];
const OF_NEW: FlagNames = [
  [0x100, "REPLACE"],
  [0x200, "EXCL"],
  [0x400, "CREATE"],
  [0x800, "APPEND"],
];
const OF_DELETE: FlagNames = [
  [0x100, "NONREC"],
  [0x200, "BULK"],
];
const OF_ACKNOWLEDGEMENT: FlagNames = [
  [0x100, "CAPPED"],
  [0x200, "ACK_TLVS"],
];

/**
 * Flags of a message by name without NLM_F_, joined by "|"; those without a name as one hexadecimal number, and "none" where there are none.
 *
 * @param kind the message's own name, which tells what its upper bits mean
 */
export function flagNames(flags: number, protocol: number, type: number, kind: string): string {
  const names: string[] = [];
  let left = flags;
  for (const [flag, name] of [...COMMON, ...upperFlags(flags, protocol, type, kind)]) {
    if ((left & flag) !== flag) continue;
    names.push(name);
    left &= ~flag;
  }
  if (left !== 0) names.push(`0x${left.toString(16)}`);
  return names.length === 0 ? "none" : names.join("|");
}

function upperFlags(flags: number, protocol: number, type: number, kind: string): FlagNames {
  if (type === NLMSG_ERROR || type === NLMSG_DONE) return OF_ACKNOWLEDGEMENT;
  if (/(_|^RTM_)GET/.test(kind)) return OF_GET;
  if (/_DEL|_DESTROY/.test(kind)) return OF_DELETE;
  if (/_(NEW|SET|CREATE|ADD)/.test(kind)) return OF_NEW;
  // Generic netlink takes both bits for a dump whatever the command is.
  if (protocol === NETLINK_GENERIC && (flags & NLM_F_DUMP) === NLM_F_DUMP) return OF_GET;
  return [];
}
