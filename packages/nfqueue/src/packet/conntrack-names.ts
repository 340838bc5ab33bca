/**
 * How a packet stands to its connection (enum ip_conntrack_info, include/uapi/linux/netfilter/nf_conntrack_common.h): "new" opens one,
 * "related" belongs to another, as an ICMP error does; those that end in "reply" go against the direction of the first packet.
 */
export type ConntrackInfo =
  | "established"
  | "related"
  | "new"
  | "established-reply"
  | "related-reply"
  | "new-reply"
  | "untracked"
  | "unknown";

const INFOS: readonly ConntrackInfo[] = [
  "established",
  "related",
  "new",
  "established-reply",
  "related-reply",
  "new-reply",
  "unknown",
  "untracked",
];

export function conntrackInfoOf(number: number): ConntrackInfo {
  return INFOS[number] ?? "unknown";
}

/** Bits of a connection's status (enum ip_conntrack_status, include/uapi/linux/netfilter/nf_conntrack_common.h) by their number. */
const STATUSES = [
  "expected",
  "seen-reply",
  "assured",
  "confirmed",
  "source-nat",
  "destination-nat",
  "sequence-adjust",
  "source-nat-done",
  "destination-nat-done",
  "dying",
  "fixed-timeout",
  "template",
  "untracked",
  "helper",
  "offload",
  "hardware-offload",
] as const;

/** A bit of a connection's status. */
export type ConntrackStatus = (typeof STATUSES)[number];

/** Names of the bits that are set, the lowest first. */
export function conntrackStatusOf(bits: number): ConntrackStatus[] {
  return STATUSES.filter((_, bit) => (bits & (1 << bit)) !== 0);
}

/** States of a tracked TCP connection by their number (enum tcp_conntrack, include/uapi/linux/netfilter/nf_conntrack_tcp.h). */
export const TCP_STATES = {
  none: 0,
  "syn-sent": 1,
  "syn-received": 2,
  established: 3,
  "fin-wait": 4,
  "close-wait": 5,
  "last-ack": 6,
  "time-wait": 7,
  close: 8,
  "syn-sent-2": 9,
} as const;

/** State of a tracked TCP connection; a number where a newer kernel has more. */
export type ConntrackTcpState = keyof typeof TCP_STATES | number;
