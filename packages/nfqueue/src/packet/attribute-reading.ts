import { DecodeError, HOST_IS_LITTLE_ENDIAN, type MessagePlace } from "@nlring/netlink";
import { NFQA_HWADDR, NFQA_SKB_INFO, NFQA_TIMESTAMP } from "../abi.js";
import { copyAttribute, findAttribute } from "./attribute-walk.js";
import { mayHave } from "./layout.js";
import type { Family, Hook } from "./packet-attributes.js";

/**
 * One function for each format that attributes of a packet have. They are no base class of Packet, since making an object of a class that
 * extends another took 15 ns more a packet (Node 20), where reading its id, mark and a byte takes 57. `present` is what PacketLayout noted of the message; all of them throw
 * DecodeError for an attribute that breaks its format.
 */

const FAMILIES: ReadonlyMap<number, Family> = new Map([
  [2, "ip"],
  [3, "arp"],
  [5, "netdev"],
  [7, "bridge"],
  [10, "ip6"],
]);
const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];
/** struct nfqnl_msg_packet_hw: length, padding, and room for this many bytes. */
const HARDWARE_ADDRESS_ROOM = 8;
/** By hand and not by the type macAddress, whose views and copies take ten times as long. */
const OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) =>
  octet.toString(16).padStart(2, "0"),
);

export function readFamily(message: MessagePlace): Family {
  return FAMILIES.get(message.view.getUint8(message.payloadOffset)) ?? "unknown";
}

/** @param header where struct nfqnl_msg_packet_hdr starts */
export function readHook(view: DataView, header: number): Hook {
  return HOOKS[view.getUint8(header + 6)] ?? "unknown";
}

/** Network byte order; undefined where there is no such attribute. */
export function readUint32(message: MessagePlace, present: number, type: number): number | undefined {
  const at = find(message, present, type, 4);
  return at === 0 ? undefined : message.view.getUint32(at + 4);
}

/** A copy; undefined where there is no such attribute. */
export function readBytes(message: MessagePlace, present: number, type: number): Uint8Array | undefined {
  const at = find(message, present, type, 0);
  return at === 0 ? undefined : copyAttribute(message, at);
}

/** Whether a bit of NFQA_SKB_INFO is set. */
export function hasInfo(message: MessagePlace, present: number, bit: number): boolean {
  return ((readUint32(message, present, NFQA_SKB_INFO) ?? 0) & bit) !== 0;
}

/** struct nfqnl_msg_packet_timestamp, seconds and microseconds in network byte order, as nanoseconds. */
export function readTimestamp(message: MessagePlace, present: number): bigint | undefined {
  const at = find(message, present, NFQA_TIMESTAMP, 16);
  if (at === 0) return undefined;
  return message.view.getBigUint64(at + 4) * 1_000_000_000n + message.view.getBigUint64(at + 12) * 1000n;
}

/** The address of struct nfqnl_msg_packet_hw, as text. */
export function readHardwareAddress(message: MessagePlace, present: number): string | undefined {
  const at = find(message, present, NFQA_HWADDR, 4);
  if (at === 0) return undefined;
  const { view } = message;
  const length = view.getUint16(at + 4);
  const room = view.getUint16(at, HOST_IS_LITTLE_ENDIAN) - 8;
  if (length > HARDWARE_ADDRESS_ROOM || length > room) {
    throw new DecodeError(
      `a hardware address of ${length} bytes in ${room} bytes of room`,
      at - message.offset,
    );
  }
  if (length === 0) return "";
  let text = OCTETS[view.getUint8(at + 8)] ?? "";
  for (let octet = 1; octet < length; octet++) text += `:${OCTETS[view.getUint8(at + 8 + octet)]}`;
  return text;
}

function find(message: MessagePlace, present: number, type: number, payload: number): number {
  return mayHave(present, type) ? findAttribute(message, type, payload) : 0;
}
