import {
  attributes,
  decode,
  enumeration,
  ipAddress,
  string,
  uint8,
  uint16Network,
  uint64Network,
} from "@nlring/netlink";
import {
  CTA_COUNTERS_BYTES,
  CTA_COUNTERS_PACKETS,
  CTA_HELP_NAME,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_ICMP_CODE,
  CTA_PROTO_ICMP_ID,
  CTA_PROTO_ICMP_TYPE,
  CTA_PROTO_ICMPV6_CODE,
  CTA_PROTO_ICMPV6_ID,
  CTA_PROTO_ICMPV6_TYPE,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_PROTOINFO_TCP,
  CTA_PROTOINFO_TCP_STATE,
  CTA_PROTOINFO_TCP_WSCALE_ORIGINAL,
  CTA_PROTOINFO_TCP_WSCALE_REPLY,
  CTA_TIMESTAMP_START,
  CTA_TIMESTAMP_STOP,
  CTA_TUPLE_IP,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_ZONE,
} from "./conntrack-abi.js";
import { type ConntrackTcpState, TCP_STATES } from "./conntrack-names.js";

/** One direction of a connection. Each part is undefined where the protocol has no such thing. */
export interface ConntrackTuple {
  /** IPv4 or IPv6 address as text. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  /** Number of the transport protocol, such as 6 for TCP. */
  readonly protocol: number | undefined;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /** Type, code and id of ICMP or ICMPv6. */
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  readonly icmpId: number | undefined;
  /** Zone of this direction, where it is not that of the whole connection. */
  readonly zone: number | undefined;
}

const tuple = attributes({
  addresses: [
    CTA_TUPLE_IP,
    attributes({
      source4: [CTA_IP_V4_SRC, ipAddress],
      destination4: [CTA_IP_V4_DST, ipAddress],
      source6: [CTA_IP_V6_SRC, ipAddress],
      destination6: [CTA_IP_V6_DST, ipAddress],
    }),
  ],
  transport: [
    CTA_TUPLE_PROTO,
    attributes({
      protocol: [CTA_PROTO_NUM, uint8],
      sourcePort: [CTA_PROTO_SRC_PORT, uint16Network],
      destinationPort: [CTA_PROTO_DST_PORT, uint16Network],
      icmpId: [CTA_PROTO_ICMP_ID, uint16Network],
      icmpType: [CTA_PROTO_ICMP_TYPE, uint8],
      icmpCode: [CTA_PROTO_ICMP_CODE, uint8],
      icmp6Id: [CTA_PROTO_ICMPV6_ID, uint16Network],
      icmp6Type: [CTA_PROTO_ICMPV6_TYPE, uint8],
      icmp6Code: [CTA_PROTO_ICMPV6_CODE, uint8],
    }),
  ],
  zone: [CTA_TUPLE_ZONE, uint16Network],
});

export function decodeTuple(bytes: Uint8Array): ConntrackTuple {
  const { addresses = {}, transport = {}, zone } = decode(tuple, bytes);
  return {
    source: addresses.source4 ?? addresses.source6,
    destination: addresses.destination4 ?? addresses.destination6,
    protocol: transport.protocol,
    sourcePort: transport.sourcePort,
    destinationPort: transport.destinationPort,
    icmpType: transport.icmpType ?? transport.icmp6Type,
    icmpCode: transport.icmpCode ?? transport.icmp6Code,
    icmpId: transport.icmpId ?? transport.icmp6Id,
    zone,
  };
}

/** What is tracked of a TCP connection. */
export interface ConntrackTcp {
  readonly state: ConntrackTcpState | undefined;
  /** Shift of the window that the opener offered. */
  readonly windowScaleOriginal: number | undefined;
  /** Shift of the window that the other side offered. */
  readonly windowScaleReply: number | undefined;
}

const protocolInformation = attributes({
  tcp: [
    CTA_PROTOINFO_TCP,
    attributes({
      state: [CTA_PROTOINFO_TCP_STATE, enumeration(TCP_STATES, uint8)],
      windowScaleOriginal: [CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, uint8],
      windowScaleReply: [CTA_PROTOINFO_TCP_WSCALE_REPLY, uint8],
    }),
  ],
});

/** Undefined for connections of other protocols. */
export function decodeTcp(bytes: Uint8Array): ConntrackTcp | undefined {
  const { tcp } = decode(protocolInformation, bytes);
  if (tcp === undefined) return undefined;
  const { state, windowScaleOriginal, windowScaleReply } = tcp;
  return { state, windowScaleOriginal, windowScaleReply };
}

const help = attributes({ name: [CTA_HELP_NAME, string] });

export function decodeHelper(bytes: Uint8Array): string | undefined {
  return decode(help, bytes).name;
}

/** Traffic of one direction of a connection (net.netfilter.nf_conntrack_acct). */
export interface ConntrackCounters {
  readonly packets: bigint;
  /** With their network headers. */
  readonly bytes: bigint;
}

const counters = attributes({
  packets: [CTA_COUNTERS_PACKETS, uint64Network],
  bytes: [CTA_COUNTERS_BYTES, uint64Network],
});

export function decodeCounters(bytes: Uint8Array): ConntrackCounters | undefined {
  const { packets, bytes: octets } = decode(counters, bytes);
  return packets === undefined || octets === undefined ? undefined : { packets, bytes: octets };
}

/** When a connection began and ended (net.netfilter.nf_conntrack_timestamp): nanoseconds since 1970. */
export interface ConntrackTimestamps {
  readonly start: bigint | undefined;
  /** Undefined while it lasts. */
  readonly stop: bigint | undefined;
}

const timestamps = attributes({
  start: [CTA_TIMESTAMP_START, uint64Network],
  stop: [CTA_TIMESTAMP_STOP, uint64Network],
});

export function decodeTimestamps(bytes: Uint8Array): ConntrackTimestamps {
  const { start, stop } = decode(timestamps, bytes);
  return { start, stop };
}
