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
  IPPROTO_HOPOPTS,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
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
    const version = Layout.#read(this);
    return version === 4 || version === 6 ? version : undefined;
  }

  /** The first header that could not be read, whether the packet is broken or was cut there; undefined where all could. */
  get malformed(): Malformed | undefined {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#malformed;
  }

  /** Bytes of the packet by its own account, as far as they are here. What follows them is padding and never read. */
  get length(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#end;
  }

  /** True where the packet says that it is longer than what is here: the queue's copy range cut it. */
  get truncated(): boolean {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return (this.#flags & TRUNCATED) !== 0;
  }

  /** True where the length field is 0, as in packets beyond 65,535 bytes (BIG TCP, jumbograms): all that is here is read. */
  get lengthAbsent(): boolean {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return (this.#flags & LENGTH_ABSENT) !== 0;
  }

  /** The IP protocol behind all extension headers, such as 6 for TCP; undefined where these cannot be read. */
  get protocol(): number | undefined {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#protocol < 0 ? undefined : this.#protocol;
  }

  /** True for a part of a fragmented packet. */
  get fragment(): boolean {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return (this.#flags & (MORE_FRAGMENTS | LATER_FRAGMENT)) !== 0;
  }

  /** True where more fragments follow this one. */
  get moreFragments(): boolean {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return (this.#flags & MORE_FRAGMENTS) !== 0;
  }

  /** Bytes from the start of the packet to the fragment header of IPv6; 0 where it has none. */
  get fragmentHeaderOffset(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#fragmentHeader;
  }

  /** Bytes from the start of the packet to what the IP header and its extensions carry; 0 where they cannot be read. */
  get transportOffset(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#transport;
  }

  /** IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6 where that header is here and can be read, else 0. */
  get transportLayer(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#layer;
  }

  /**
   * Bytes from the start of the packet to its payload: behind the header of TCP, UDP or ICMP, and for other protocols and later
   * fragments behind the IP headers. 0 where those cannot be read.
   */
  get payloadOffset(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#payload;
  }

  /** Bytes of the payload that are here. */
  get payloadLength(): number {
    if (this.#version === UNREAD) Layout.#readNetwork(this);
    return this.#payloadEnd - this.#payload;
  }

  /** Reads other bytes from now on: what a rewrite leads to. */
  protected reread(raw: Uint8Array): void {
    this.#raw = raw;
    this.#version = UNREAD;
    this.#protocol = UNREAD;
    this.#transport = NONE;
    this.#layer = NONE;
    this.#payload = NONE;
    this.#payloadEnd = NONE;
    this.#fragmentHeader = NONE;
    this.#flags = NONE;
    this.#malformed = undefined;
  }

  // Private methods would be marked in every object when it is made; static ones cost nothing.
  static #read(layout: Layout): number {
    return layout.#version === UNREAD ? Layout.#readNetwork(layout) : layout.#version;
  }

  static #readNetwork(layout: Layout): number {
    const raw = layout.#raw;
    layout.#version = NONE;
    layout.#end = raw.length;
    const version = uint8(raw, 0) >> 4;
    if (version === 4) Layout.#readIpv4(layout, raw);
    else if (version === 6) Layout.#readIpv6(layout, raw);
    else layout.#malformed = "version";
    return layout.#version;
  }

  static #readIpv4(layout: Layout, raw: Uint8Array): void {
    const headerLength = (uint8(raw, 0) & 0xf) * 4;
    if (headerLength < IPV4_HEADER_LENGTH || headerLength > raw.length) {
      layout.#malformed = "network-header";
      return;
    }
    layout.#version = 4;
    const totalLength = uint16(raw, 2);
    if (totalLength === 0) layout.#flags = LENGTH_ABSENT;
    else if (totalLength < headerLength) {
      layout.#end = headerLength;
      layout.#malformed = "total-length";
      return;
    } else Layout.#bound(layout, totalLength);
    const fragment = uint16(raw, 6);
    if ((fragment & 0x2000) !== 0) layout.#flags |= MORE_FRAGMENTS;
    if ((fragment & 0x1fff) !== 0) layout.#flags |= LATER_FRAGMENT;
    Layout.#readExtensions(layout, uint8(raw, 9), headerLength);
  }

  static #readIpv6(layout: Layout, raw: Uint8Array): void {
    if (raw.length < IPV6_HEADER_LENGTH) {
      layout.#malformed = "network-header";
      return;
    }
    layout.#version = 6;
    const length = uint16(raw, 4);
    const nextHeader = uint8(raw, 6);
    // A length of 0 says that there is nothing, which these cannot be: then the packet is too large for the field.
    const needsContent =
      nextHeader === IPPROTO_TCP || nextHeader === IPPROTO_UDP || nextHeader === IPPROTO_HOPOPTS;
    if (length === 0 && needsContent && raw.length > IPV6_HEADER_LENGTH) {
      layout.#flags = LENGTH_ABSENT;
    } else Layout.#bound(layout, IPV6_HEADER_LENGTH + length);
    Layout.#readExtensions(layout, nextHeader, IPV6_HEADER_LENGTH);
  }

  static #bound(layout: Layout, length: number): void {
    if (length > layout.#raw.length) layout.#flags |= TRUNCATED;
    else layout.#end = length;
  }

  static #readExtensions(layout: Layout, first: number, from: number): void {
    let protocol = first;
    let at = from;
    for (let headers = 0; (layout.#flags & LATER_FRAGMENT) === 0; headers++) {
      const length = extensionHeaderLength(layout.#version, protocol, layout.#raw, at, layout.#end);
      if (length === NO_EXTENSION_HEADER) break;
      if (length === EXTENSION_HEADER_OUTSIDE || headers === MOST_EXTENSION_HEADERS) {
        layout.#malformed = "extension-header";
        return;
      }
      if (protocol === IPPROTO_FRAGMENT) Layout.#readFragment(layout, at);
      protocol = uint8(layout.#raw, at);
      at += length;
    }
    layout.#protocol = protocol;
    layout.#transport = at;
    Layout.#readTransport(layout, protocol, at);
  }

  static #readFragment(layout: Layout, at: number): void {
    layout.#fragmentHeader = at;
    const fragment = uint16(layout.#raw, at + 2);
    if ((fragment & 1) !== 0) layout.#flags |= MORE_FRAGMENTS;
    if ((fragment & 0xfff8) !== 0) layout.#flags |= LATER_FRAGMENT;
  }

  static #readTransport(layout: Layout, protocol: number, at: number): void {
    let payload = at;
    let end = layout.#end;
    if ((layout.#flags & LATER_FRAGMENT) === 0) {
      if (protocol === IPPROTO_TCP) payload = Layout.#tcpPayload(layout, at);
      else if (protocol === IPPROTO_UDP) {
        payload = at + UDP_HEADER_LENGTH;
        if (payload <= end) end = Layout.#udpEnd(layout, at);
      } else if (protocol === (layout.#version === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        payload = at + ICMP_HEADER_LENGTH;
      }
      if (end === NONE || payload > end) {
        layout.#malformed = end === NONE ? "udp-length" : "transport-header";
        return;
      }
      if (payload > at) layout.#layer = protocol;
    }
    layout.#payload = payload;
    layout.#payloadEnd = end;
  }

  /** Where TCP's data begins; beyond the end where the header cannot be read. */
  static #tcpPayload(layout: Layout, at: number): number {
    const end = layout.#end;
    if (at + TCP_HEADER_LENGTH > end) return end + 1;
    const headerLength = (uint8(layout.#raw, at + 12) >> 4) * 4;
    if (headerLength < TCP_HEADER_LENGTH) return end + 1;
    // A packet cut within its options still has ports and flags.
    if ((layout.#flags & TRUNCATED) !== 0) return Math.min(at + headerLength, end);
    return at + headerLength;
  }

  /** Where UDP's data ends, or NONE for an impossible length. */
  static #udpEnd(layout: Layout, at: number): number {
    const length = uint16(layout.#raw, at + 4);
    if (length === 0 && (layout.#flags & LENGTH_ABSENT) !== 0) return layout.#end;
    if (length < UDP_HEADER_LENGTH) return NONE;
    if (at + length <= layout.#end) return at + length;
    return (layout.#flags & (TRUNCATED | MORE_FRAGMENTS | LENGTH_ABSENT)) !== 0 ? layout.#end : NONE;
  }
}
