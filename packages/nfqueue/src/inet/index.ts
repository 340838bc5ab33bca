export { Datagram, inet } from "./datagram.js";
export type { DatagramEdit, EditOptions } from "./datagram-edit.js";
export type { DatagramView } from "./datagram-view.js";
export { type DatagramEditCode, DatagramEditError } from "./errors.js";
export type { ExtensionHeader } from "./extension-header.js";
export type { IcmpEdit } from "./icmp-edit.js";
export type { IcmpHeader } from "./icmp-header.js";
export { checksumOf } from "./internet-checksum.js";
export type { Layout, Malformed } from "./layout.js";
export {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TCP_ACK,
  TCP_AE,
  TCP_CWR,
  TCP_ECE,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
} from "./protocols.js";
export type { TcpEdit } from "./tcp-edit.js";
export type { TcpHeader } from "./tcp-header.js";
export type { TcpOption, TcpOptionName, TcpTimestamps } from "./tcp-option.js";
export type { UdpEdit } from "./udp-edit.js";
export type { UdpHeader } from "./udp-header.js";
export {
  type ChecksumState,
  type Checksums,
  type VerifyOptions,
  verifyChecksums,
} from "./verify-checksums.js";
