import { decode, ipAddress } from "@nlring/netlink";
import { type ExtensionHeader, extensionHeaderLength } from "./extension-header.js";
import { IcmpHeader } from "./icmp-header.js";
import { Layout } from "./layout.js";
import { uint8, uint16, uint32 } from "./network-order.js";
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
} from "./protocols.js";
import { TcpHeader } from "./tcp-header.js";
import { UdpHeader } from "./udp-header.js";

/**
 * What the headers of an IPv4 or IPv6 packet say, read in place when asked. Nothing here throws on any bytes: what a packet does not
 * have, or what cannot be read, is undefined, and `malformed` says why. Numbers are in host order.
 */
export class DatagramView extends Layout {
  #header: TcpHeader | UdpHeader | IcmpHeader | undefined = undefined;

  /** Source address as text, IPv6 in the form of RFC 5952. Costs more than the other forms of it. */
  get source(): string | undefined {
    const bytes = this.sourceBytes;
    return bytes && decode(ipAddress, bytes);
  }

  /** Destination address as text, IPv6 in the form of RFC 5952. Costs more than the other forms of it. */
  get destination(): string | undefined {
    const bytes = this.destinationBytes;
    return bytes && decode(ipAddress, bytes);
  }

  /** The 4 or 16 bytes of the source address, as borrowed as the packet. */
  get sourceBytes(): Uint8Array | undefined {
    switch (this.version) {
      case 4:
        return this.raw.subarray(12, 16);
      case 6:
        return this.raw.subarray(8, 24);
    }
    return undefined;
  }

  /** The 4 or 16 bytes of the destination address, as borrowed as the packet. */
  get destinationBytes(): Uint8Array | undefined {
    switch (this.version) {
      case 4:
        return this.raw.subarray(16, 20);
      case 6:
        return this.raw.subarray(24, 40);
    }
    return undefined;
  }

  /** 32 bits of the source address as a number: the whole of IPv4's; of IPv6's the words 0 to 3, most significant first. */
  sourceWord(word = 0): number | undefined {
    return addressWord(this, 12, 8, word);
  }

  /** 32 bits of the destination address as a number: the whole of IPv4's; of IPv6's the words 0 to 3, most significant first. */
  destinationWord(word = 0): number | undefined {
    return addressWord(this, 16, 24, word);
  }

  /** Hops that are left: time to live in IPv4. */
  get hopLimit(): number | undefined {
    const { version } = this;
    if (version === undefined) return undefined;
    return uint8(this.raw, version === 4 ? 8 : 7);
  }

  /** Differentiated services code point, 6 bits (RFC 2474). */
  get dscp(): number | undefined {
    const trafficClass = trafficClassOf(this);
    return trafficClass === undefined ? undefined : trafficClass >> 2;
  }

  /** Explicit congestion notification, 2 bits (RFC 3168): 3 is congestion experienced. */
  get ecn(): number | undefined {
    const trafficClass = trafficClassOf(this);
    return trafficClass === undefined ? undefined : trafficClass & 3;
  }

  /** What the fragments of a packet have in common: 16 bits in IPv4, 32 in IPv6, which has it in fragments alone. */
  get identification(): number | undefined {
    switch (this.version) {
      case 4:
        return uint16(this.raw, 4);
      case 6:
        return this.fragmentHeaderOffset === 0 ? undefined : uint32(this.raw, this.fragmentHeaderOffset + 4);
    }
    return undefined;
  }

  /** Bytes of the original packet's content before this fragment's; 0 in a first fragment and in a whole packet. */
  get fragmentOffset(): number {
    switch (this.version) {
      case 4:
        return (uint16(this.raw, 6) & 0x1fff) * 8;
      case 6:
        return this.fragmentHeaderOffset === 0 ? 0 : uint16(this.raw, this.fragmentHeaderOffset + 2) & 0xfff8;
    }
    return 0;
  }

  /** IPv4: routers may not fragment the packet. Routers never fragment IPv6. */
  get dontFragment(): boolean | undefined {
    return this.version === 4 ? (uint16(this.raw, 6) & 0x4000) !== 0 : undefined;
  }

  /** IPv6 flow label, 20 bits. */
  get flowLabel(): number | undefined {
    return this.version === 6 ? uint32(this.raw, 0) & 0xf_ffff : undefined;
  }

  /** IPv4 header checksum as it stands. */
  get headerChecksum(): number | undefined {
    return this.version === 4 ? uint16(this.raw, 10) : undefined;
  }

  /** Bytes of the IPv4 header with its options, or 40, those of the IPv6 header. */
  get headerLength(): number | undefined {
    switch (this.version) {
      case 4:
        return (uint8(this.raw, 0) & 0xf) * 4;
      case 6:
        return IPV6_HEADER_LENGTH;
    }
    return undefined;
  }

  /** The options of the IPv4 header with their padding, as borrowed as the packet. */
  get optionBytes(): Uint8Array | undefined {
    return this.version === 4 ? this.raw.subarray(IPV4_HEADER_LENGTH, this.headerLength) : undefined;
  }

  /** The headers between IP header and transport, in order, up to the first that does not fit. In IPv4, authentication alone. */
  get extensionHeaders(): Iterable<ExtensionHeader> {
    return extensionHeadersOf(this);
  }

  /** Source port of TCP or UDP, without making a view of that header. */
  get sourcePort(): number | undefined {
    const layer = this.transportLayer;
    return layer === IPPROTO_TCP || layer === IPPROTO_UDP
      ? uint16(this.raw, this.transportOffset)
      : undefined;
  }

  /** Destination port of TCP or UDP, without making a view of that header. */
  get destinationPort(): number | undefined {
    const layer = this.transportLayer;
    return layer === IPPROTO_TCP || layer === IPPROTO_UDP
      ? uint16(this.raw, this.transportOffset + 2)
      : undefined;
  }

  /** Flags of TCP, the bits TCP_FIN to TCP_AE, without making a view of its header. */
  get tcpFlags(): number | undefined {
    return this.transportLayer === IPPROTO_TCP
      ? uint16(this.raw, this.transportOffset + 12) & 0x1ff
      : undefined;
  }

  /** The TCP header; undefined in other packets, later fragments, and where it cannot be read. */
  get tcp(): TcpHeader | undefined {
    if (this.transportLayer !== IPPROTO_TCP) return undefined;
    if (!(this.#header instanceof TcpHeader)) this.#header = new TcpHeader(this);
    return this.#header;
  }

  /** The UDP header; undefined in other packets, later fragments, and where it cannot be read. */
  get udp(): UdpHeader | undefined {
    if (this.transportLayer !== IPPROTO_UDP) return undefined;
    if (!(this.#header instanceof UdpHeader)) this.#header = new UdpHeader(this);
    return this.#header;
  }

  /** The ICMP header of an IPv4 packet; undefined in other packets, later fragments, and where it cannot be read. */
  get icmp(): IcmpHeader | undefined {
    return DatagramView.#icmp(this, IPPROTO_ICMP);
  }

  /** The ICMPv6 header of an IPv6 packet; undefined in other packets, later fragments, and where it cannot be read. */
  get icmpv6(): IcmpHeader | undefined {
    return DatagramView.#icmp(this, IPPROTO_ICMPV6);
  }

  /** What the packet carries from `payloadOffset` on, as borrowed as the packet; undefined where its headers cannot be read. */
  get payload(): Uint8Array | undefined {
    const offset = this.payloadOffset;
    return offset === 0 ? undefined : this.raw.subarray(offset, offset + this.payloadLength);
  }

  static #icmp(datagram: DatagramView, protocol: number): IcmpHeader | undefined {
    if (datagram.transportLayer !== protocol) return undefined;
    if (!(datagram.#header instanceof IcmpHeader)) datagram.#header = new IcmpHeader(datagram);
    return datagram.#header;
  }
}

function addressWord(
  datagram: DatagramView,
  offset4: number,
  offset6: number,
  word: number,
): number | undefined {
  if (!Number.isInteger(word) || word < 0) return undefined;
  const { version } = datagram;
  if (version === 4) return word === 0 ? uint32(datagram.raw, offset4) : undefined;
  return version === 6 && word < 4 ? uint32(datagram.raw, offset6 + word * 4) : undefined;
}

function trafficClassOf(datagram: DatagramView): number | undefined {
  switch (datagram.version) {
    case 4:
      return uint8(datagram.raw, 1);
    case 6:
      return (uint16(datagram.raw, 0) >> 4) & 0xff;
  }
  return undefined;
}

function* extensionHeadersOf(datagram: DatagramView): Generator<ExtensionHeader, void> {
  const { version, raw } = datagram;
  if (version === undefined) return;
  let protocol = uint8(raw, version === 4 ? 9 : 6);
  let at = datagram.headerLength ?? 0;
  // The layout knows where the chain ends: for later fragments too, whose content may look like one more header.
  const end = datagram.transportOffset || datagram.length;
  for (;;) {
    const length = extensionHeaderLength(version, protocol, raw, at, end);
    if (length <= 0) return;
    yield { protocol, offset: at, bytes: raw.subarray(at, at + length) };
    protocol = uint8(raw, at);
    at += length;
  }
}
