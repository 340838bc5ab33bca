import { KernelError, type TransportProvider } from "@nlring/netlink";
import { PermissionError } from "./errors.js";
import { HOOK_NUMBERS } from "./rules/chain-pool.js";
import { describeMatch } from "./rules/describe-match.js";
import type { QueueStatement } from "./rules/expressions.js";
import { findLeftovers, removeTables } from "./rules/leftovers.js";
import type { Match, MatchHook } from "./rules/match.js";
import { readBaseChains, readRules, readTables } from "./rules/read-ruleset.js";
import { countersOf, openRuleSocket, type RuleCounters } from "./rules/rule-table.js";
import { isRunning, tableOwner } from "./rules/table-name.js";

/** Whose rules are listed or removed. */
export interface RuleListOptions {
  /** Network namespace: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /** A transport of `./testing`; the kernel's where undefined. */
  readonly transport?: TransportProvider | undefined;
}

/** A rule of this library in the kernel, whichever process made it. */
export interface ListedRule {
  /** The nftables table that it lies in. */
  readonly table: string;
  /** The queue that it leads to, the first of `match.queues` where there are several. */
  readonly queue: number;
  /** What it matches, as it would be given to `intercept`; `family` is always told, and "ip" and "ip6" where a kernel has a table for each. */
  readonly match: Match;
  readonly statement: QueueStatement;
  /** True where the kernel removes it when its process dies. */
  readonly crashSafe: boolean;
  /** Id of the process that made it, in its own pid namespace. */
  readonly processId: number;
  /** False for a rule that a dead process left; undefined where its process cannot be seen from here. */
  readonly processRunning: boolean | undefined;
  /** What it led into its queue so far; undefined where the kernel has no counters. */
  readonly counters: RuleCounters | undefined;
}

/**
 * Every rule of this library in a network namespace, of this process and all others.
 *
 * Rejects with PermissionError without CAP_NET_ADMIN.
 */
export async function listRules(options: RuleListOptions = {}): Promise<ListedRule[]> {
  const socket = await openRuleSocket(options);
  try {
    const isOurs = (_family: number, table: string): boolean => tableOwner(table) !== undefined;
    const tables = await readTables(socket);
    const chains = await readBaseChains(socket, isOurs);
    const listed: ListedRule[] = [];
    for (const { family, table, chain, expressions } of await readRules(socket, isOurs)) {
      const owner = tableOwner(table);
      const place = chains.find((one) => one.family === family && one.table === table && one.name === chain);
      const queued = expressions.find((expression) => expression.name === "queue");
      const hook = hookName(place?.hook);
      // A chain that was made since, or a rule that somebody else put there.
      if (owner === undefined || place === undefined || queued === undefined || hook === undefined) continue;
      listed.push({
        table,
        queue: queued.target.first,
        match: describeMatch({ hook, priority: place.priority, tableFamily: family }, expressions),
        statement: queued.statement,
        crashSafe: tables.some((one) => one.family === family && one.name === table && one.owned),
        processId: owner.processId,
        processRunning: isRunning(owner),
        counters: countersOf(expressions),
      });
    }
    return listed;
  } catch (error) {
    throw explain(error, "listing rules");
  } finally {
    await socket.close();
  }
}

/**
 * Removes the tables that dead processes left in a network namespace, where the kernel has no owner tables and they did not get to it
 * themselves, and resolves with their names. The kernel drops every packet that waits in any queue of the namespace then. `intercept` does
 * it without that: it deletes the rules at once, and the empty tables with its own.
 *
 * Rejects with PermissionError without CAP_NET_ADMIN.
 */
export async function removeLeftovers(options: RuleListOptions = {}): Promise<string[]> {
  const socket = await openRuleSocket(options);
  try {
    const tables = await findLeftovers(socket);
    await removeTables(socket, tables);
    return [...new Set(tables.map(({ name }) => name))];
  } catch (error) {
    throw explain(error, "removing rules");
  } finally {
    await socket.close();
  }
}

function hookName(number: number | undefined): MatchHook | undefined {
  const names: MatchHook[] = ["prerouting", "input", "forward", "output", "postrouting"];
  return names.find((name) => HOOK_NUMBERS[name] === number);
}

function explain(error: unknown, what: string): unknown {
  return error instanceof KernelError && error.code === "EPERM" ? new PermissionError(what, error) : error;
}
