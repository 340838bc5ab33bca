import { inspect } from "node:util";
import { RuleError } from "../errors.js";
import { NF_IP_PRI_CONNTRACK } from "./abi.js";
import { checkParts, partConditions } from "./check-parts.js";
import type { CheckedMatch, Condition, IpFamily } from "./condition.js";
import type { Match, MatchFamily, MatchHook } from "./match.js";

const HOOKS: readonly MatchHook[] = ["prerouting", "input", "forward", "output", "postrouting"];
const FAMILIES: readonly MatchFamily[] = ["ip", "ip6", "inet", "bridge"];
const KEYS: readonly string[] = [
  "hook",
  "family",
  "not",
  "priority",
  "bypass",
  "queues",
  "fanout",
] satisfies (keyof Match)[];
/** Priorities at both ends are the kernel's own, as nft has it. */
const PRIORITY_LIMIT = 0x7fff_fffe;

/**
 * Checks a match from a user; `own` are the queues that it may lead to. Throws RuleError: a part that is passed over would queue more than was
 * asked for.
 */
export function checkMatch(match: Match, own: readonly [first: number, last: number]): CheckedMatch {
  if (typeof match !== "object" || match === null) {
    throw new RuleError(`a match is an object such as { hook: "input" }, not ${inspect(match)}`);
  }
  checkParts(match, KEYS, "a match");
  const hook = oneOf("hook", match.hook, HOOKS);
  const named = match.family === undefined ? undefined : oneOf("family", match.family, FAMILIES);
  const positive = partConditions(match, false, undefined);
  const protocol = positive.find((condition) => condition.part === "protocol")?.protocol;
  const conditions = [...positive];
  if (match.not !== undefined) {
    checkParts(match.not, [], '"not"');
    conditions.push(...partConditions(match.not, true, protocol));
  }
  checkInterfaces(hook, conditions);
  const addressFamily = familyOfAddresses(conditions);
  const priority = checkPriority(match.priority ?? 0, hook, conditions);
  const queues = checkQueues(match, own);
  if (match.fanout === true && queues[0] === queues[1]) {
    throw new RuleError('fanout shares packets among several queues: give them as "queues: [first, last]"');
  }
  return {
    hook,
    family: combineFamilies(named, addressFamily),
    bridged: named === "bridge" ? addressFamily : undefined,
    priority,
    conditions,
    bypass: flag("bypass", match.bypass),
    queues,
    fanout: flag("fanout", match.fanout),
  };
}

function oneOf<T extends string>(key: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  const list = allowed.map((one) => `"${one}"`).join(", ");
  const why =
    key === "family" && ["arp", "netdev"].includes(String(value)) ? ": the kernel queues in no other" : "";
  throw new RuleError(`${key} ${inspect(value)}: it takes ${list}${why}`);
}

function flag(key: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== "boolean") {
    throw new RuleError(`${key} ${inspect(value)}: it takes true or false`);
  }
  return value === true;
}

function familyOfAddresses(conditions: readonly Condition[]): IpFamily | undefined {
  let family: IpFamily | undefined;
  for (const condition of conditions) {
    if (condition.part !== "source" && condition.part !== "destination") continue;
    if (family !== undefined && family !== condition.addresses.family) {
      throw new RuleError("IPv4 and IPv6 addresses in one match fit no packet: make two matches of it");
    }
    family = condition.addresses.family;
  }
  return family;
}

function combineFamilies(named: MatchFamily | undefined, addresses: IpFamily | undefined): MatchFamily {
  if (named === "bridge") return named;
  if ((named === "ip" || named === "ip6") && addresses !== undefined && named !== addresses) {
    throw new RuleError(
      `family "${named}" with addresses of ${addresses === "ip" ? "IPv4" : "IPv6"} fits no packet: write family "${addresses}", or leave it out`,
    );
  }
  return addresses ?? named ?? "inet";
}

function checkInterfaces(hook: MatchHook, conditions: readonly Condition[]): void {
  for (const { part } of conditions) {
    if (part === "inputInterface" && (hook === "output" || hook === "postrouting")) {
      throw new RuleError(
        `${part}: on the hook "${hook}" it is not known; it is on prerouting, input and forward`,
      );
    }
    if (part === "outputInterface" && (hook === "input" || hook === "prerouting")) {
      throw new RuleError(
        `${part}: on the hook "${hook}" it is not known; it is on forward, output and postrouting`,
      );
    }
  }
}

function checkPriority(priority: unknown, hook: MatchHook, conditions: readonly Condition[]): number {
  if (typeof priority !== "number" || !Number.isInteger(priority) || Math.abs(priority) > PRIORITY_LIMIT) {
    throw new RuleError(`priority ${inspect(priority)}: it takes a whole number of 32 bits, such as -5`);
  }
  const early = (hook === "prerouting" || hook === "output") && priority <= NF_IP_PRI_CONNTRACK;
  const tracked = conditions.find(({ part }) => part === "conntrackMark" || part === "conntrackState");
  if (early && tracked !== undefined) {
    throw new RuleError(
      `${tracked.part}: at priority ${priority} of "${hook}" no connection is known yet; take one above ${NF_IP_PRI_CONNTRACK}`,
    );
  }
  return priority;
}

function checkQueues(
  { queues }: Match,
  own: readonly [first: number, last: number],
): readonly [first: number, last: number] {
  if (queues === undefined) return own;
  const isRange =
    Array.isArray(queues) &&
    queues.length === 2 &&
    queues.every((number) => Number.isInteger(number) && number >= 0 && number <= 65_535);
  if (!isRange || queues[0] > queues[1]) {
    throw new RuleError(
      `queues ${inspect(queues)}: it takes [first, last], the lower number first, of 0 to 65,535`,
    );
  }
  const [first, last] = queues;
  // The kernel takes their number in 16 bits.
  if (last - first === 65_535)
    throw new RuleError("queues [0, 65535]: 65,535 queues are the most in one rule");
  if (last < own[0] || first > own[1]) {
    const whose = own[0] === own[1] ? `queue ${own[0]}` : `one of queues ${own[0]} to ${own[1]}`;
    throw new RuleError(`queues [${first}, ${last}]: ${whose}, whose rule this is, must be among them`);
  }
  return [first, last];
}
