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
export type { KernelStatistics } from "./kernel-statistics.js";
export type { LossReport } from "./loss-report.js";
export type { Family, Hook, Packet, Verdict } from "./packet.js";
export { NfQueue } from "./queue.js";
export type { PacketHandler, QueueEvents, QueueOptions, QueueStatistics } from "./queue-options.js";
export { QueueRules, type QueueRulesOptions, type Rule } from "./rule.js";
export type { QueueStatement } from "./rules/expressions.js";
export type { Match } from "./rules/match.js";
export type { RequeueOptions, VerdictOptions, VlanVerdict } from "./verdict.js";
