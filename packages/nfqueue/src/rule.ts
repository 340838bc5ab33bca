import type { QueueStatement } from "./rules/expressions.js";
import { checkMatch, type Match } from "./rules/match.js";
import { type InstalledRule, NftablesTable } from "./rules/nftables-table.js";

/** A rule that leads packets into a queue. */
export class Rule {
  /** The nftables table that it lies in, in the families ip and ip6 or in inet. */
  readonly table: string;
  /** True where the kernel removes the rule when the process dies, however it dies; else it goes on dispose and on exit. */
  readonly crashSafe: boolean;
  /** How it queues: nftables' own expression, or the xtables target where the kernel lacks that. */
  readonly statement: QueueStatement;
  readonly #dispose: () => Promise<void>;
  #disposed: Promise<void> | undefined;

  constructor(installed: InstalledRule, dispose: () => Promise<void>) {
    this.table = installed.table;
    this.crashSafe = installed.crashSafe;
    this.statement = installed.statement;
    this.#dispose = dispose;
  }

  /**
   * Deletes the rule. With a queue's last rule everything that waits gets the default verdict, and the table goes; removing it has the
   * kernel drop every packet that waits in any other queue of the namespace.
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

export interface QueueRulesOptions {
  /** Network namespace of the rules: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
}

/**
 * The rules that lead packets into one queue, made and taken away in the order that loses no packet. A queue has its own
 * (`queue.intercept`); alone they serve a queue that another process or program listens on.
 */
export class QueueRules {
  /** Number of the queue that the rules lead to. */
  readonly queue: number;
  readonly #options: QueueRulesOptions;
  readonly #decideWaiting: () => void;
  #table: Promise<NftablesTable> | undefined;

  /**
   * @param decideWaiting called when the last rule went and what it queued is in the queue, before the table goes: whatever is not
   * decided then is dropped by the kernel
   */
  constructor(queue: number, options: QueueRulesOptions = {}, decideWaiting: () => void = () => {}) {
    this.queue = queue;
    this.#options = options;
    this.#decideWaiting = decideWaiting;
  }

  /**
   * Makes a rule that leads matching packets of IPv4 and IPv6 into the queue. Rejects with PermissionError without CAP_NET_ADMIN, and with
   * RuleError where the match or the kernel does not allow it.
   */
  async intercept(match: Match): Promise<Rule> {
    checkMatch(match);
    this.#table ??= NftablesTable.open(this.queue, this.#options);
    const table = await this.#table;
    const installed = await table.add(match);
    return new Rule(installed, async () => {
      await table.delete(installed.chain);
      if (table.size > 0) return;
      await table.settled();
      this.#decideWaiting();
      // A rule that was made meanwhile keeps the table.
      if (table.size === 0) await table.remove();
    });
  }

  /** Deletes every rule; resolves when what they queued is in the queue. */
  async stop(): Promise<void> {
    const table = await this.#table?.catch(() => undefined);
    if (table === undefined || table.size === 0) return;
    await table.deleteAll();
    await table.settled();
  }

  /** Deletes every rule and the table; what still waits in the queue is dropped by the kernel. */
  async close(): Promise<void> {
    const table = await this.#table?.catch(() => undefined);
    if (table === undefined) return;
    try {
      await table.remove();
    } finally {
      await table.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
