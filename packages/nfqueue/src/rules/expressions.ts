import type { MessageWriter } from "@nlring/netlink";
import {
  NFQUEUE_REVISION,
  NFT_CMP_EQ,
  NFT_META_L4PROTO,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFT_REG_1,
  NFTA_CMP_DATA,
  NFTA_CMP_OP,
  NFTA_CMP_SREG,
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
  NFTA_QUEUE_NUM,
  NFTA_QUEUE_TOTAL,
  NFTA_TARGET_INFO,
  NFTA_TARGET_NAME,
  NFTA_TARGET_REV,
} from "./abi.js";

/** How a rule hands a packet to its queue: nftables' own expression, or the xtables target through nft_compat. */
export type QueueStatement = "queue expression" | "NFQUEUE target";

/** One expression of a rule: its name, and what its data holds. */
function expression(writer: MessageWriter, name: string, write: (writer: MessageWriter) => void): void {
  const element = writer.openNested(NFTA_LIST_ELEM);
  writer.attributeString(NFTA_EXPR_NAME, name);
  const data = writer.openNested(NFTA_EXPR_DATA);
  write(writer);
  writer.closeNested(data);
  writer.closeNested(element);
}

/** Goes on only where register 1 equals the value. */
function compare(writer: MessageWriter, value: Uint8Array): void {
  expression(writer, "cmp", () => {
    writer.attributeUint32Network(NFTA_CMP_SREG, NFT_REG_1).attributeUint32Network(NFTA_CMP_OP, NFT_CMP_EQ);
    const data = writer.openNested(NFTA_CMP_DATA);
    writer.attributeBytes(NFTA_DATA_VALUE, value);
    writer.closeNested(data);
  });
}

/** Matches the transport protocol, by its IP protocol number; IPv6 extension headers are looked past. */
export function matchProtocol(writer: MessageWriter, protocol: number): void {
  expression(writer, "meta", () => {
    writer
      .attributeUint32Network(NFTA_META_KEY, NFT_META_L4PROTO)
      .attributeUint32Network(NFTA_META_DREG, NFT_REG_1);
  });
  compare(writer, Uint8Array.of(protocol));
}

/** Matches the destination port, which TCP, UDP, SCTP and DCCP have at byte 2 of their header. */
export function matchDestinationPort(writer: MessageWriter, port: number): void {
  expression(writer, "payload", () => {
    writer
      .attributeUint32Network(NFTA_PAYLOAD_DREG, NFT_REG_1)
      .attributeUint32Network(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER)
      .attributeUint32Network(NFTA_PAYLOAD_OFFSET, 2)
      .attributeUint32Network(NFTA_PAYLOAD_LEN, 2);
  });
  compare(writer, Uint8Array.of(port >> 8, port & 0xff));
}

export function queuePacket(writer: MessageWriter, queue: number, statement: QueueStatement): void {
  if (statement === "queue expression") {
    expression(writer, "queue", () => {
      writer.attributeUint16Network(NFTA_QUEUE_NUM, queue).attributeUint16Network(NFTA_QUEUE_TOTAL, 1);
    });
    return;
  }
  expression(writer, "target", () => {
    writer
      .attributeString(NFTA_TARGET_NAME, "NFQUEUE")
      .attributeUint32Network(NFTA_TARGET_REV, NFQUEUE_REVISION);
    writer.attribute(NFTA_TARGET_INFO, 8).uint16(queue).uint16(1).uint16(0).uint16(0);
  });
}
