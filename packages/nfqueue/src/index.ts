export {
  PacketCutError,
  PacketDecidedError,
  PermissionError,
  QueueClosedError,
  QueueInUseError,
  QueueLostError,
  QueueOptionError,
  QueueUnsupportedError,
  RuleError,
  VerdictOptionError,
} from "./errors.js";
export { InterfaceNames, type InterfaceNamesOptions } from "./interface-names.js";
export type { KernelStatistics } from "./kernel-statistics.js";
export { type ListedRule, listRules, type RuleListOptions, removeLeftovers } from "./list-rules.js";
export type { LossReport } from "./loss-report.js";
export type { Conntrack, ConntrackTranslation } from "./packet/conntrack.js";
export type { ConntrackInfo, ConntrackStatus, ConntrackTcpState } from "./packet/conntrack-names.js";
export type {
  ConntrackCounters,
  ConntrackTcp,
  ConntrackTimestamps,
  ConntrackTuple,
} from "./packet/conntrack-schema.js";
export type { Family, Hook, PacketAttributes } from "./packet/packet-attributes.js";
export type { Vlan } from "./packet/vlan.js";
export type { Packet, Verdict } from "./packet.js";
export { NfQueue } from "./queue.js";
export type { PacketHandler, QueueEvents, QueueOptions, QueueStatistics } from "./queue-options.js";
export { QueueRules, type QueueRulesOptions, type Rule } from "./rule.js";
export type { QueueStatement } from "./rules/expressions.js";
export type {
  AddressMatch,
  ConntrackState,
  MarkMatch,
  Match,
  MatchFamily,
  MatchHook,
  MatchParts,
  PortMatch,
  ProtocolName,
} from "./rules/match.js";
export type { RuleCounters } from "./rules/rule-table.js";
export type { RequeueOptions, VerdictOptions, VlanVerdict } from "./verdict.js";
