import {
  KernelError,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type TransportProvider,
} from "@nlring/netlink";
import {
  NFT_CT_STATE,
  NFT_MSG_DELRULE,
  NFT_MSG_DELTABLE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFT_TABLE_F_OWNER,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TABLE,
  NFTA_CHAIN_TYPE,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_RULE_CHAIN,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_TABLE,
  NFTA_TABLE_FLAGS,
  NFTA_TABLE_NAME,
} from "./abi.js";
import { type AddChange, batch } from "./batch.js";
import { type ChainPlace, ChainPool, CONNTRACK_CHAIN, type RulesDraft } from "./chain-pool.js";
import type { CheckedMatch } from "./condition.js";
import { BEST_DIALECT, type Dialect, explainRefusal, simplerDialect } from "./dialect.js";
import { type Expression, type QueueStatement, writeExpression } from "./expressions.js";
import { emptyLeftovers, removeTables } from "./leftovers.js";
import { readRules, type TableRecord } from "./read-ruleset.js";
import { tableName } from "./table-name.js";

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

  /** Makes the rules of several matches, in one transaction with what they need. */
  async add(matches: readonly CheckedMatch[]): Promise<InstalledRules> {
    const isFirst = this.#dialect === undefined;
    let dialect = this.#dialect ?? { ...BEST_DIALECT, owner: this.#owner };
    for (;;) {
      const draft = this.#chains.draft(matches, dialect);
      const refused = new Refusal();
      try {
        await this.#socket.request(batch((add) => this.#define(add, dialect, draft, refused)));
        this.#chains.commit(draft);
        this.#dialect = dialect;
        if (isFirst && !dialect.owner) await this.#outliveCrashes();
        const { table, statement } = { table: this.#name, statement: dialect.statement };
        const isBridge = matches.some(({ family }) => family === "bridge");
        return {
          table,
          crashSafe: dialect.owner,
          statement: isBridge ? "queue expression" : statement,
          chains: draft.places,
          rules: matches.map((_, index) =>
            draft.rules
              .filter((rule) => rule.match === index)
              .map(({ place, position }) => ({ chain: place, position })),
          ),
        };
      } catch (error) {
        const names = refused.names(error);
        const simpler = isFirst && !draft.bridgeOnly ? simplerDialect(dialect, error, names) : undefined;
        if (simpler === undefined) throw explainRefusal(error, dialect, names, draft.families);
        dialect = simpler;
      }
    }
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
    const removed = this.#removeOwn();
    // Behind the other: what dies with these tables is dropped by then.
    if (leftovers.length > 0) await removeTables(this.#socket, leftovers).catch(() => {});
    await removed;
  }

  async #removeOwn(): Promise<void> {
    try {
      await this.#socket.request(
        batch((add) => {
          for (const family of this.#chains.families) {
            add(NFT_MSG_DELTABLE, 0, family, (writer) => writer.attributeString(NFTA_TABLE_NAME, this.#name));
          }
        }),
      );
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Without an owner table: what is ours goes at exit, and what others left behind now. */
  async #outliveCrashes(): Promise<void> {
    process.once("exit", this.#removeAtExit);
    try {
      this.#leftovers = await emptyLeftovers(this.#socket);
    } catch {
      // The rule stands; what a dead process left is still listed, and removeLeftovers() tells why it cannot go.
    }
  }

  #define(add: AddChange, dialect: Dialect, draft: RulesDraft, refused: Refusal): void {
    for (const family of draft.newTables) {
      add(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
        writer.attributeString(NFTA_TABLE_NAME, this.#name);
        if (dialect.owner) writer.attributeUint32Network(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
      });
    }
    for (const family of draft.newConntrack) {
      // No hook calls this chain. Its rule keeps connections tracked when the last rule that needs it goes: the kernel would unhook
      // conntrack, and with that drop what waits in any queue.
      this.#addChain(add, family, CONNTRACK_CHAIN, undefined);
      this.#addRule(add, family, CONNTRACK_CHAIN, [{ name: "ct", key: NFT_CT_STATE }], refused);
    }
    for (const place of draft.newPlaces) this.#addChain(add, place.family, place.name, place);
    for (const { place, expressions } of draft.rules) {
      this.#addRule(add, place.family, place.name, expressions, refused);
    }
  }

  #addChain(add: AddChange, family: number, name: string, place: ChainPlace | undefined): void {
    add(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
      writer.attributeString(NFTA_CHAIN_TABLE, this.#name).attributeString(NFTA_CHAIN_NAME, name);
      if (place === undefined) return;
      const hook = writer.openNested(NFTA_CHAIN_HOOK);
      writer.attributeUint32Network(NFTA_HOOK_HOOKNUM, place.hook);
      writer.attributeUint32Network(NFTA_HOOK_PRIORITY, place.priority >>> 0);
      writer.closeNested(hook);
      writer.attributeString(NFTA_CHAIN_TYPE, "filter");
    });
  }

  #addRule(
    add: AddChange,
    family: number,
    chain: string,
    expressions: readonly Expression[],
    refused: Refusal,
  ): void {
    add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, (writer) => {
      writer.attributeString(NFTA_RULE_TABLE, this.#name).attributeString(NFTA_RULE_CHAIN, chain);
      const list = writer.openNested(NFTA_RULE_EXPRESSIONS);
      for (const expression of expressions) {
        const start = writer.written;
        writeExpression(writer, expression);
        refused.note(expression.name, start, writer.written);
      }
      writer.closeNested(list);
    });
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
  });
}

export function countersOf(expressions: readonly Expression[]): RuleCounters | undefined {
  const counter = expressions.find((expression) => expression.name === "counter");
  return counter === undefined ? undefined : { packets: counter.packets, bytes: counter.bytes };
}

/** Where each expression was written, so that the offset of a refusal tells its name. */
class Refusal {
  readonly #written: { readonly name: string; readonly start: number; readonly end: number }[] = [];

  note(name: string, start: number, end: number): void {
    this.#written.push({ name, start, end });
  }

  /** Names of the expressions at the error's offset, in any of the messages: it does not tell which. Empty where it has no offset. */
  names(error: unknown): ReadonlySet<string> {
    const offset = error instanceof KernelError ? error.offset : undefined;
    if (offset === undefined) return new Set();
    return new Set(
      this.#written.filter(({ start, end }) => start <= offset && offset < end).map(({ name }) => name),
    );
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof KernelError && error.code === "ENOENT";
}
