import { DatagramEdit, type EditOptions } from "./datagram-edit.js";
import { DatagramView } from "./datagram-view.js";

/** A packet read in place. Nothing is read before it is asked for, and the view is valid as long as the bytes it was given. */
export class Datagram extends DatagramView {
  /**
   * The packet that an ICMP or ICMPv6 error is about, as far as the error holds it: mostly `truncated`. Undefined in every other packet.
   */
  get embedded(): Datagram | undefined {
    const message = this.icmp ?? this.icmpv6;
    return message?.error ? new Datagram(message.payload) : undefined;
  }

  /**
   * Begins a rewrite of the packet: in a copy, or in place where asked. Throws DatagramEditError: ERR_PACKET_MALFORMED,
   * ERR_PACKET_TRUNCATED, ERR_PACKET_TOO_LONG for a packet beyond 65,535 bytes, ERR_CHECKSUM_UNKNOWN where its final destination, and
   * with it its checksum, cannot be known.
   */
  edit(options?: EditOptions): DatagramEdit {
    return new DatagramEdit(this, options);
  }
}

/** A view of a packet's headers: `packet.payload`, or any bytes that begin with an IPv4 or IPv6 header. */
export function inet(payload: Uint8Array): Datagram {
  return new Datagram(payload);
}
