import {
  KernelError,
  type MessageWriter,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Outgoing,
  type SocketOptions,
} from "@nlring/netlink";
import { NFNETLINK_V0 } from "../abi.js";
import { PermissionError, RuleError } from "../errors.js";
import {
  NF_INET_LOCAL_IN,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFPROTO_UNSPEC,
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
import { matchDestinationPort, matchProtocol, type QueueStatement, queuePacket } from "./expressions.js";
import type { CheckedMatch } from "./match.js";

/** What the running kernel takes, found out by asking for the best first. */
interface Dialect {
  /** The table goes with the socket that made it. */
  readonly owner: boolean;
  readonly statement: QueueStatement;
  /** One table for both families, or one for each. */
  readonly families: readonly number[];
}

const BEST: Dialect = { owner: true, statement: "queue expression", families: [NFPROTO_INET] };

/** What a rule turned out to be. */
export interface InstalledRule {
  readonly chain: string;
  /** True where the kernel removes the rule when the process dies, however it dies. */
  readonly crashSafe: boolean;
  readonly statement: QueueStatement;
  readonly table: string;
}

/**
 * The rules that lead packets into one queue: an nftables table of their own, with one chain a rule.
 *
 * They have a socket of their own, since an owner table can be changed only by the socket that made it. It never maps a ring: kernels
 * of the mapped era crash when nftables answers into one.
 */
export class NftablesTable {
  readonly #socket: NetlinkSocket;
  readonly #queue: number;
  readonly #table: string;
  readonly #chains = new Set<string>();
  #dialect: Dialect | undefined;
  #made = 0;
  readonly #removeAtExit = (): void => {
    // The send happens before the promise is first awaited, which is all that an exiting process still does.
    void this.remove().catch(() => {});
  };

  private constructor(socket: NetlinkSocket, queue: number) {
    this.#socket = socket;
    this.#queue = queue;
    this.#table = `nlring-${queue}-${socket.portId}`;
  }

  static async open(
    queue: number,
    { namespace, transport }: Pick<SocketOptions, "namespace" | "transport">,
  ): Promise<NftablesTable> {
    const socket = await NetlinkSocket.open(NETLINK_NETFILTER, {
      namespace,
      transport: typeof transport === "object" ? transport : "user-ring",
      ring: { frameSize: 8192, frameCount: 16 },
    });
    return new NftablesTable(socket, queue);
  }

  /** Rules in force. */
  get size(): number {
    return this.#chains.size;
  }

  /** Makes a rule, in one transaction with what it needs. */
  async add(match: CheckedMatch): Promise<InstalledRule> {
    const chain = `rule-${++this.#made}`;
    let dialect = this.#dialect ?? BEST;
    for (;;) {
      try {
        await this.#socket.request(this.#batch((add) => this.#define(add, dialect, chain, match)));
        break;
      } catch (error) {
        const simpler = this.#dialect === undefined ? simplerDialect(dialect, error) : undefined;
        if (simpler === undefined) throw explain(error, dialect);
        dialect = simpler;
      }
    }
    if (this.#dialect === undefined && !dialect.owner) process.once("exit", this.#removeAtExit);
    this.#dialect = dialect;
    this.#chains.add(chain);
    return { chain, crashSafe: dialect.owner, statement: dialect.statement, table: this.#table };
  }

  /** Deletes one rule: from then on packets pass by. Its chain stays, since removing it would drop every packet that waits in any queue. */
  async delete(chain: string): Promise<void> {
    if (!this.#chains.delete(chain)) return;
    await this.#deleteRules([chain]);
  }

  /** Deletes every rule. */
  async deleteAll(): Promise<void> {
    const chains = [...this.#chains];
    this.#chains.clear();
    if (chains.length > 0) await this.#deleteRules(chains);
  }

  /**
   * Resolves when no processor still works with the deleted rules: what they queued is in the queue by then.
   */
  settled(): Promise<void> {
    return this.#socket.gracePeriod();
  }

  /** Removes the table with its chains. Every packet that still waits in any queue of the namespace is dropped by the kernel then. */
  async remove(): Promise<void> {
    const dialect = this.#dialect;
    this.#dialect = undefined;
    if (dialect === undefined) return;
    this.#chains.clear();
    process.removeListener("exit", this.#removeAtExit);
    await this.#socket.request(
      this.#batch((add) => {
        for (const family of dialect.families) {
          add(NFT_MSG_DELTABLE, 0, family, (writer) => writer.attributeString(NFTA_TABLE_NAME, this.#table));
        }
      }),
    );
  }

  async close(): Promise<void> {
    await this.#socket.close();
  }

  async #deleteRules(chains: readonly string[]): Promise<void> {
    const dialect = this.#dialect ?? BEST;
    await this.#socket.request(
      this.#batch((add) => {
        for (const family of dialect.families) {
          for (const chain of chains) {
            add(NFT_MSG_DELRULE, 0, family, (writer) => {
              writer.attributeString(NFTA_RULE_TABLE, this.#table).attributeString(NFTA_RULE_CHAIN, chain);
            });
          }
        }
      }),
    );
  }

  #define(add: AddMessage, dialect: Dialect, chain: string, match: CheckedMatch): void {
    for (const family of dialect.families) {
      if (this.#dialect === undefined) {
        add(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
          writer.attributeString(NFTA_TABLE_NAME, this.#table);
          if (dialect.owner) writer.attributeUint32Network(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
        });
      }
      add(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
        writer.attributeString(NFTA_CHAIN_TABLE, this.#table).attributeString(NFTA_CHAIN_NAME, chain);
        const hook = writer.openNested(NFTA_CHAIN_HOOK);
        writer.attributeUint32Network(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_IN);
        writer.attributeUint32Network(NFTA_HOOK_PRIORITY, 0);
        writer.closeNested(hook);
        writer.attributeString(NFTA_CHAIN_TYPE, "filter");
      });
      add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, (writer) => {
        writer.attributeString(NFTA_RULE_TABLE, this.#table).attributeString(NFTA_RULE_CHAIN, chain);
        const expressions = writer.openNested(NFTA_RULE_EXPRESSIONS);
        if (match.protocol !== undefined) matchProtocol(writer, match.protocol);
        if (match.destinationPort !== undefined) matchDestinationPort(writer, match.destinationPort);
        queuePacket(writer, this.#queue, dialect.statement);
        writer.closeNested(expressions);
      });
    }
  }

  #batch(fill: (add: AddMessage) => void): Outgoing[] {
    const messages: Outgoing[] = [batchMark(NFNL_MSG_BATCH_BEGIN)];
    fill((type, flags, family, write) => {
      messages.push({
        type,
        flags,
        write: (writer) => {
          writer.uint8(family).uint8(NFNETLINK_V0).uint16Network(0);
          write(writer);
        },
      });
    });
    messages.push(batchMark(NFNL_MSG_BATCH_END));
    return messages;
  }
}

type AddMessage = (
  type: number,
  flags: number,
  family: number,
  write: (writer: MessageWriter) => void,
) => void;

/** Begin and end of a transaction: struct nfgenmsg with the subsystem as its resource. */
function batchMark(type: number): Outgoing {
  return {
    type,
    acknowledge: false,
    write: (writer) => writer.uint8(NFPROTO_UNSPEC).uint8(NFNETLINK_V0).uint16Network(NFNL_SUBSYS_NFTABLES),
  };
}

/** What to ask for after a refusal; undefined where there is nothing simpler, or the refusal has another cause. */
function simplerDialect(dialect: Dialect, error: unknown): Dialect | undefined {
  if (!(error instanceof KernelError)) return undefined;
  const { code, requestType } = error;
  const perFamily: Dialect = { ...dialect, families: [NFPROTO_IPV4, NFPROTO_IPV6] };
  const oneTable = dialect.families.length === 1;
  if (requestType === NFT_MSG_NEWTABLE) {
    // Kernels before 5.12 know no owner flag; some know no table for both families.
    if (dialect.owner && (code === "EINVAL" || code === "EOPNOTSUPP")) return { ...dialect, owner: false };
    return code === "EAFNOSUPPORT" && oneTable ? perFamily : undefined;
  }
  if (requestType !== NFT_MSG_NEWRULE || (code !== "ENOENT" && code !== "EINVAL" && code !== "EOPNOTSUPP"))
    return undefined;
  if (dialect.statement === "queue expression") return { ...dialect, statement: "NFQUEUE target" };
  return oneTable ? perFamily : undefined;
}

function explain(error: unknown, dialect: Dialect): unknown {
  if (!(error instanceof KernelError)) return error;
  if (error.code === "EPERM") return new PermissionError("making a rule", error);
  if (error.requestType === NFT_MSG_NEWRULE && dialect.statement === "NFQUEUE target") {
    return new RuleError(
      `the kernel can queue neither by nftables' own expression (CONFIG_NFT_QUEUE) nor by the NFQUEUE target ` +
        `(CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE): ${error.message}`,
      error,
    );
  }
  return new RuleError(`the kernel refused the rule: ${error.message}`, error);
}
