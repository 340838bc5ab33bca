import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE } from "./abi.js";

/** Names of the netlink protocols (include/uapi/linux/netlink.h), in lower case without their prefix. */
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [NETLINK_ROUTE, "route"],
  [2, "usersock"],
  [4, "sock_diag"],
  [6, "xfrm"],
  [7, "selinux"],
  [8, "iscsi"],
  [9, "audit"],
  [10, "fib_lookup"],
  [11, "connector"],
  [NETLINK_NETFILTER, "netfilter"],
  [15, "kobject_uevent"],
  [NETLINK_GENERIC, "generic"],
  [18, "scsitransport"],
  [19, "ecryptfs"],
  [20, "rdma"],
  [21, "crypto"],
  [22, "smc"],
]);

/** The name of a netlink protocol, such as "route"; its number where it has none here. */
export function protocolName(protocol: number): string {
  return PROTOCOLS.get(protocol) ?? String(protocol);
}

/** What a message type means. */
export interface MessageKind {
  /** As the kernel spells it, or the number. */
  readonly name: string;
  /** Bytes of the family's own header between the message header and the attributes; undefined where that is not known. */
  readonly familyHeader: number | undefined;
}

/** Types below 16 mean the same in every protocol. */
const CONTROL: readonly string[] = ["", "NLMSG_NOOP", "NLMSG_ERROR", "NLMSG_DONE", "NLMSG_OVERRUN"];

const FIRST_ROUTE_TYPE = 16;

/**
 * Objects of rtnetlink (include/uapi/linux/rtnetlink.h and the headers of each), four types to each in this order: the name behind NEW, DEL,
 * GET and SET, and the size of the header, padded to 4.
 */
const ROUTE_OBJECTS: readonly (readonly [string, number])[] = [
  ["LINK", 16],
  ["ADDR", 8],
  ["ROUTE", 12],
  ["NEIGH", 12],
  ["RULE", 12],
  ["QDISC", 20],
  ["TCLASS", 20],
  ["TFILTER", 20],
  ["ACTION", 4],
  ["PREFIX", 12],
  ["MULTICAST", 8],
  ["ANYCAST", 8],
  ["NEIGHTBL", 4],
  ["NDUSEROPT", 16],
  ["ADDRLABEL", 12],
  ["DCB", 4],
  ["NETCONF", 4],
  ["MDB", 8],
  ["NSID", 4],
  ["STATS", 12],
  ["CACHEREPORT", 4],
  ["CHAIN", 20],
  ["NEXTHOP", 8],
  ["LINKPROP", 16],
  ["VLAN", 8],
  ["NEXTHOPBUCKET", 8],
  ["TUNNEL", 8],
];
// MULTICAST and ANYCAST stand two rows up from where counting in fours puts them: 58 and 62 are their GETs, and 56 and 60 their rows.

const ROUTE_VERBS: readonly string[] = ["NEW", "DEL", "GET", "SET"];

interface Subsystem {
  readonly name: string;
  /** What comes before every message's name. */
  readonly prefix: string;
  readonly messages: readonly string[];
}

function subsystem(name: string, prefix: string, messages: string): Subsystem {
  return { name, prefix, messages: messages.split(" ") };
}

/** Subsystems of nfnetlink by number (include/uapi/linux/netfilter/nfnetlink.h), and their messages in order (the headers of each). */
const SUBSYSTEMS: readonly Subsystem[] = [
  subsystem("none", "NFNL_MSG_", ""),
  subsystem(
    "ctnetlink",
    "IPCTNL_MSG_CT_",
    "NEW GET DELETE GET_CTRZERO GET_STATS_CPU GET_STATS GET_DYING GET_UNCONFIRMED",
  ),
  subsystem("ctnetlink_exp", "IPCTNL_MSG_EXP_", "NEW GET DELETE GET_STATS_CPU"),
  subsystem("queue", "NFQNL_MSG_", "PACKET VERDICT CONFIG VERDICT_BATCH"),
  subsystem("ulog", "NFULNL_MSG_", "PACKET CONFIG"),
  subsystem("osf", "OSF_MSG_", "ADD REMOVE"),
  subsystem(
    "ipset",
    "IPSET_CMD_",
    "NONE PROTOCOL CREATE DESTROY FLUSH RENAME SWAP LIST SAVE ADD DEL TEST HEADER TYPE GET_BYNAME GET_BYINDEX",
  ),
  subsystem("acct", "NFNL_MSG_ACCT_", "NEW GET GET_CTRZERO DEL OVERQUOTA"),
  subsystem("cttimeout", "IPCTNL_MSG_TIMEOUT_", "NEW GET DELETE DEFAULT_SET DEFAULT_GET"),
  subsystem("cthelper", "NFNL_MSG_CTHELPER_", "NEW GET DEL"),
  subsystem(
    "nftables",
    "NFT_MSG_",
    "NEWTABLE GETTABLE DELTABLE NEWCHAIN GETCHAIN DELCHAIN NEWRULE GETRULE DELRULE NEWSET GETSET DELSET NEWSETELEM " +
      "GETSETELEM DELSETELEM NEWGEN GETGEN TRACE NEWOBJ GETOBJ DELOBJ GETOBJ_RESET NEWFLOWTABLE GETFLOWTABLE " +
      "DELFLOWTABLE GETRULE_RESET DESTROYTABLE DESTROYCHAIN DESTROYRULE DESTROYSET DESTROYSETELEM DESTROYOBJ " +
      "DESTROYFLOWTABLE GETSETELEM_RESET",
  ),
  subsystem("nft_compat", "NFNL_MSG_COMPAT_", "GET"),
  subsystem("hook", "NFNL_MSG_HOOK_", "GET"),
];

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFGENMSG_LENGTH = 4;

const GENL_ID_CTRL = 16;
const GENLMSGHDR_LENGTH = 4;
/** Commands of the controller, the only family of generic netlink whose number is fixed (include/uapi/linux/genetlink.h). */
const CONTROLLER_COMMANDS: readonly string[] = [
  "UNSPEC",
  "NEWFAMILY",
  "DELFAMILY",
  "GETFAMILY",
  "NEWOPS",
  "DELOPS",
  "GETOPS",
  "NEWMCAST_GRP",
  "DELMCAST_GRP",
  "GETMCAST_GRP",
  "GETPOLICY",
];

/**
 * What a message of a protocol is.
 *
 * @param command the first byte behind the message header, where there is one: generic netlink has its commands there
 */
export function messageKind(protocol: number, type: number, command: number | undefined): MessageKind {
  const control = CONTROL[type];
  if (control !== undefined && control !== "") return { name: control, familyHeader: undefined };
  if (protocol === NETLINK_ROUTE) return routeKind(type);
  if (protocol === NETLINK_NETFILTER) return netfilterKind(type);
  if (protocol === NETLINK_GENERIC) return genericKind(type, command);
  return { name: `type ${type}`, familyHeader: undefined };
}

function routeKind(type: number): MessageKind {
  const object = type < FIRST_ROUTE_TYPE ? undefined : ROUTE_OBJECTS[(type - FIRST_ROUTE_TYPE) >> 2];
  if (object === undefined) return { name: `type ${type}`, familyHeader: undefined };
  const [name, familyHeader] = object;
  return { name: `RTM_${ROUTE_VERBS[type & 3] ?? ""}${name}`, familyHeader };
}

function netfilterKind(type: number): MessageKind {
  const familyHeader = NFGENMSG_LENGTH;
  if (type === NFNL_MSG_BATCH_BEGIN) return { name: "NFNL_MSG_BATCH_BEGIN", familyHeader };
  if (type === NFNL_MSG_BATCH_END) return { name: "NFNL_MSG_BATCH_END", familyHeader };
  const found = SUBSYSTEMS[type >> 8];
  const message = found?.messages[type & 0xff];
  if (found !== undefined && message !== undefined && message !== "") {
    return { name: found.prefix + message, familyHeader };
  }
  return { name: `${found?.name ?? `subsystem ${type >> 8}`} message ${type & 0xff}`, familyHeader };
}

function genericKind(type: number, command: number | undefined): MessageKind {
  const familyHeader = GENLMSGHDR_LENGTH;
  if (command === undefined) return { name: `family ${type}`, familyHeader };
  const known = type === GENL_ID_CTRL ? CONTROLLER_COMMANDS[command] : undefined;
  return { name: known === undefined ? `family ${type} command ${command}` : `CTRL_CMD_${known}`, familyHeader };
}
