import type { DatagramView } from "./datagram-view.js";
import { DatagramEditError } from "./errors.js";
import { setUint16, setUint32, uint16 } from "./network-order.js";
import {
  IPPROTO_AH,
  IPPROTO_ESP,
  IPPROTO_GRE,
  IPPROTO_HIP,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_MH,
  IPPROTO_NONE,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_HEADER_LENGTH,
} from "./protocols.js";
import { pseudoHeaderSum } from "./transport-checksum.js";

/** What the length fields of IPv4 (the whole packet) and IPv6 (all behind its header) can say. */
const MOST_LENGTH = 65_535;
/** Bytes that a copy has free from the start, enough for most answers, so that growth is rarely a second copy. */
const FIRST_ROOM = 512;

/** Protocols that cover no address by a checksum, next to TCP, UDP, ICMP and ICMPv6, whose checksums are made anew. */
const ADDRESS_FREE: ReadonlySet<number> = new Set([
  IPPROTO_ICMP,
  IPPROTO_IGMP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_GRE,
  IPPROTO_ESP,
  IPPROTO_NONE,
  IPPROTO_SCTP,
]);

/** The bytes that a rewrite works on: checked writes, and room that grows, with the length fields following. */
export class EditMemory {
  readonly #datagram: DatagramView;
  readonly #adopt: (raw: Uint8Array) => void;
  #room: Uint8Array;

  /** Takes the bytes of a packet that can be rewritten; throws DatagramEditError for any other. `adopt` is told where the bytes are. */
  constructor(
    datagram: DatagramView,
    source: DatagramView,
    inPlace: boolean,
    adopt: (raw: Uint8Array) => void,
  ) {
    checkEditable(source);
    this.#datagram = datagram;
    this.#adopt = adopt;
    const { length } = source;
    if (inPlace) this.#room = source.raw.subarray(0, length);
    else {
      this.#room = new Uint8Array(length + FIRST_ROOM);
      this.#room.set(source.raw.subarray(0, length));
    }
    adopt(this.#room.subarray(0, length));
  }

  /** Writes an unsigned integer of 1, 2 or 4 bytes, network byte order. */
  write(name: string, at: number, size: 1 | 2 | 4, value: number): void {
    checkRange(name, value, 2 ** (8 * size) - 1);
    const { raw } = this.#datagram;
    if (size === 1) raw[at] = value;
    else if (size === 2) setUint16(raw, at, value);
    else setUint32(raw, at, value);
  }

  /** Writes into the transport header, whose checksum covers it. */
  writeTransport(name: string, offset: number, size: 1 | 2 | 4, value: number): void {
    this.requireChecksum(name);
    this.write(name, this.#datagram.transportOffset + offset, size, value);
  }

  /** Throws where the packet is one whose transport checksum cannot be made anew. */
  requireChecksum(name: string): void {
    if (this.#datagram.fragment) {
      throw new DatagramEditError(
        "ERR_FRAGMENT",
        `${name} of a fragment cannot be changed, since its checksum covers the fragments that are not here: queue packets where ` +
          "conntrack has put them together",
      );
    }
    this.#requireNoAuthentication(name);
  }

  /** Throws where a checksum would have to follow a new address and cannot. */
  requireAddressChange(name: string): void {
    const { protocol = IPPROTO_NONE } = this.#datagram;
    if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_ICMPV6) {
      this.requireChecksum(name);
      return;
    }
    this.#requireNoAuthentication(name);
    if (!ADDRESS_FREE.has(protocol) || this.#hasMobilityHeader()) {
      throw new DatagramEditError(
        "ERR_CHECKSUM_UNKNOWN",
        `${name} cannot be changed: a checksum of IP protocol ${protocol} may cover it, and it is none that is known here`,
      );
    }
  }

  /**
   * Replaces `removed` bytes at an offset by others; the lengths of IP and UDP follow. `dataOffset` is the new one of TCP, in bytes, where
   * its options change.
   */
  splice(at: number, removed: number, inserted: Uint8Array, dataOffset?: number): void {
    const { raw, version, transportOffset, transportLayer } = this.#datagram;
    const length = raw.length - removed + inserted.length;
    const accounted = version === 4 ? length : length - IPV6_HEADER_LENGTH;
    if (accounted > MOST_LENGTH) {
      throw new DatagramEditError(
        "ERR_PACKET_TOO_LONG",
        `the packet would have ${length} bytes, and its length field ends at ${MOST_LENGTH}: insert ${accounted - MOST_LENGTH} fewer`,
      );
    }
    // What is inserted may be a part of this very packet, which moves.
    const bytes = inserted.buffer === raw.buffer ? inserted.slice() : inserted;
    if (length <= this.#room.length) this.#room.copyWithin(at + bytes.length, at + removed, raw.length);
    else {
      const room = new Uint8Array(Math.max(length, Math.min(2 * length, MOST_LENGTH + IPV6_HEADER_LENGTH)));
      room.set(raw.subarray(0, at));
      room.set(raw.subarray(at + removed), at + bytes.length);
      this.#room = room;
    }
    const result = this.#room.subarray(0, length);
    result.set(bytes, at);
    setUint16(result, version === 4 ? 2 : 4, accounted);
    if (transportLayer === IPPROTO_UDP) {
      const lengthOffset = transportOffset + 4;
      setUint16(result, lengthOffset, uint16(result, lengthOffset) + bytes.length - removed);
    }
    if (dataOffset !== undefined) {
      result[transportOffset + 12] = ((dataOffset / 4) << 4) | ((result[transportOffset + 12] ?? 0) & 0xf);
    }
    this.#adopt(result);
  }

  #requireNoAuthentication(name: string): void {
    for (const header of this.#datagram.extensionHeaders) {
      if (header.protocol === IPPROTO_AH) {
        throw new DatagramEditError(
          "ERR_CHECKSUM_UNKNOWN",
          `${name} cannot be changed: the packet's authentication header (IPsec) covers it, and only its sender can make that anew`,
        );
      }
    }
  }

  /** True where a header of mobility or host identity stands before the protocol: their checksums cover the addresses. */
  #hasMobilityHeader(): boolean {
    for (const { protocol } of this.#datagram.extensionHeaders) {
      if (protocol === IPPROTO_MH || protocol === IPPROTO_HIP) return true;
    }
    return false;
  }
}

/** Throws where a value is no integer from 0 to `most`. */
export function checkRange(name: string, value: number, most: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= most)) {
    throw new DatagramEditError(
      "ERR_OUT_OF_RANGE",
      `${name} ${String(value)}: it takes integers from 0 to ${most}`,
    );
  }
}

/** Throws where a value is no byte array. */
export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new DatagramEditError("ERR_OUT_OF_RANGE", `${name} takes a Uint8Array, not ${typeof value}`);
  }
}

function checkEditable(datagram: DatagramView): void {
  if (datagram.malformed !== undefined && !datagram.truncated) {
    throw new DatagramEditError(
      "ERR_PACKET_MALFORMED",
      `the packet's headers cannot be read (${datagram.malformed}): accept or drop it as it is`,
    );
  }
  if (datagram.truncated) {
    throw new DatagramEditError(
      "ERR_PACKET_TRUNCATED",
      "the queue's copy range cut the packet, and the rest would be lost: raise it to rewrite packets of this size",
    );
  }
  if (datagram.lengthAbsent) {
    throw new DatagramEditError(
      "ERR_PACKET_TOO_LONG",
      "the packet's length field is 0, as in packets beyond 65,535 bytes, which cannot be rewritten: accept or drop it as it is",
    );
  }
  if (datagram.transportLayer !== 0 && !datagram.fragment && pseudoHeaderSum(datagram) === undefined) {
    throw new DatagramEditError(
      "ERR_CHECKSUM_UNKNOWN",
      "the packet has a source route or routing header that does not tell its final destination, which its checksum covers: " +
        "accept or drop it as it is",
    );
  }
}
