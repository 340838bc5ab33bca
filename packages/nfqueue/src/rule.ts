import type { TransportProvider } from "@nlring/netlink";
import { RuleError } from "./errors.js";
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
  /** A transport of `./testing`, whose rules do nothing; the kernel's where undefined. */
  readonly transport?: TransportProvider | undefined;
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
  #table: NftablesTable | undefined;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

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
    const checked = checkMatch(match);
    return this.#inTurn(async () => {
      if (this.#closed) throw new RuleError("the rules of this queue are closed");
      this.#table ??= await NftablesTable.open(this.queue, this.#options);
      const installed = await this.#table.add(checked);
      return new Rule(installed, () => this.#inTurn(() => this.#dispose(installed.chain)));
    });
  }

  /** Deletes every rule; resolves when what they queued is in the queue. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#table === undefined || this.#table.size === 0) return;
      await this.#table.deleteAll();
      await this.#table.settled();
    });
  }

  /** Deletes every rule before it returns, for a process that ends: nobody hears whether it failed. */
  stopNow(): void {
    // The send happens before the promise is first awaited.
    void this.#table?.deleteAll().catch(() => {});
  }

  /** Deletes every rule and the table; what still waits in the queue is dropped by the kernel. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#closed = true;
      const table = this.#table;
      this.#table = undefined;
      try {
        await table?.remove();
      } finally {
        await table?.close();
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #dispose(chain: string): Promise<void> {
    const table = this.#table;
    if (table === undefined) return;
    await table.delete(chain);
    if (table.size > 0) return;
    await table.settled();
    this.#decideWaiting();
    await table.remove();
  }

  /** One change at a time: a table that is being made must not be closed half-way, or it would stay behind. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change);
    this.#last = result.catch(() => {});
    return result;
  }
}
