import { HOST_IS_LITTLE_ENDIAN } from "../abi.js";

/**
 * The classic capture file with nanosecond timestamps, and the header that netlink has in it. Sources: the IETF draft "PCAP Capture File Format"
 * (draft-ietf-opsawg-pcap), LINKTYPE_NETLINK and LINKTYPE_LINUX_SLL in the list of link-layer header types of tcpdump.org.
 */

/** Magic numbers in the byte order of the file's writer; they tell the unit of the timestamps' fraction. */
export const MAGIC_NANOSECONDS = 0xa1b23c4d;
export const MAGIC_MICROSECONDS = 0xa1b2c3d4;

export const FILE_HEADER_LENGTH = 24;
/** Seconds, fraction, captured length, original length; 4 bytes each. */
export const RECORD_HEADER_LENGTH = 16;
/** Packet type, ARPHRD type, 10 bytes unused, netlink protocol; network byte order. */
export const COOKED_HEADER_LENGTH = 16;

export const LINKTYPE_NETLINK = 253;
export const ARPHRD_NETLINK = 824;

/** Largest record that readers of capture files commonly take (libpcap's MAXIMUM_SNAPLEN). */
export const LARGEST_RECORD = 262_144;

// Packet types (include/uapi/linux/if_packet.h); PACKET_USER and PACKET_KERNEL are what captures of an nlmon device have.
export const PACKET_HOST = 0;
export const PACKET_MULTICAST = 2;
export const PACKET_OUTGOING = 4;
export const PACKET_USER = 6;
export const PACKET_KERNEL = 7;

/** What a record says of the messages in it. */
export interface RecordFields {
  readonly packetType: number;
  readonly protocol: number;
  /** Nanoseconds since 1970. */
  readonly timestamp: bigint;
  readonly bytes: Uint8Array;
}

export function fileHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_NANOSECONDS, HOST_IS_LITTLE_ENDIAN);
  // Version 2.4; then two fields that are 0 by the specification.
  view.setUint16(4, 2, HOST_IS_LITTLE_ENDIAN);
  view.setUint16(6, 4, HOST_IS_LITTLE_ENDIAN);
  view.setUint32(16, LARGEST_RECORD, HOST_IS_LITTLE_ENDIAN);
  view.setUint32(20, LINKTYPE_NETLINK, HOST_IS_LITTLE_ENDIAN);
  return bytes;
}

/** One record, with its own copy of the messages; what exceeds the largest record is cut off. */
export function encodeRecord({ packetType, protocol, timestamp, bytes }: RecordFields): Uint8Array {
  const kept = bytes.subarray(0, LARGEST_RECORD - COOKED_HEADER_LENGTH);
  const record = new Uint8Array(RECORD_HEADER_LENGTH + COOKED_HEADER_LENGTH + kept.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, Number(timestamp / 1_000_000_000n), HOST_IS_LITTLE_ENDIAN);
  view.setUint32(4, Number(timestamp % 1_000_000_000n), HOST_IS_LITTLE_ENDIAN);
  view.setUint32(8, COOKED_HEADER_LENGTH + kept.length, HOST_IS_LITTLE_ENDIAN);
  view.setUint32(12, COOKED_HEADER_LENGTH + bytes.length, HOST_IS_LITTLE_ENDIAN);
  view.setUint16(RECORD_HEADER_LENGTH, packetType);
  view.setUint16(RECORD_HEADER_LENGTH + 2, ARPHRD_NETLINK);
  view.setUint16(RECORD_HEADER_LENGTH + 14, protocol);
  record.set(kept, RECORD_HEADER_LENGTH + COOKED_HEADER_LENGTH);
  return record;
}
