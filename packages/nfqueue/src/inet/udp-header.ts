import type { Layout } from "./layout.js";
import { uint16 } from "./network-order.js";

/** The UDP header of a packet (RFC 768), read in its place: valid as long as the packet's bytes. */
export class UdpHeader {
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

  /** Bytes of header and payload as the header says: more than are here in a packet that was cut, and in a first fragment. */
  get length(): number {
    return this.#uint16(4);
  }

  /** The checksum as it stands: 0 for none, partial where the packet's `checksumReady` is false. */
  get checksum(): number {
    return this.#uint16(6);
  }

  /** The datagram's data, as borrowed as the packet. */
  get payload(): Uint8Array {
    const { raw, payloadOffset, payloadLength } = this.#layout;
    return raw.subarray(payloadOffset, payloadOffset + payloadLength);
  }

  #uint16(offset: number): number {
    return uint16(this.#layout.raw, this.#layout.transportOffset + offset);
  }
}
