import { fstatSync, statSync } from "node:fs";
import type { CheckedMatch } from "./condition.js";
import { type InstalledRules, type RuleCounters, RuleTable, type RuleTableOptions } from "./rule-table.js";

/** The tables of this thread, by network namespace or transport. */
const TABLES = new Map<unknown, SharedTable>();

/**
 * The one table that all queues of this thread share in a network namespace. It is made with the first rule and goes when the last queue
 * closes, with or without rules of its own: by then none of their packets wait, and so the kernel drops none.
 */
export class SharedTable {
  readonly #key: unknown;
  readonly #options: RuleTableOptions;
  #members = 0;
  #table: RuleTable | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(key: unknown, options: RuleTableOptions) {
    this.#key = key;
    this.#options = options;
  }

  /** The namespace's table; whoever joins it leaves it again. Asks the kernel for nothing. */
  static join(options: RuleTableOptions): SharedTable {
    const key = keyOf(options);
    let shared = TABLES.get(key);
    if (shared === undefined) {
      shared = new SharedTable(key, options);
      TABLES.set(key, shared);
    }
    shared.#members++;
    return shared;
  }

  /** Makes rules, and notes them in `rules` before any other change. */
  add(matches: readonly CheckedMatch[], rules: Set<InstalledRules>): Promise<InstalledRules> {
    return this.#inTurn(async () => {
      this.#table ??= await RuleTable.open(this.#options);
      const installed = await this.#table.add(matches);
      rules.add(installed);
      return installed;
    });
  }

  /** Deletes some of `rules`, or all; resolves when what they queued is in the queue. */
  delete(rules: Set<InstalledRules>, only?: InstalledRules): Promise<void> {
    return this.#inTurn(async () => {
      const present = [...rules].filter((installed) => only === undefined || installed === only);
      if (present.length === 0) return;
      await this.#table?.delete(present.flatMap(({ chains }) => chains));
      for (const installed of present) rules.delete(installed);
      await this.#table?.settled();
    });
  }

  /** Deletes all of `rules` before it returns, whatever else is under way. */
  deleteNow(rules: Set<InstalledRules>): void {
    const chains = [...rules].flatMap((installed) => installed.chains);
    rules.clear();
    // The send happens before the promise is first awaited.
    this.#table?.delete(chains).catch(() => {});
  }

  counters(rules: InstalledRules): Promise<RuleCounters[] | undefined> {
    return this.#inTurn(async () => this.#table?.counters(rules));
  }

  /** Removes the table where the last one leaves. */
  leave(): Promise<void> {
    if (--this.#members > 0) return Promise.resolve();
    // Whoever joins from now on gets another table.
    TABLES.delete(this.#key);
    return this.#inTurn(async () => {
      const table = this.#table;
      this.#table = undefined;
      await table?.close();
    });
  }

  /** One change at a time: a table that is being made must not be closed half-way, or it would stay behind. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** What tells one namespace from another, however it is named. */
function keyOf({ namespace, transport, ownerTable }: RuleTableOptions): unknown {
  if (transport !== undefined) return transport;
  const owner = ownerTable === false ? "not owned" : "owned";
  try {
    const { dev, ino } =
      typeof namespace === "number"
        ? fstatSync(namespace)
        : statSync(namespace ?? "/proc/thread-self/ns/net");
    return `${dev}:${ino} ${owner}`;
  } catch {
    // Opening a socket there says what is wrong.
    return `${namespace ?? "own"} ${owner}`;
  }
}
