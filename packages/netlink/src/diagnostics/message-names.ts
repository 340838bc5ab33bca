import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE } from "../abi.js";

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
 * Objects of rtnetlink (include/uapi/linux/rtnetlink.h and the headers of each), four message types to each: the name, the size of the
 * header that its messages have, padded to 4, and which of the four there are.
 */
const ROUTE_OBJECTS: readonly (readonly [name: string, familyHeader: number, verbs: string])[] = [
  ["LINK", 16, "NEW DEL GET SET"],
  ["ADDR", 8, "NEW DEL GET"],
  ["ROUTE", 12, "NEW DEL GET"],
  ["NEIGH", 12, "NEW DEL GET"],
  ["RULE", 12, "NEW DEL GET"],
  ["QDISC", 20, "NEW DEL GET"],
  ["TCLASS", 20, "NEW DEL GET"],
  ["TFILTER", 20, "NEW DEL GET"],
  ["ACTION", 4, "NEW DEL GET"],
  ["PREFIX", 12, "NEW"],
  ["MULTICAST", 8, "GET"],
  ["ANYCAST", 8, "GET"],
  ["NEIGHTBL", 4, "NEW GET SET"],
  ["NDUSEROPT", 16, "NEW"],
  ["ADDRLABEL", 12, "NEW DEL GET"],
  ["DCB", 4, "GET SET"],
  ["NETCONF", 4, "NEW DEL GET"],
  ["MDB", 8, "NEW DEL GET"],
  ["NSID", 4, "NEW DEL GET"],
  ["STATS", 12, "NEW GET SET"],
  ["CACHEREPORT", 4, "NEW"],
  ["CHAIN", 20, "NEW DEL GET"],
  ["NEXTHOP", 8, "NEW DEL GET"],
  ["LINKPROP", 16, "NEW DEL GET"],
  ["VLAN", 8, "NEW DEL GET"],
  ["NEXTHOPBUCKET", 8, "NEW DEL GET"],
  ["TUNNEL", 8, "NEW DEL GET"],
];

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
  const [name, familyHeader, verbs] = object;
  const verb = ROUTE_VERBS[type & 3];
  if (verb === undefined || !verbs.includes(verb)) return { name: `type ${type}`, familyHeader };
  return { name: `RTM_${verb}${name}`, familyHeader };
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
  return {
    name: known === undefined ? `family ${type} command ${command}` : `CTRL_CMD_${known}`,
    familyHeader,
  };
}
