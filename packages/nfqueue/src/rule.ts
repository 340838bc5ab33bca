import type { SocketOptions } from "@nlring/netlink";
import type { QueueStatement } from "./rules/expressions.js";
import type { Match } from "./rules/match.js";
import { type InstalledRule, QueueRules } from "./rules/queue-rules.js";

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

/** The rules of one queue, made and taken away in the order that loses no packet. */
export class RuleBook {
  readonly #queue: number;
  readonly #options: Pick<SocketOptions, "namespace">;
  readonly #decideWaiting: () => void;
  #rules: Promise<QueueRules> | undefined;

  constructor(queue: number, options: Pick<SocketOptions, "namespace">, decideWaiting: () => void) {
    this.#queue = queue;
    this.#options = options;
    this.#decideWaiting = decideWaiting;
  }

  async add(match: Match): Promise<Rule> {
    this.#rules ??= QueueRules.open(this.#queue, this.#options);
    const rules = await this.#rules;
    const installed = await rules.add(match);
    return new Rule(installed, async () => {
      await rules.delete(installed.chain);
      if (rules.size > 0) return;
      await rules.settled();
      this.#decideWaiting();
      if (rules.size === 0) await rules.remove();
    });
  }

  /** Deletes every rule; resolves when what they queued is in the queue. */
  async stop(): Promise<void> {
    const rules = await this.#rules;
    if (rules === undefined || rules.size === 0) return;
    await rules.deleteAll();
    await rules.settled();
  }

  /** Removes the table, after what waited was decided. */
  async close(): Promise<void> {
    const rules = await this.#rules?.catch(() => undefined);
    if (rules === undefined) return;
    try {
      await rules.remove();
    } finally {
      await rules.close();
    }
  }
}
