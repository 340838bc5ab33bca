import { inet } from "./datagram.js";
import type { DatagramView } from "./datagram-view.js";
import { foldSum, onesComplementSum } from "./internet-checksum.js";
import { IPPROTO_TCP, IPPROTO_UDP } from "./protocols.js";
import { pseudoHeaderSum, segmentSum, transportChecksum } from "./transport-checksum.js";

/**
 * "none": the packet has no such checksum, as the IPv6 header, and UDP where it is 0; "partial": the sum of the pseudo header alone,
 * left for the network card to finish; "unknown": a fragment, a cut packet, another protocol, a header that cannot be read.
 */
export type ChecksumState = "right" | "wrong" | "none" | "partial" | "unknown";

/** What is known of a packet's checksums. */
export interface Checksums {
  /** That of the IPv4 header. */
  readonly network: ChecksumState;
  /** That of TCP, UDP, ICMP or ICMPv6. */
  readonly transport: ChecksumState;
}

/** What the kernel says of the packet beside its bytes. */
export interface VerifyOptions {
  /**
   * False where the transport checksum may not be filled in, which `packet.checksumReady` tells: a partial one is then called so.
   * Otherwise it is wrong. Default true.
   */
  readonly checksumReady?: boolean | undefined;
}

/** Says which checksums of a packet are right. Never throws on any bytes. */
export function verifyChecksums(payload: Uint8Array, options: VerifyOptions = {}): Checksums {
  const datagram = inet(payload);
  return {
    network: networkState(datagram),
    transport: transportState(datagram, options.checksumReady === false),
  };
}

function networkState(datagram: DatagramView): ChecksumState {
  const { version, headerLength = 0 } = datagram;
  if (version === undefined) return "unknown";
  if (version === 6) return "none";
  return onesComplementSum(datagram.raw, 0, headerLength) === 0xffff ? "right" : "wrong";
}

function transportState(datagram: DatagramView, mayBePartial: boolean): ChecksumState {
  const { transportLayer } = datagram;
  if (transportLayer === 0 || datagram.fragment || datagram.truncated) return "unknown";
  const checksum = transportChecksum(datagram);
  if (transportLayer === IPPROTO_UDP && checksum === 0) return "none";
  const pseudoHeader = pseudoHeaderSum(datagram);
  if (pseudoHeader === undefined) return "unknown";
  if (foldSum(pseudoHeader + segmentSum(datagram)) === 0xffff) return "right";
  const offloaded = transportLayer === IPPROTO_TCP || transportLayer === IPPROTO_UDP;
  return mayBePartial && offloaded && checksum === pseudoHeader ? "partial" : "wrong";
}
