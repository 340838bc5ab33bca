import type { MessageWriter } from "@nlring/netlink";
import {
  NFQUEUE_REVISION,
  NFT_CMP_EQ,
  NFT_CMP_NEQ,
  NFT_QUEUE_FLAG_BYPASS,
  NFT_QUEUE_FLAG_CPU_FANOUT,
  NFT_REG_1,
  NFTA_BITWISE_DREG,
  NFTA_BITWISE_LEN,
  NFTA_BITWISE_MASK,
  NFTA_BITWISE_SREG,
  NFTA_BITWISE_XOR,
  NFTA_CMP_DATA,
  NFTA_CMP_OP,
  NFTA_CMP_SREG,
  NFTA_CT_DREG,
  NFTA_CT_KEY,
  NFTA_DATA_VALUE,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_LIST_ELEM,
  NFTA_META_DREG,
  NFTA_META_KEY,
  NFTA_PAYLOAD_BASE,
  NFTA_PAYLOAD_DREG,
  NFTA_PAYLOAD_LEN,
  NFTA_PAYLOAD_OFFSET,
  NFTA_QUEUE_FLAGS,
  NFTA_QUEUE_NUM,
  NFTA_QUEUE_TOTAL,
  NFTA_RANGE_FROM_DATA,
  NFTA_RANGE_OP,
  NFTA_RANGE_SREG,
  NFTA_RANGE_TO_DATA,
  NFTA_TARGET_INFO,
  NFTA_TARGET_NAME,
  NFTA_TARGET_REV,
} from "./abi.js";

/** How a rule hands a packet to its queue: nftables' own expression, or the xtables target through nft_compat. */
export type QueueStatement = "queue expression" | "NFQUEUE target";

/** Where packets go: `total` queues from `first` on. */
export interface QueueTarget {
  readonly first: number;
  readonly total: number;
  readonly bypass: boolean;
  readonly fanout: boolean;
}

/** Brings something of the packet into register 1. */
export type Load =
  | { readonly name: "meta" | "ct"; readonly key: number }
  | { readonly name: "payload"; readonly base: number; readonly offset: number; readonly length: number };

/** Goes on only where register 1 compares as said; byte by byte, as numbers in network order do. */
export type Test =
  | { readonly name: "cmp"; readonly negated: boolean; readonly value: Uint8Array }
  | {
      readonly name: "range";
      readonly negated: boolean;
      readonly from: Uint8Array;
      readonly to: Uint8Array;
    };

/** One expression of a rule. A rule of ours works in register 1 alone. */
export type Expression =
  | Load
  | Test
  | { readonly name: "bitwise"; readonly mask: Uint8Array }
  | { readonly name: "counter"; readonly packets: number; readonly bytes: number }
  | { readonly name: "queue"; readonly statement: QueueStatement; readonly target: QueueTarget };

/** Writes one expression: its name, and what its data holds. */
export function writeExpression(writer: MessageWriter, expression: Expression): void {
  const element = writer.openNested(NFTA_LIST_ELEM);
  const isTarget = expression.name === "queue" && expression.statement === "NFQUEUE target";
  writer.attributeString(NFTA_EXPR_NAME, isTarget ? "target" : expression.name);
  const data = writer.openNested(NFTA_EXPR_DATA);
  writeData(writer, expression);
  writer.closeNested(data);
  writer.closeNested(element);
}

function writeData(writer: MessageWriter, expression: Expression): void {
  switch (expression.name) {
    case "meta":
      writer.attributeUint32Network(NFTA_META_KEY, expression.key);
      writer.attributeUint32Network(NFTA_META_DREG, NFT_REG_1);
      return;
    case "ct":
      writer.attributeUint32Network(NFTA_CT_KEY, expression.key);
      writer.attributeUint32Network(NFTA_CT_DREG, NFT_REG_1);
      return;
    case "payload":
      writer.attributeUint32Network(NFTA_PAYLOAD_DREG, NFT_REG_1);
      writer.attributeUint32Network(NFTA_PAYLOAD_BASE, expression.base);
      writer.attributeUint32Network(NFTA_PAYLOAD_OFFSET, expression.offset);
      writer.attributeUint32Network(NFTA_PAYLOAD_LEN, expression.length);
      return;
    case "bitwise":
      writer.attributeUint32Network(NFTA_BITWISE_SREG, NFT_REG_1);
      writer.attributeUint32Network(NFTA_BITWISE_DREG, NFT_REG_1);
      writer.attributeUint32Network(NFTA_BITWISE_LEN, expression.mask.length);
      writeValue(writer, NFTA_BITWISE_MASK, expression.mask);
      writeValue(writer, NFTA_BITWISE_XOR, new Uint8Array(expression.mask.length));
      return;
    case "cmp":
      writer.attributeUint32Network(NFTA_CMP_SREG, NFT_REG_1);
      writer.attributeUint32Network(NFTA_CMP_OP, expression.negated ? NFT_CMP_NEQ : NFT_CMP_EQ);
      writeValue(writer, NFTA_CMP_DATA, expression.value);
      return;
    case "range":
      writer.attributeUint32Network(NFTA_RANGE_SREG, NFT_REG_1);
      writer.attributeUint32Network(NFTA_RANGE_OP, expression.negated ? NFT_CMP_NEQ : NFT_CMP_EQ);
      writeValue(writer, NFTA_RANGE_FROM_DATA, expression.from);
      writeValue(writer, NFTA_RANGE_TO_DATA, expression.to);
      return;
    case "counter":
      // It starts at zero, which the kernel takes for granted.
      return;
    case "queue":
      writeQueue(writer, expression.statement, expression.target);
  }
}

function writeValue(writer: MessageWriter, type: number, value: Uint8Array): void {
  const data = writer.openNested(type);
  writer.attributeBytes(NFTA_DATA_VALUE, value);
  writer.closeNested(data);
}

function writeQueue(writer: MessageWriter, statement: QueueStatement, target: QueueTarget): void {
  const flags = (target.bypass ? NFT_QUEUE_FLAG_BYPASS : 0) | (target.fanout ? NFT_QUEUE_FLAG_CPU_FANOUT : 0);
  if (statement === "queue expression") {
    writer.attributeUint16Network(NFTA_QUEUE_NUM, target.first);
    writer.attributeUint16Network(NFTA_QUEUE_TOTAL, target.total);
    if (flags !== 0) writer.attributeUint16Network(NFTA_QUEUE_FLAGS, flags);
    return;
  }
  writer.attributeString(NFTA_TARGET_NAME, "NFQUEUE");
  writer.attributeUint32Network(NFTA_TARGET_REV, NFQUEUE_REVISION);
  writer.attribute(NFTA_TARGET_INFO, 8).uint16(target.first).uint16(target.total).uint16(flags).uint16(0);
}
