import { KernelError, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL } from "@nlring/netlink";
import {
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
import type { AddChange } from "./batch.js";
import type { ChainPlace } from "./chain-pool.js";
import { type Expression, writeExpression } from "./expressions.js";

/** A new table; with `owner` it goes with the socket that makes it. */
export function addTable(add: AddChange, family: number, table: string, owner: boolean): void {
  add(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
    writer.attributeString(NFTA_TABLE_NAME, table);
    if (owner) writer.attributeUint32Network(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  });
}

export function deleteTable(add: AddChange, family: number, table: string): void {
  add(NFT_MSG_DELTABLE, 0, family, (writer) => writer.attributeString(NFTA_TABLE_NAME, table));
}

/** @param place where the chain is hooked; undefined for one that nothing calls */
export function addChain(
  add: AddChange,
  family: number,
  table: string,
  name: string,
  place: ChainPlace | undefined,
): void {
  add(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, family, (writer) => {
    writer.attributeString(NFTA_CHAIN_TABLE, table).attributeString(NFTA_CHAIN_NAME, name);
    if (place === undefined) return;
    const hook = writer.openNested(NFTA_CHAIN_HOOK);
    writer.attributeUint32Network(NFTA_HOOK_HOOKNUM, place.hook);
    writer.attributeUint32Network(NFTA_HOOK_PRIORITY, place.priority >>> 0);
    writer.closeNested(hook);
    writer.attributeString(NFTA_CHAIN_TYPE, "filter");
  });
}

export function addRule(
  add: AddChange,
  family: number,
  table: string,
  chain: string,
  expressions: readonly Expression[],
  refused: Refusal,
): void {
  add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, (writer) => {
    writer.attributeString(NFTA_RULE_TABLE, table).attributeString(NFTA_RULE_CHAIN, chain);
    const list = writer.openNested(NFTA_RULE_EXPRESSIONS);
    for (const expression of expressions) {
      const start = writer.written;
      writeExpression(writer, expression);
      refused.note(expression.name, start, writer.written);
    }
    writer.closeNested(list);
  });
}

/** Where each expression was written, so that the offset of a refusal tells its name. */
export class Refusal {
  readonly #written: { readonly name: string; readonly start: number; readonly end: number }[] = [];

  note(name: string, start: number, end: number): void {
    this.#written.push({ name, start, end });
  }

  /** Names of the expressions at the error's offset, in any of the messages, as it does not tell which; or of all, where it has none. */
  names(error: unknown): Set<string> {
    const offset = error instanceof KernelError ? error.offset : undefined;
    const written = this.#written.filter(
      ({ start, end }) => offset === undefined || (start <= offset && offset < end),
    );
    return new Set(written.map(({ name }) => name));
  }
}
