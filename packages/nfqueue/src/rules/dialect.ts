import { KernelError, SystemError } from "@nlring/netlink";
import { PermissionError, RuleError } from "../errors.js";
import {
  NFPROTO_BRIDGE,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
} from "./abi.js";
import type { QueueStatement } from "./expressions.js";

/** What the running kernel takes, found out by asking for the best first. */
export interface Dialect {
  /** The table goes with the socket that made it. */
  readonly owner: boolean;
  readonly statement: QueueStatement;
  /** One table for IPv4 and IPv6, or one for each. */
  readonly families: readonly number[];
  /** Rules count what they queue. */
  readonly counter: boolean;
}

export const BEST_DIALECT: Dialect = {
  owner: true,
  statement: "queue expression",
  families: [NFPROTO_INET],
  counter: true,
};

/** What each expression comes with: an option of the kernel's build, or a version. */
const ORIGINS: ReadonlyMap<string, string> = new Map([
  ["ct", "CONFIG_NFT_CT, for conntrackMark and conntrackState"],
  ["range", "Linux 4.9, for ranges and their negation"],
  ["meta", "CONFIG_NFT_META"],
  ["payload", "CONFIG_NFT_PAYLOAD"],
]);

/**
 * What to ask for after a refusal; undefined where there is nothing simpler, or the refusal has another cause.
 *
 * @param refused names of the expressions that the kernel may have meant
 */
export function simplerDialect(
  dialect: Dialect,
  error: unknown,
  refused: ReadonlySet<string>,
): Dialect | undefined {
  if (!(error instanceof KernelError)) return undefined;
  const { code, requestType } = error;
  const perFamily: Dialect = { ...dialect, families: [NFPROTO_IPV4, NFPROTO_IPV6] };
  const oneTable = dialect.families.length === 1;
  if (requestType === NFT_MSG_NEWTABLE) {
    // Kernels before 5.12 know no owner flag; some know no table for both families.
    if (dialect.owner && (code === "EINVAL" || code === "EOPNOTSUPP")) return { ...dialect, owner: false };
    return code === "EAFNOSUPPORT" && oneTable ? perFamily : undefined;
  }
  if (requestType !== NFT_MSG_NEWRULE || !isMissing(code)) return undefined;
  if (refused.has("queue")) {
    if (dialect.statement === "queue expression") return { ...dialect, statement: "NFQUEUE target" };
    if (oneTable) return perFamily;
  }
  return refused.has("counter") ? { ...dialect, counter: false } : undefined;
}

/** The error for the user: who lacks the privilege, or which part of the kernel is missing. */
export function explainRefusal(
  error: unknown,
  refused: ReadonlySet<string>,
  families: readonly number[],
): unknown {
  if (error instanceof SystemError && error.code === "EMSGSIZE") {
    return new RuleError(
      "the matches do not fit one transaction, which the socket's send buffer bounds: intercept some 200 at once",
      error,
    );
  }
  if (!(error instanceof KernelError)) return error;
  const { code, requestType, message } = error;
  if (code === "EPERM") return new PermissionError("making a rule", error);
  const isBridge = families.includes(NFPROTO_BRIDGE);
  if (requestType === NFT_MSG_NEWTABLE && code === "EAFNOSUPPORT" && isBridge) {
    return new RuleError(`family "bridge": the kernel lacks CONFIG_NF_TABLES_BRIDGE: ${message}`, error);
  }
  if (requestType === NFT_MSG_NEWRULE && isMissing(code)) {
    if (refused.has("queue") && isBridge) {
      return new RuleError(
        `family "bridge": the kernel queues a bridge's frames by nftables' queue expression alone, which it lacks (CONFIG_NFT_QUEUE): ` +
          `intercept with the family "inet" where the host routes, or run a kernel that has it: ${message}`,
        error,
      );
    }
    if (refused.has("queue")) {
      return new RuleError(
        `the kernel can queue neither by nftables' own expression (CONFIG_NFT_QUEUE) nor by the NFQUEUE target ` +
          `(CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE): ${message}`,
        error,
      );
    }
    const origins = [...ORIGINS].filter(([name]) => refused.has(name)).map(([, origin]) => origin);
    if (origins.length > 0) {
      return new RuleError(
        `the match needs what the kernel lacks, ${origins.join("; or ")}: ${message}`,
        error,
      );
    }
  }
  return new RuleError(`the kernel refused the rule: ${message}`, error);
}

function isMissing(code: string): boolean {
  return code === "ENOENT" || code === "EINVAL" || code === "EOPNOTSUPP";
}
