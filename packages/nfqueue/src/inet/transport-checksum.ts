import type { DatagramView } from "./datagram-view.js";
import type { ExtensionHeader } from "./extension-header.js";
import { foldSum, onesComplementSum } from "./internet-checksum.js";
import { setUint16, uint8, uint16 } from "./network-order.js";
import {
  IPPROTO_DSTOPTS,
  IPPROTO_ICMP,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HEADER_LENGTH,
} from "./protocols.js";

/** Where a packet has its transport checksum, from the start of the transport header. */
export function checksumOffset(protocol: number): number {
  if (protocol === IPPROTO_TCP) return 16;
  return protocol === IPPROTO_UDP ? 6 : 2;
}

/** Where the bytes end that the transport checksum covers: UDP has a length of its own. */
function coveredEnd(datagram: DatagramView): number {
  return datagram.payloadOffset + datagram.payloadLength;
}

/**
 * The sum of the pseudo header that a transport checksum covers beside the segment (RFC 9293 3.1, RFC 8200 8.1): 0 for ICMP, which has
 * none, and undefined where the final destination cannot be known.
 */
export function pseudoHeaderSum(datagram: DatagramView): number | undefined {
  const { raw, version, transportOffset, transportLayer } = datagram;
  if (transportLayer === IPPROTO_ICMP) return 0;
  let source = 12;
  let destination = 16;
  let size = 4;
  if (version === 6) {
    size = 16;
    source = 8;
    destination = 24;
    for (const header of datagram.extensionHeaders) {
      if (header.protocol === IPPROTO_ROUTING) {
        const routed = routedDestination(header);
        if (routed === undefined) return undefined;
        destination = routed || destination;
      } else if (header.protocol === IPPROTO_DSTOPTS) source = homeAddress(header) || source;
    }
  } else if (hasSourceRoute(datagram)) return undefined;
  const sum =
    onesComplementSum(raw, source, source + size) +
    onesComplementSum(raw, destination, destination + size) +
    (coveredEnd(datagram) - transportOffset) +
    transportLayer;
  return foldSum(sum);
}

/**
 * Where the last address of a routing header lies that is still to be visited; 0 where there is none, undefined where the type of the
 * header does not tell. Types 0 (RFC 2460, 4.4), 2 (RFC 6275, 6.4) and 4 (RFC 8754, 2: the last segment stands first).
 */
function routedDestination({ offset, bytes }: ExtensionHeader): number | undefined {
  const segmentsLeft = uint8(bytes, 3);
  if (segmentsLeft === 0) return 0;
  const addresses = uint8(bytes, 1) >> 1;
  if (addresses === 0) return undefined;
  switch (uint8(bytes, 2)) {
    case 0:
      return segmentsLeft <= addresses ? offset + 8 + 16 * (addresses - 1) : undefined;
    case 2:
    case 4:
      return offset + 8;
  }
  return undefined;
}

/** Where the home address option lies, which stands for the source address (RFC 6275, 6.3), or 0. */
function homeAddress({ offset, bytes }: ExtensionHeader): number {
  let at = 2;
  while (at + 2 <= bytes.length) {
    const type = uint8(bytes, at);
    const length = uint8(bytes, at + 1);
    if (type === 0xc9 && length === 16 && at + 18 <= bytes.length) return offset + at + 2;
    // Pad1 is the one option without a length.
    at += type === 0 ? 1 : 2 + length;
  }
  return 0;
}

/** True for an IPv4 packet with a source route that is not at its end: where to is a matter of the route's last entry. */
function hasSourceRoute(datagram: DatagramView): boolean {
  const { raw, headerLength = 0 } = datagram;
  let at = IPV4_HEADER_LENGTH;
  while (at < headerLength) {
    const type = uint8(raw, at);
    if (type === 0) return false;
    const length = type === 1 ? 1 : uint8(raw, at + 1);
    if (length === 0 || at + length > headerLength) return false;
    // Loose and strict source route; the pointer counts from 1 (RFC 791, 3.1).
    if ((type === 131 || type === 137) && length >= 3 && uint8(raw, at + 2) <= length) return true;
    at += length;
  }
  return false;
}

/** The sum of the segment, its checksum field included. */
export function segmentSum(datagram: DatagramView): number {
  return onesComplementSum(datagram.raw, datagram.transportOffset, coveredEnd(datagram));
}

/** Writes the checksum of the IPv4 header, and that of TCP, UDP, ICMP or ICMPv6 of a packet that is no fragment. */
export function writeChecksums(datagram: DatagramView): void {
  const { raw, transportLayer } = datagram;
  if (datagram.version === 4) {
    setUint16(raw, 10, 0);
    setUint16(raw, 10, ~onesComplementSum(raw, 0, datagram.headerLength ?? 0) & 0xffff);
  }
  if (transportLayer === 0 || datagram.fragment) return;
  const pseudoHeader = pseudoHeaderSum(datagram);
  if (pseudoHeader === undefined) return;
  const at = datagram.transportOffset + checksumOffset(transportLayer);
  setUint16(raw, at, 0);
  const checksum = ~foldSum(pseudoHeader + segmentSum(datagram)) & 0xffff;
  // In UDP a checksum of 0 means that there is none, and 0xffff is the same number (RFC 768).
  setUint16(raw, at, checksum === 0 && transportLayer === IPPROTO_UDP ? 0xffff : checksum);
}

/** The checksum field of the transport header as it stands. */
export function transportChecksum(datagram: DatagramView): number {
  return uint16(datagram.raw, datagram.transportOffset + checksumOffset(datagram.transportLayer));
}
