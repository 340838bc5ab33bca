/** Where in its way through the host a packet is queued. */
export type MatchHook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** IPv4, IPv6, both, or frames that a bridge passes on. */
export type MatchFamily = "ip" | "ip6" | "inet" | "bridge";

/** An address ("10.0.0.1"), a network ("10.0.0.0/8", "fd00::/8"), or a range with both of its ends. */
export type AddressMatch = string | readonly [from: string, to: string];

/** A number, or a range with both of its ends. */
export type PortMatch = number | readonly [from: number, to: number];

/** A number of 32 bits; with a mask, the bits that count. */
export type MarkMatch = number | { readonly value: number; readonly mask: number };

/** What conntrack says of a packet; "invalid" is also what it has not seen. */
export type ConntrackState = "new" | "established" | "related" | "invalid" | "untracked";

/** What is asked of a packet. */
export interface MatchParts {
  /** Transport protocol, by name or IP protocol number; IPv6 extension headers are looked past. */
  readonly protocol?: ProtocolName | number | undefined;
  /** It makes the match one of the address's family. */
  readonly source?: AddressMatch | undefined;
  readonly destination?: AddressMatch | undefined;
  /** It needs a protocol that has ports. Fragments behind the first have none, and do not fit. */
  readonly sourcePort?: PortMatch | undefined;
  readonly destinationPort?: PortMatch | undefined;
  /** A name, where a * at the end stands for anything, or an index. On the hooks prerouting, input and forward. */
  readonly inputInterface?: string | number | undefined;
  /** On the hooks forward, output and postrouting. */
  readonly outputInterface?: string | number | undefined;
  readonly mark?: MarkMatch | undefined;
  /** The mark of the packet's connection. */
  readonly conntrackMark?: MarkMatch | undefined;
  /** One of these. */
  readonly conntrackState?: ConntrackState | readonly ConntrackState[] | undefined;
}

/** Which packets a rule queues: those that all parts of it fit. */
export interface Match extends MatchParts {
  readonly hook: MatchHook;
  /** "inet" where undefined, or the family of the addresses; "bridge" where the kernel has nftables' queue expression. */
  readonly family?: MatchFamily | undefined;
  /** Parts of which none may fit. Addresses in it make the match one of their family, too. */
  readonly not?: MatchParts | undefined;
  /**
   * Order among all base chains of the hook, the lower first; 0 where undefined. An accepted packet goes on with the next chain. Among equal
   * ones the order is the kernel's.
   */
  readonly priority?: number | undefined;
  /** Lets packets pass while nobody listens on their queue, instead of dropping them. */
  readonly bypass?: boolean | undefined;
  /** First and last of the queues that share the packets, each connection staying with one; the rules' own queue is among them. */
  readonly queues?: readonly [first: number, last: number] | undefined;
  /** Shares them by the processor that a packet comes on, instead of by connection. */
  readonly fanout?: boolean | undefined;
}

/** Protocols by the names that nft and /etc/protocols have for them. */
export type ProtocolName =
  | "icmp"
  | "igmp"
  | "tcp"
  | "udp"
  | "dccp"
  | "gre"
  | "esp"
  | "ah"
  | "icmpv6"
  | "sctp"
  | "udplite";

export const PROTOCOLS: ReadonlyMap<ProtocolName, number> = new Map<ProtocolName, number>([
  ["icmp", 1],
  ["igmp", 2],
  ["tcp", 6],
  ["udp", 17],
  ["dccp", 33],
  ["gre", 47],
  ["esp", 50],
  ["ah", 51],
  ["icmpv6", 58],
  ["sctp", 132],
  ["udplite", 136],
]);
