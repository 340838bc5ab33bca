import {
  EXTENSION_HEADER_OUTSIDE,
  extensionHeaderLength,
  MOST_EXTENSION_HEADERS,
  NO_EXTENSION_HEADER,
} from "./extension-header.js";
import { uint8, uint16 } from "./network-order.js";
import {
  ICMP_HEADER_LENGTH,
  IPPROTO_FRAGMENT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_NONE,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  TCP_HEADER_LENGTH,
  UDP_HEADER_LENGTH,
} from "./protocols.js";

/**
 * Why a header could not be read. "version": neither IPv4 nor IPv6, or nothing at all; "network-header": the IP header does not fit;
 * "total-length": less than the IP header; "extension-header": one does not fit, or there are more than 32; "transport-header": that
 * of TCP, UDP or ICMP does not fit, or has an impossible length; "udp-length": less than the UDP header or more than the packet.
 */
export type Malformed =
  | "version"
  | "network-header"
  | "total-length"
  | "extension-header"
  | "transport-header"
  | "udp-length";

const UNREAD = -1;
const NONE = 0;

const TRUNCATED = 1;
const LENGTH_ABSENT = 2;
const MORE_FRAGMENTS = 4;
const LATER_FRAGMENT = 8;

/** Where the headers of a packet lie: read once, at the first question, and never outside the bytes given. */
export class Layout {
  #raw: Uint8Array;
  #version = UNREAD;
  #end = 0;
  #protocol = UNREAD;
  #transport = NONE;
  /** The protocol whose header can be read. */
  #layer = NONE;
  #payload = NONE;
  #payloadEnd = NONE;
  #fragmentHeader = NONE;
  #flags = NONE;
  #malformed: Malformed | undefined = undefined;

  constructor(raw: Uint8Array) {
    this.#raw = raw;
  }

  /** The bytes that are read, IP header first. */
  get raw(): Uint8Array {
    return this.#raw;
  }

  /** 4 or 6; undefined where no IP header can be read, and with it everything else. */
  get version(): 4 | 6 | undefined {
    const version = this.#read();
    return version === 4 || version === 6 ? version : undefined;
  }

  /** The first header that could not be read, whether the packet is broken or was cut there; undefined where all could. */
  get malformed(): Malformed | undefined {
    this.#read();
    return this.#malformed;
  }

  /** Bytes of the packet by its own account, as far as they are here. What follows them is padding and never read. */
  get length(): number {
    this.#read();
    return this.#end;
  }

  /** True where the packet says that it is longer than what is here: the queue's copy range cut it. */
  get truncated(): boolean {
    this.#read();
    return (this.#flags & TRUNCATED) !== 0;
  }

  /** True where the length field is 0, as in packets beyond 65,535 bytes (BIG TCP, jumbograms): all that is here is read. */
  get lengthAbsent(): boolean {
    this.#read();
    return (this.#flags & LENGTH_ABSENT) !== 0;
  }

  /** The IP protocol behind all extension headers, such as 6 for TCP; undefined where these cannot be read. */
  get protocol(): number | undefined {
    this.#read();
    return this.#protocol < 0 ? undefined : this.#protocol;
  }

  /** True for a part of a fragmented packet. */
  get fragment(): boolean {
    this.#read();
    return (this.#flags & (MORE_FRAGMENTS | LATER_FRAGMENT)) !== 0;
  }

  /** True where more fragments follow this one. */
  get moreFragments(): boolean {
    this.#read();
    return (this.#flags & MORE_FRAGMENTS) !== 0;
  }

  /** Bytes from the start of the packet to the fragment header of IPv6; 0 where it has none. */
  get fragmentHeaderOffset(): number {
    this.#read();
    return this.#fragmentHeader;
  }

  /** Bytes from the start of the packet to what the IP header and its extensions carry; 0 where they cannot be read. */
  get transportOffset(): number {
    this.#read();
    return this.#transport;
  }

  /** IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6 where that header is here and can be read, else 0. */
  get transportLayer(): number {
    this.#read();
    return this.#layer;
  }

  /**
   * Bytes from the start of the packet to its payload: behind the header of TCP, UDP or ICMP, and for other protocols and later
   * fragments behind the IP headers. 0 where those cannot be read.
   */
  get payloadOffset(): number {
    this.#read();
    return this.#payload;
  }

  /** Bytes of the payload that are here. */
  get payloadLength(): number {
    this.#read();
    return this.#payloadEnd - this.#payload;
  }

  /** Reads other bytes from now on: what a rewrite leads to. */
  protected reread(raw: Uint8Array): void {
    this.#raw = raw;
    this.#version = UNREAD;
  }

  #read(): number {
    return this.#version === UNREAD ? this.#readNetwork() : this.#version;
  }

  #readNetwork(): number {
    const raw = this.#raw;
    this.#version = NONE;
    this.#end = raw.length;
    this.#protocol = UNREAD;
    this.#transport = NONE;
    this.#layer = NONE;
    this.#payload = NONE;
    this.#payloadEnd = NONE;
    this.#fragmentHeader = NONE;
    this.#flags = NONE;
    this.#malformed = undefined;
    const version = uint8(raw, 0) >> 4;
    if (version === 4) this.#readIpv4(raw);
    else if (version === 6) this.#readIpv6(raw);
    else this.#malformed = "version";
    return this.#version;
  }

  #readIpv4(raw: Uint8Array): void {
    const headerLength = (uint8(raw, 0) & 0xf) * 4;
    if (headerLength < IPV4_HEADER_LENGTH || headerLength > raw.length) {
      this.#malformed = "network-header";
      return;
    }
    this.#version = 4;
    const totalLength = uint16(raw, 2);
    if (totalLength === 0) this.#flags = LENGTH_ABSENT;
    else if (totalLength < headerLength) {
      this.#end = headerLength;
      this.#malformed = "total-length";
      return;
    } else this.#bound(totalLength);
    const fragment = uint16(raw, 6);
    if ((fragment & 0x2000) !== 0) this.#flags |= MORE_FRAGMENTS;
    if ((fragment & 0x1fff) !== 0) this.#flags |= LATER_FRAGMENT;
    this.#readExtensions(uint8(raw, 9), headerLength);
  }

  #readIpv6(raw: Uint8Array): void {
    if (raw.length < IPV6_HEADER_LENGTH) {
      this.#malformed = "network-header";
      return;
    }
    this.#version = 6;
    const length = uint16(raw, 4);
    const nextHeader = uint8(raw, 6);
    // A length of 0 is that of a packet without content, or of one too large for the field.
    if (length === 0 && nextHeader !== IPPROTO_NONE && raw.length > IPV6_HEADER_LENGTH) {
      this.#flags = LENGTH_ABSENT;
    } else this.#bound(IPV6_HEADER_LENGTH + length);
    this.#readExtensions(nextHeader, IPV6_HEADER_LENGTH);
  }

  #bound(length: number): void {
    if (length > this.#raw.length) this.#flags |= TRUNCATED;
    else this.#end = length;
  }

  #readExtensions(first: number, from: number): void {
    let protocol = first;
    let at = from;
    for (let headers = 0; (this.#flags & LATER_FRAGMENT) === 0; headers++) {
      const length = extensionHeaderLength(this.#version, protocol, this.#raw, at, this.#end);
      if (length === NO_EXTENSION_HEADER) break;
      if (length === EXTENSION_HEADER_OUTSIDE || headers === MOST_EXTENSION_HEADERS) {
        this.#malformed = "extension-header";
        return;
      }
      if (protocol === IPPROTO_FRAGMENT) this.#readFragment(at);
      protocol = uint8(this.#raw, at);
      at += length;
    }
    this.#protocol = protocol;
    this.#transport = at;
    this.#readTransport(protocol, at);
  }

  #readFragment(at: number): void {
    this.#fragmentHeader = at;
    const fragment = uint16(this.#raw, at + 2);
    if ((fragment & 1) !== 0) this.#flags |= MORE_FRAGMENTS;
    if ((fragment & 0xfff8) !== 0) this.#flags |= LATER_FRAGMENT;
  }

  #readTransport(protocol: number, at: number): void {
    let payload = at;
    let end = this.#end;
    if ((this.#flags & LATER_FRAGMENT) === 0) {
      if (protocol === IPPROTO_TCP) payload = this.#tcpPayload(at);
      else if (protocol === IPPROTO_UDP) {
        payload = at + UDP_HEADER_LENGTH;
        if (payload <= end) end = this.#udpEnd(at);
      } else if (protocol === (this.#version === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        payload = at + ICMP_HEADER_LENGTH;
      }
      if (end === NONE || payload > end) {
        this.#malformed = end === NONE ? "udp-length" : "transport-header";
        return;
      }
      if (payload > at) this.#layer = protocol;
    }
    this.#payload = payload;
    this.#payloadEnd = end;
  }

  /** Where TCP's data begins; beyond the end where the header cannot be read. */
  #tcpPayload(at: number): number {
    const end = this.#end;
    if (at + TCP_HEADER_LENGTH > end) return end + 1;
    const headerLength = (uint8(this.#raw, at + 12) >> 4) * 4;
    if (headerLength < TCP_HEADER_LENGTH) return end + 1;
    // A packet cut within its options still has ports and flags.
    if ((this.#flags & TRUNCATED) !== 0) return Math.min(at + headerLength, end);
    return at + headerLength;
  }

  /** Where UDP's data ends, or NONE for an impossible length. */
  #udpEnd(at: number): number {
    const length = uint16(this.#raw, at + 4);
    if (length === 0 && (this.#flags & LENGTH_ABSENT) !== 0) return this.#end;
    if (length < UDP_HEADER_LENGTH) return NONE;
    if (at + length <= this.#end) return at + length;
    return (this.#flags & (TRUNCATED | MORE_FRAGMENTS | LENGTH_ABSENT)) !== 0 ? this.#end : NONE;
  }
}
