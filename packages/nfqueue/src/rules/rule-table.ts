import { KernelError, NETLINK_NETFILTER, NetlinkSocket, type TransportProvider } from "@nlring/netlink";
import {
  NFPROTO_BRIDGE,
  NFT_CT_STATE,
  NFT_MSG_DELRULE,
  NFT_MSG_DELTABLE,
  NFTA_RULE_CHAIN,
  NFTA_RULE_TABLE,
} from "./abi.js";
import { type AddChange, batch } from "./batch.js";
import { type ChainPlace, ChainPool, CONNTRACK_CHAIN, type RulesDraft } from "./chain-pool.js";
import { addChain, addRule, addTable, deleteTable, Refusal } from "./changes.js";
import { compileQueue } from "./compile-match.js";
import type { CheckedMatch } from "./condition.js";
import { BEST_DIALECT, type Dialect, explainRefusal, simplerDialect } from "./dialect.js";
import type { Expression, QueueStatement } from "./expressions.js";
import { emptyLeftovers, removeTables } from "./leftovers.js";
import { readRules, type TableRecord } from "./read-ruleset.js";
import { tableName, trialName } from "./table-name.js";

const RECEIVE_BUFFER = 1024 * 1024;
const NEW_COUNTER: Expression = { name: "counter", packets: 0, bytes: 0 };
/** A queue that no packet comes to. */
const ANY_PACKET: Pick<CheckedMatch, "queues" | "bypass" | "fanout"> = {
  queues: [0, 0],
  bypass: false,
  fanout: false,
};

/** Where a table's socket is opened. */
export interface RuleTableOptions {
  /** Network namespace: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  readonly transport?: TransportProvider | undefined;
  /** False makes the table as kernels without owner tables have it. */
  readonly ownerTable?: boolean | undefined;
}

/** What the kernel counted of one rule, or of several. */
export interface RuleCounters {
  /** Packets that it led into its queue. */
  readonly packets: number;
  /** Their bytes, from the network header on. */
  readonly bytes: number;
}

/** Rules that were made together. */
export interface InstalledRules {
  readonly table: string;
  /** True where the kernel removes the rules when the process dies, however it dies. */
  readonly crashSafe: boolean;
  readonly statement: QueueStatement;
  readonly chains: readonly ChainPlace[];
  /** For each match where its rules are: the chain, and which of the chain's rules. */
  readonly rules: readonly (readonly { readonly chain: ChainPlace; readonly position: number }[])[];
}

/**
 * The nftables table of all rules that this process has in a network namespace.
 *
 * It has a socket of its own, since an owner table can be changed only by the socket that made it. That never maps a ring: kernels of the
 * mapped era crash when nftables answers into one.
 *
 * Nothing in it that a hook of the kernel hangs on goes before the table does, as that drops what waits in any queue of the namespace:
 * neither base chains, nor the last rule that has connections tracked.
 */
export class RuleTable {
  readonly #socket: NetlinkSocket;
  readonly #name: string;
  readonly #owner: boolean;
  readonly #chains = new ChainPool();
  #leftovers: readonly TableRecord[] = [];
  #dialect: Dialect | undefined;
  readonly #removeAtExit = (): void => {
    // The send happens before the promise is first awaited, which is all that an exiting process still does.
    void this.#remove().catch(() => {});
  };

  private constructor(socket: NetlinkSocket, owner: boolean) {
    this.#socket = socket;
    this.#owner = owner;
    this.#name = tableName(socket.portId);
  }

  static async open({ namespace, transport, ownerTable }: RuleTableOptions): Promise<RuleTable> {
    return new RuleTable(await openRuleSocket({ namespace, transport }), ownerTable ?? true);
  }

  /**
   * Makes the rules of several matches, in one transaction. It was tried before without anything that a hook hangs on: a transaction that the
   * kernel refuses takes its hooks back, and with them drops what waits in any queue of the namespace.
   */
  async add(matches: readonly CheckedMatch[]): Promise<InstalledRules> {
    const isFirst = this.#dialect === undefined;
    const dialect = this.#dialect ?? (await this.#findDialect());
    const draft = this.#chains.draft(matches, dialect);
    if (draft.newConntrack.length > 0) await this.#trackConnections(draft, dialect);
    const refused = new Refusal();
    try {
      await this.#try(dialect, draft.families, draft.rules, refused);
      await this.#socket.request(batch((add) => this.#define(add, dialect, draft, refused)));
    } catch (error) {
      const names = refused.names(error);
      // The dialect was tried without the match.
      if (names.size > 1 && !draft.families.includes(NFPROTO_BRIDGE)) names.delete("queue");
      throw explainRefusal(error, names, draft.families);
    }
    this.#chains.commit(draft);
    if (isFirst && !dialect.owner) await this.#adoptLeftovers();
    return {
      table: this.#name,
      crashSafe: dialect.owner,
      statement: draft.bridgeOnly ? "queue expression" : dialect.statement,
      chains: draft.places,
      rules: matches.map((_, index) =>
        draft.rules
          .filter((rule) => rule.match === index)
          .map(({ place, position }) => ({ chain: place, position })),
      ),
    };
  }

  /** Deletes rules: from then on packets pass by. Their chains stay, empty, for the next ones. */
  async delete(chains: readonly ChainPlace[]): Promise<void> {
    if (chains.length === 0) return;
    try {
      await this.#socket.request(
        batch((add) => {
          for (const { family, name } of chains) {
            add(NFT_MSG_DELRULE, 0, family, (writer) => {
              writer.attributeString(NFTA_RULE_TABLE, this.#name).attributeString(NFTA_RULE_CHAIN, name);
            });
          }
        }),
      );
    } catch (error) {
      // Somebody flushed the ruleset, which only owner tables withstand: what was to be deleted is gone.
      if (!isMissing(error)) throw error;
      return;
    }
    this.#chains.free(chains);
  }

  /** Resolves when no processor still works with the deleted rules: what they queued is in the queue by then. */
  settled(): Promise<void> {
    return this.#socket.gracePeriod();
  }

  /** What the rules counted so far, for each match; undefined where the kernel has no counters. */
  async counters(installed: InstalledRules): Promise<RuleCounters[] | undefined> {
    if (this.#dialect?.counter === false) return undefined;
    const places = installed.chains;
    const isWanted = (family: number, table: string, chain: string): boolean =>
      table === this.#name && places.some((place) => place.family === family && place.name === chain);
    const byChain = new Map<string, RuleCounters[]>();
    for (const { family, chain, expressions } of await readRules(this.#socket, isWanted)) {
      const key = `${family} ${chain}`;
      const counters = byChain.get(key) ?? [];
      counters.push(countersOf(expressions) ?? { packets: 0, bytes: 0 });
      byChain.set(key, counters);
    }
    return installed.rules.map((rules) => {
      let [packets, bytes] = [0, 0];
      for (const { chain, position } of rules) {
        const counted = byChain.get(`${chain.family} ${chain.name}`)?.[position];
        packets += counted?.packets ?? 0;
        bytes += counted?.bytes ?? 0;
      }
      return { packets, bytes };
    });
  }

  /** Removes the table and closes its socket. Every packet that still waits in any queue of the namespace is dropped by the kernel then. */
  async close(): Promise<void> {
    try {
      await this.#remove();
    } finally {
      await this.#socket.close();
    }
  }

  async #remove(): Promise<void> {
    const dialect = this.#dialect;
    this.#dialect = undefined;
    process.removeListener("exit", this.#removeAtExit);
    if (dialect === undefined) return;
    const leftovers = this.#leftovers;
    const removed = this.#chains.families.length > 0 ? this.#removeOwn() : undefined;
    // Behind the other: what dies with these tables is dropped by then.
    if (leftovers.length > 0) await removeTables(this.#socket, leftovers).catch(() => {});
    await removed;
  }

  async #removeOwn(): Promise<void> {
    try {
      await this.#socket.request(
        batch((add) => {
          for (const family of this.#chains.families) deleteTable(add, family, this.#name);
        }),
      );
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async #findDialect(): Promise<Dialect> {
    let dialect: Dialect = { ...BEST_DIALECT, owner: this.#owner };
    for (;;) {
      const refused = new Refusal();
      try {
        const expressions = [
          ...(dialect.counter ? [NEW_COUNTER] : []),
          compileQueue(ANY_PACKET, dialect.statement),
        ];
        const rules = dialect.families.map((family) => ({ place: { family }, expressions }));
        await this.#try(dialect, dialect.families, rules, refused);
        this.#dialect = dialect;
        // From now on there may be a table.
        if (!dialect.owner) process.once("exit", this.#removeAtExit);
        return dialect;
      } catch (error) {
        const names = refused.names(error);
        const simpler = simplerDialect(dialect, error, names);
        if (simpler === undefined) throw explainRefusal(error, names, dialect.families);
        dialect = simpler;
      }
    }
  }

  /** Makes rules in a table that no hook calls and that goes in the same transaction. */
  async #try(
    { owner }: Dialect,
    families: readonly number[],
    rules: readonly {
      readonly place: Pick<ChainPlace, "family">;
      readonly expressions: readonly Expression[];
    }[],
    refused: Refusal,
  ): Promise<void> {
    const table = trialName(this.#name);
    try {
      await this.#socket.request(
        batch((add) => {
          for (const family of families) {
            addTable(add, family, table, owner);
            addChain(add, family, table, "trial", undefined);
          }
          for (const { place, expressions } of rules) {
            addRule(add, place.family, table, "trial", expressions, refused);
          }
          for (const family of families) deleteTable(add, family, table);
        }),
      );
    } catch (error) {
      // Kernels like 4.4 cannot delete a table in the transaction that makes it. They have taken all that came before, and take it back.
      if (!(isMissing(error) && error.requestType === NFT_MSG_DELTABLE)) throw error;
    }
  }

  /**
   * Has connections tracked as long as the table is there. When the last rule goes that needs it, the kernel unhooks conntrack, and with
   * that drops what waits in any queue; so one rule stays, in a chain that nothing calls.
   */
  async #trackConnections({ newConntrack, newTables }: RulesDraft, { owner }: Dialect): Promise<void> {
    const refused = new Refusal();
    try {
      await this.#socket.request(
        batch((add) => {
          for (const family of newConntrack) {
            if (newTables.includes(family)) addTable(add, family, this.#name, owner);
            addChain(add, family, this.#name, CONNTRACK_CHAIN, undefined);
            addRule(add, family, this.#name, CONNTRACK_CHAIN, [{ name: "ct", key: NFT_CT_STATE }], refused);
          }
        }),
      );
    } catch (error) {
      throw explainRefusal(error, refused.names(error), newConntrack);
    }
    this.#chains.commitConntrack(newConntrack);
  }

  /** Without owner tables, what dead processes left has its rules deleted now, and goes with what is ours. */
  async #adoptLeftovers(): Promise<void> {
    try {
      this.#leftovers = await emptyLeftovers(this.#socket);
    } catch {
      // The rule stands; what a dead process left is still listed, and removeLeftovers() tells why it cannot go.
    }
  }

  #define(add: AddChange, { owner }: Dialect, draft: RulesDraft, refused: Refusal): void {
    const made = this.#chains.families;
    for (const family of draft.newTables) {
      if (!made.includes(family)) addTable(add, family, this.#name, owner);
    }
    for (const place of draft.newPlaces) addChain(add, place.family, this.#name, place.name, place);
    for (const { place, expressions } of draft.rules) {
      addRule(add, place.family, this.#name, place.name, expressions, refused);
    }
  }
}

/** A socket that asks nftables, and changes it. */
export function openRuleSocket({
  namespace,
  transport,
}: Pick<RuleTableOptions, "namespace" | "transport">): Promise<NetlinkSocket> {
  return NetlinkSocket.open(NETLINK_NETFILTER, {
    namespace,
    transport: transport ?? "user-ring",
    ring: { frameSize: 32_768 + 24, frameCount: 16 },
    // Each of many rules that the kernel refuses has an answer of its own.
    receiveBuffer: transport === undefined ? RECEIVE_BUFFER : undefined,
  });
}

export function countersOf(expressions: readonly Expression[]): RuleCounters | undefined {
  const counter = expressions.find((expression) => expression.name === "counter");
  return counter === undefined ? undefined : { packets: counter.packets, bytes: counter.bytes };
}

function isMissing(error: unknown): error is KernelError {
  return error instanceof KernelError && error.code === "ENOENT";
}
