import type { Layout } from "./layout.js";
import { uint8, uint16, uint32 } from "./network-order.js";

/** The ICMP or ICMPv6 header of a packet (RFC 792, RFC 4443), read in its place: valid as long as the packet's bytes. */
export class IcmpHeader {
  readonly #layout: Layout;

  /** Made by the packet's view. */
  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Such as 8 for an echo request of ICMP, and 128 for one of ICMPv6. */
  get type(): number {
    return uint8(this.#layout.raw, this.#layout.transportOffset);
  }

  get code(): number {
    return uint8(this.#layout.raw, this.#layout.transportOffset + 1);
  }

  get checksum(): number {
    return uint16(this.#layout.raw, this.#layout.transportOffset + 2);
  }

  /** The four bytes behind the checksum as a number, whatever the type makes of them. */
  get rest(): number {
    return uint32(this.#layout.raw, this.#layout.transportOffset + 4);
  }

  /** The first half of `rest`: the identifier of an echo. */
  get identifier(): number {
    return uint16(this.#layout.raw, this.#layout.transportOffset + 4);
  }

  /** The second half of `rest`: the sequence number of an echo. */
  get sequence(): number {
    return uint16(this.#layout.raw, this.#layout.transportOffset + 6);
  }

  /** True for the types that tell of an error and hold the start of the packet it is about. */
  get error(): boolean {
    const { type } = this;
    // ICMPv6 has its errors below 128; ICMP's are unreachable, source quench, redirect, time exceeded, parameter problem.
    if (this.#layout.version === 6) return type < 128;
    return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
  }

  /** What follows the eight bytes of the header, as borrowed as the packet. */
  get payload(): Uint8Array {
    const { raw, payloadOffset, payloadLength } = this.#layout;
    return raw.subarray(payloadOffset, payloadOffset + payloadLength);
  }
}
