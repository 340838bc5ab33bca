import type { Layout } from "./layout.js";
import { uint8, uint16, uint32 } from "./network-order.js";
import {
  TCP_ACK,
  TCP_AE,
  TCP_CWR,
  TCP_ECE,
  TCP_FIN,
  TCP_HEADER_LENGTH,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  TCPOPT_MAXSEG,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "./protocols.js";
import {
  findTcpOption,
  type TcpOption,
  type TcpTimestamps,
  tcpOptionLength,
  tcpOptions,
} from "./tcp-option.js";

/** The TCP header of a packet (RFC 9293, 3.1), read in its place: valid as long as the packet's bytes. */
export class TcpHeader {
  readonly #layout: Layout;

  /** Made by the packet's view. */
  constructor(layout: Layout) {
    this.#layout = layout;
  }

  get sourcePort(): number {
    return this.#uint16(0);
  }

  get destinationPort(): number {
    return this.#uint16(2);
  }

  /** Sequence number, 32 bits. */
  get sequence(): number {
    return uint32(this.#layout.raw, this.#layout.transportOffset + 4);
  }

  /** Acknowledgement number, 32 bits: what is expected next, where `ack` is set. */
  get acknowledgement(): number {
    return uint32(this.#layout.raw, this.#layout.transportOffset + 8);
  }

  /** Bytes of the header with its options: 20 to 60. */
  get headerLength(): number {
    return (uint8(this.#layout.raw, this.#layout.transportOffset + 12) >> 4) * 4;
  }

  /** All flags: the bits TCP_FIN to TCP_AE. */
  get flags(): number {
    return this.#uint16(12) & 0x1ff;
  }

  get fin(): boolean {
    return (this.flags & TCP_FIN) !== 0;
  }

  get syn(): boolean {
    return (this.flags & TCP_SYN) !== 0;
  }

  get rst(): boolean {
    return (this.flags & TCP_RST) !== 0;
  }

  get psh(): boolean {
    return (this.flags & TCP_PSH) !== 0;
  }

  get ack(): boolean {
    return (this.flags & TCP_ACK) !== 0;
  }

  get urg(): boolean {
    return (this.flags & TCP_URG) !== 0;
  }

  get ece(): boolean {
    return (this.flags & TCP_ECE) !== 0;
  }

  get cwr(): boolean {
    return (this.flags & TCP_CWR) !== 0;
  }

  /** Accurate ECN (RFC 9768). */
  get ae(): boolean {
    return (this.flags & TCP_AE) !== 0;
  }

  /** Receive window as sent: to be shifted by the window scale of the connection's first packets. */
  get window(): number {
    return this.#uint16(14);
  }

  /** The checksum as it stands; partial where the packet's `checksumReady` is false. */
  get checksum(): number {
    return this.#uint16(16);
  }

  /** Where urgent data ends, from `sequence`, where `urg` is set. */
  get urgentPointer(): number {
    return this.#uint16(18);
  }

  /** The options in order, without padding, up to the first broken one. */
  get options(): Iterable<TcpOption> {
    return tcpOptions(this.#layout.raw, this.#optionsOffset, this.#layout.payloadOffset);
  }

  /** True where the bytes of the options cannot all be read: `options` ends before them. */
  get optionsMalformed(): boolean {
    const { raw, payloadOffset: end } = this.#layout;
    let at = this.#optionsOffset;
    for (;;) {
      const length = tcpOptionLength(raw, at, end);
      if (length === 0) return at < end && uint8(raw, at) !== 0;
      at += length;
    }
  }

  /** The options' bytes with their padding, as borrowed as the packet. */
  get optionBytes(): Uint8Array {
    return this.#layout.raw.subarray(this.#optionsOffset, this.#layout.payloadOffset);
  }

  /** Bytes that a segment may carry, in packets with `syn`. */
  get maximumSegmentSize(): number | undefined {
    const at = this.#find(TCPOPT_MAXSEG, 4);
    return at < 0 ? undefined : uint16(this.#layout.raw, at + 2);
  }

  /** Bits by which windows are shifted, in packets with `syn`. */
  get windowScale(): number | undefined {
    const at = this.#find(TCPOPT_WINDOW, 3);
    return at < 0 ? undefined : uint8(this.#layout.raw, at + 2);
  }

  get selectiveAcknowledgementPermitted(): boolean {
    return this.#find(TCPOPT_SACK_PERM, 2) >= 0;
  }

  get timestamps(): TcpTimestamps | undefined {
    const at = this.#find(TCPOPT_TIMESTAMP, 10);
    if (at < 0) return undefined;
    const { raw } = this.#layout;
    return { value: uint32(raw, at + 2), echoReply: uint32(raw, at + 6) };
  }

  /** The segment's data, as borrowed as the packet. */
  get payload(): Uint8Array {
    const { raw, payloadOffset, payloadLength } = this.#layout;
    return raw.subarray(payloadOffset, payloadOffset + payloadLength);
  }

  get #optionsOffset(): number {
    return this.#layout.transportOffset + TCP_HEADER_LENGTH;
  }

  #uint16(offset: number): number {
    return uint16(this.#layout.raw, this.#layout.transportOffset + offset);
  }

  /** Where an option of this kind and length begins, or -1. */
  #find(kind: number, length: number): number {
    const { raw, payloadOffset } = this.#layout;
    const at = findTcpOption(raw, this.#optionsOffset, payloadOffset, kind);
    return at >= 0 && uint8(raw, at + 1) === length ? at : -1;
  }
}
