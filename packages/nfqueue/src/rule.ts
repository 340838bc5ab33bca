import type { TransportProvider } from "@nlring/netlink";
import { RuleError } from "./errors.js";
import { checkMatch } from "./rules/check-match.js";
import type { QueueStatement } from "./rules/expressions.js";
import type { Match } from "./rules/match.js";
import type { InstalledRules, RuleCounters } from "./rules/rule-table.js";
import { SharedTable } from "./rules/shared-table.js";

/** What `intercept` made: a rule for each of its matches, that come and go together. */
export class Rule {
  /** The matches, as they were given. */
  readonly matches: readonly Match[];
  /** The nftables table that it lies in, in the families ip and ip6 or in inet. All rules of a process share one. */
  readonly table: string;
  /**
   * True where the kernel removes the rule when the process dies, however it dies; else it goes on dispose and on exit, and one that a
   * killed process left goes at the next `intercept`.
   */
  readonly crashSafe: boolean;
  /** How it queues: nftables' own expression, or the xtables target where the kernel lacks that. */
  readonly statement: QueueStatement;
  readonly #counters: () => Promise<readonly RuleCounters[] | undefined>;
  readonly #dispose: () => Promise<void>;
  #disposed: Promise<void> | undefined;

  constructor(
    matches: readonly Match[],
    installed: InstalledRules,
    counters: () => Promise<readonly RuleCounters[] | undefined>,
    dispose: () => Promise<void>,
  ) {
    this.matches = matches;
    this.table = installed.table;
    this.crashSafe = installed.crashSafe;
    this.statement = installed.statement;
    this.#counters = counters;
    this.#dispose = dispose;
  }

  /**
   * What the kernel counted of each match, in their order: the packets that it led into the queue so far, or to nobody where none listens.
   * Undefined where the kernel has no counters. Rejects with RuleError once the rule is gone.
   */
  counters(): Promise<readonly RuleCounters[] | undefined> {
    return this.#counters();
  }

  /**
   * Deletes the rule. Resolves when no packet comes by it any more; those that it queued are in the queue then, and are decided as any
   * other.
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Where the rules are made. */
export interface QueueRulesOptions {
  /** Network namespace of the rules: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /** A transport of `./testing`, whose rules do nothing; the kernel's where undefined. */
  readonly transport?: TransportProvider | undefined;
  /** False makes rules as on kernels before 5.12, which remove none when a process dies: for tests of what happens then. */
  readonly ownerTable?: boolean | undefined;
}

/**
 * The rules that lead packets into one queue, made and taken away in the order that loses no packet. A queue has its own
 * (`queue.intercept`); alone they serve a queue that another process or program listens on.
 *
 * From its construction to `close` it keeps the table of the process's rules in place, which takes waiting packets with it.
 */
export class QueueRules {
  /** First and last of the queues that the rules lead to: a match without `queues` shares its packets among all of them. */
  readonly queues: readonly [first: number, last: number];
  readonly #table: SharedTable;
  readonly #rules = new Set<InstalledRules>();
  #closed: Promise<void> | undefined;

  /**
   * @param queues number of the queue, or first and last of several: their rules are looked at one after another then, and a packet is queued
   * once, while several QueueRules each see what the one before let go on
   */
  constructor(queues: number | readonly [first: number, last: number], options: QueueRulesOptions = {}) {
    this.queues = typeof queues === "number" ? [queues, queues] : queues;
    this.#table = SharedTable.join(options);
  }

  /**
   * Makes rules that lead packets of IPv4 and IPv6 that fit one of the matches into the queue: all of them in one transaction, or none.
   * Rejects with PermissionError without CAP_NET_ADMIN, and with RuleError where a match or the kernel does not allow it.
   */
  async intercept(...matches: readonly Match[]): Promise<Rule> {
    const checked = matches.map((match) => checkMatch(match, this.queues));
    if (checked.length === 0)
      throw new RuleError('intercept takes a match or more, such as { hook: "input" }');
    if (this.#closed !== undefined) throw new RuleError("the rules of this queue are closed: open it again");
    const installed = await this.#table.add(checked, this.#rules);
    return new Rule(
      matches,
      installed,
      () => this.#count(installed),
      () => this.#table.delete(this.#rules, installed),
    );
  }

  /** Deletes every rule; resolves when what they queued is in the queue. */
  stop(): Promise<void> {
    return this.#table.delete(this.#rules);
  }

  /** Deletes every rule before it returns, for a process that ends: nobody hears whether it failed. */
  stopNow(): void {
    this.#table.deleteNow(this.#rules);
  }

  /**
   * Deletes every rule. With the last queue of the process in this namespace their table goes, and the kernel drops what still waits in any
   * queue there.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #count(installed: InstalledRules): Promise<readonly RuleCounters[] | undefined> {
    if (!this.#rules.has(installed)) throw new RuleError("the rule is gone, and its counters with it");
    return this.#table.counters(installed);
  }

  async #close(): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#table.leave();
    }
  }
}
