// IP protocol numbers of <linux/in.h> and <linux/in6.h>, and those of IANA's registry that neither has.
export const IPPROTO_HOPOPTS = 0;
/** ICMP (RFC 792). */
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_IPIP = 4;
/** TCP (RFC 9293). */
export const IPPROTO_TCP = 6;
/** UDP (RFC 768). */
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_GRE = 47;
export const IPPROTO_ESP = 50;
export const IPPROTO_AH = 51;
/** ICMPv6 (RFC 4443). */
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
export const IPPROTO_SCTP = 132;
export const IPPROTO_MH = 135;
export const IPPROTO_HIP = 139;
export const IPPROTO_SHIM6 = 140;

// Bits of `tcpFlags` and `tcp.flags` (RFC 9293, 3.1).
/** The sender has no more data. */
export const TCP_FIN = 0x001;
/** Synchronizes sequence numbers: opens a connection. */
export const TCP_SYN = 0x002;
/** Resets the connection. */
export const TCP_RST = 0x004;
/** Asks for the data to be handed on at once. */
export const TCP_PSH = 0x008;
/** The acknowledgement number counts. */
export const TCP_ACK = 0x010;
/** The urgent pointer counts. */
export const TCP_URG = 0x020;
/** Echoes congestion (RFC 3168). */
export const TCP_ECE = 0x040;
/** The congestion window was reduced (RFC 3168). */
export const TCP_CWR = 0x080;
/** Accurate ECN (RFC 9768), once the nonce sum. */
export const TCP_AE = 0x100;

// Kinds of TCP options (IANA's registry).
export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MAXSEG = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_TIMESTAMP = 8;

export const IPV4_HEADER_LENGTH = 20;
export const IPV6_HEADER_LENGTH = 40;
export const TCP_HEADER_LENGTH = 20;
export const UDP_HEADER_LENGTH = 8;
/** Of ICMP and ICMPv6 alike: type, code, checksum, and four bytes that the type gives a meaning. */
export const ICMP_HEADER_LENGTH = 8;
