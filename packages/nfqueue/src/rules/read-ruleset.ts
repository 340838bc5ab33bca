import type { Decoder, Message, NetlinkSocket } from "@nlring/netlink";
import { NFGENMSG_LENGTH } from "../abi.js";
import {
  NFPROTO_UNSPEC,
  NFT_MSG_GETCHAIN,
  NFT_MSG_GETRULE,
  NFT_MSG_GETTABLE,
  NFT_TABLE_F_OWNER,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TABLE,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_RULE_CHAIN,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_TABLE,
  NFTA_TABLE_FLAGS,
  NFTA_TABLE_NAME,
} from "./abi.js";
import { writeFamily } from "./batch.js";
import type { Expression } from "./expressions.js";
import { readExpressions } from "./read-expressions.js";

/** A table as the kernel tells of it. */
export interface TableRecord {
  /** NFPROTO_*. */
  readonly family: number;
  readonly name: string;
  /** True where it goes with the socket that made it. */
  readonly owned: boolean;
}

/** A base chain: one that a hook calls. */
export interface ChainRecord {
  readonly family: number;
  readonly table: string;
  readonly name: string;
  /** NF_INET_*. */
  readonly hook: number;
  readonly priority: number;
}

export interface RuleRecord {
  readonly family: number;
  readonly table: string;
  readonly chain: string;
  readonly expressions: readonly Expression[];
}

/** All tables of the namespace. */
export function readTables(socket: NetlinkSocket): Promise<TableRecord[]> {
  return dump(socket, NFT_MSG_GETTABLE, (message, family) => {
    let name = "";
    let flags = 0;
    const attributes = message.attributes(NFGENMSG_LENGTH);
    while (attributes.next()) {
      if (attributes.type === NFTA_TABLE_NAME) name = attributes.string();
      else if (attributes.type === NFTA_TABLE_FLAGS) flags = attributes.uint32Network();
    }
    return { family, name, owned: (flags & NFT_TABLE_F_OWNER) !== 0 };
  });
}

/** The base chains of the tables that `wanted` says yes to. */
export function readBaseChains(
  socket: NetlinkSocket,
  wanted: (family: number, table: string) => boolean,
): Promise<ChainRecord[]> {
  return dump(socket, NFT_MSG_GETCHAIN, (message, family) => {
    let table = "";
    let name = "";
    let hook: number | undefined;
    let priority = 0;
    const attributes = message.attributes(NFGENMSG_LENGTH);
    while (attributes.next()) {
      if (attributes.type === NFTA_CHAIN_TABLE) table = attributes.string();
      else if (attributes.type === NFTA_CHAIN_NAME) name = attributes.string();
      else if (attributes.type === NFTA_CHAIN_HOOK) {
        const fields = attributes.nested();
        while (fields.next()) {
          if (fields.type === NFTA_HOOK_HOOKNUM) hook = fields.uint32Network();
          else if (fields.type === NFTA_HOOK_PRIORITY) priority = fields.int32Network();
        }
      }
    }
    return hook === undefined || !wanted(family, table) ? undefined : { family, table, name, hook, priority };
  });
}

/** The rules of the chains that `wanted` says yes to, in their order. */
export function readRules(
  socket: NetlinkSocket,
  wanted: (family: number, table: string, chain: string) => boolean,
): Promise<RuleRecord[]> {
  return dump(socket, NFT_MSG_GETRULE, (message, family) => {
    let table = "";
    let chain = "";
    const attributes = message.attributes(NFGENMSG_LENGTH);
    while (attributes.next()) {
      if (attributes.type === NFTA_RULE_TABLE) table = attributes.string();
      else if (attributes.type === NFTA_RULE_CHAIN) chain = attributes.string();
    }
    if (!wanted(family, table, chain)) return undefined;
    // Others' rules hold expressions of any form, which are nobody's business here.
    let expressions: Expression[] = [];
    const again = message.attributes(NFGENMSG_LENGTH);
    while (again.next()) {
      if (again.type === NFTA_RULE_EXPRESSIONS) expressions = readExpressions(again.nested());
    }
    return { family, table, chain, expressions };
  });
}

async function dump<T>(
  socket: NetlinkSocket,
  type: number,
  read: (message: Message, family: number) => T | undefined,
): Promise<T[]> {
  const item: Decoder<T | undefined> = {
    decode: (message) => read(message, message.view.getUint8(message.payloadOffset)),
  };
  const request = {
    type,
    write: (writer: Parameters<typeof writeFamily>[0]) => writeFamily(writer, NFPROTO_UNSPEC),
  };
  const records = await socket.dump(request, item).all();
  return records.filter((record): record is Awaited<T> & T => record !== undefined);
}
