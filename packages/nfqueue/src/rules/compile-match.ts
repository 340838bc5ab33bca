import { encode, uint32 } from "@nlring/netlink";
import {
  ETH_P_IP,
  ETH_P_IPV6,
  IFNAMSIZ,
  NFPROTO_BRIDGE,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_CT_MARK,
  NFT_CT_STATE,
  NFT_META_IIF,
  NFT_META_IIFNAME,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIF,
  NFT_META_OIFNAME,
  NFT_META_PROTOCOL,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
} from "./abi.js";
import { compareBytes, prefixMask } from "./address-range.js";
import type { AddressRange, CheckedMatch, Condition, IpFamily } from "./condition.js";
import type { Expression, Load, QueueStatement, Test } from "./expressions.js";

const UTF8 = new TextEncoder();

/** Offset of the source and destination address in the network header. */
export const ADDRESS_OFFSETS = {
  ip: { source: 12, destination: 16, length: 4 },
  ip6: { source: 8, destination: 24, length: 16 },
} as const;
/** Offset of the ports in the header of each transport protocol that has them. */
export const PORT_OFFSETS = { sourcePort: 0, destinationPort: 2 } as const;

/**
 * The expressions of a match in a table of one family (NFPROTO_*), without counter and queue. What narrows most and costs least comes first,
 * as the rule is left at the first that does not fit.
 */
export function compileMatch(match: CheckedMatch, tableFamily: number): Expression[] {
  const expressions = familyTest(match, tableFamily);
  for (const condition of match.conditions) expressions.push(...compileCondition(condition));
  return expressions;
}

/** Where the packets of a fitting match go. */
export function compileQueue(
  match: Pick<CheckedMatch, "queues" | "bypass" | "fanout">,
  statement: QueueStatement,
): Expression {
  const [first, last] = match.queues;
  return {
    name: "queue",
    statement,
    target: { first, total: last - first + 1, bypass: match.bypass, fanout: match.fanout },
  };
}

/** A table of both families, or of a bridge, asks for the family that the match is of. */
function familyTest({ family, bridged }: CheckedMatch, tableFamily: number): Expression[] {
  if (tableFamily === NFPROTO_INET && (family === "ip" || family === "ip6")) {
    const protocol = family === "ip" ? NFPROTO_IPV4 : NFPROTO_IPV6;
    return [{ name: "meta", key: NFT_META_NFPROTO }, equals(Uint8Array.of(protocol), false)];
  }
  if (tableFamily === NFPROTO_BRIDGE && bridged !== undefined) {
    return [{ name: "meta", key: NFT_META_PROTOCOL }, equals(networkUint16(etherType(bridged)), false)];
  }
  return [];
}

export function etherType(family: IpFamily): number {
  return family === "ip" ? ETH_P_IP : ETH_P_IPV6;
}

function compileCondition(condition: Condition): Expression[] {
  const { negated } = condition;
  switch (condition.part) {
    case "protocol":
      return [{ name: "meta", key: NFT_META_L4PROTO }, equals(Uint8Array.of(condition.protocol), negated)];
    case "source":
    case "destination":
      return compileAddresses(condition.part, condition.addresses, negated);
    case "sourcePort":
    case "destinationPort": {
      const load: Load = {
        name: "payload",
        base: NFT_PAYLOAD_TRANSPORT_HEADER,
        offset: PORT_OFFSETS[condition.part],
        length: 2,
      };
      return [load, between(networkUint16(condition.from), networkUint16(condition.to), negated)];
    }
    case "inputInterface":
      return compileDevice(condition.device, NFT_META_IIF, NFT_META_IIFNAME, negated);
    case "outputInterface":
      return compileDevice(condition.device, NFT_META_OIF, NFT_META_OIFNAME, negated);
    case "mark":
      return compileMark({ name: "meta", key: NFT_META_MARK }, condition.value, condition.mask, negated);
    case "conntrackMark":
      return compileMark({ name: "ct", key: NFT_CT_MARK }, condition.value, condition.mask, negated);
    case "conntrackState":
      // One of the wanted bits is set: what is left of the mask is not nothing.
      return [
        { name: "ct", key: NFT_CT_STATE },
        { name: "bitwise", mask: hostUint32(condition.states) },
        equals(hostUint32(0), !negated),
      ];
  }
}

function compileAddresses(
  part: "source" | "destination",
  { family, from, to, prefix }: AddressRange,
  negated: boolean,
): Expression[] {
  if (prefix === 0) return [];
  const { length, [part]: offset } = ADDRESS_OFFSETS[family];
  const load: Load = { name: "payload", base: NFT_PAYLOAD_NETWORK_HEADER, offset, length };
  if (prefix === undefined || prefix === length * 8) return [load, between(from, to, negated)];
  return [load, { name: "bitwise", mask: prefixMask(length, prefix) }, equals(from, negated)];
}

function compileDevice(
  device: string | number,
  indexKey: number,
  nameKey: number,
  negated: boolean,
): Expression[] {
  if (typeof device === "number") {
    return [{ name: "meta", key: indexKey }, equals(hostUint32(device), negated)];
  }
  // A name is compared with the zeros behind it; what stands before a * without.
  const text = UTF8.encode(device.endsWith("*") ? device.slice(0, -1) : device);
  const value = new Uint8Array(device.endsWith("*") ? text.length : IFNAMSIZ);
  value.set(text);
  return [{ name: "meta", key: nameKey }, equals(value, negated)];
}

function compileMark(load: Load, value: number, mask: number, negated: boolean): Expression[] {
  if (mask === 0xffff_ffff) return [load, equals(hostUint32(value), negated)];
  return [load, { name: "bitwise", mask: hostUint32(mask) }, equals(hostUint32(value), negated)];
}

function equals(value: Uint8Array, negated: boolean): Test {
  return { name: "cmp", negated, value };
}

function between(from: Uint8Array, to: Uint8Array, negated: boolean): Test {
  if (compareBytes(from, to) === 0) return equals(from, negated);
  return { name: "range", negated, from, to };
}

function networkUint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function hostUint32(value: number): Uint8Array {
  return encode(uint32, value);
}
