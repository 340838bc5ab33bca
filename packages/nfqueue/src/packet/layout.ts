import { HOST_IS_LITTLE_ENDIAN, type MessagePlace } from "@nlring/netlink";
import { NFGENMSG_LENGTH, NFQA_MARK, NFQA_PACKET_HDR, NFQA_PAYLOAD } from "../abi.js";

/**
 * Where the parts of a packet message lie that every handler reads, filled by one pass over its attributes and read at once. Of the
 * others it notes only which ones there are, so that asking for one that is not there walks nothing.
 */
export class PacketLayout {
  header = 0;
  mark = 0;
  payload = 0;
  payloadLength = 0;
  /** Bit n for attribute n; see `mayHave`. */
  present = 0;

  /** Notes the offsets in a message of type NFQNL_MSG_PACKET. False where an attribute leaves the message, or there is no header. */
  read(message: MessagePlace): boolean {
    const { view, end } = message;
    let header = 0;
    let mark = 0;
    let payload = end;
    let payloadLength = 0;
    let present = 0;
    let at = message.payloadOffset + NFGENMSG_LENGTH;
    // The last attribute is the payload and may lack its padding.
    while (at + 4 <= end) {
      // struct nlattr by one access: nla_len, then nla_type.
      const attribute = view.getUint32(at, HOST_IS_LITTLE_ENDIAN);
      const length = HOST_IS_LITTLE_ENDIAN ? attribute & 0xffff : attribute >>> 16;
      if (length < 4 || at + length > end) return false;
      const type = HOST_IS_LITTLE_ENDIAN ? attribute >>> 16 : attribute & 0xffff;
      present |= 1 << type;
      switch (type) {
        case NFQA_PACKET_HDR:
          if (length >= 4 + 7) header = at + 4;
          break;
        case NFQA_MARK:
          if (length >= 4 + 4) mark = at + 4;
          break;
        case NFQA_PAYLOAD:
          payload = at + 4;
          payloadLength = length - 4;
          break;
      }
      at += (length + 3) & ~3;
    }
    this.header = header;
    this.mark = mark;
    this.payload = payload;
    this.payloadLength = payloadLength;
    this.present = present;
    return header !== 0;
  }
}

/**
 * False where an attribute is not in the message. A shift takes the low five bits of its right side, so flags of the type fall away and a
 * number beyond 31 shares a bit: it can look as if it were there, and never as if it were not.
 */
export function mayHave(present: number, type: number): boolean {
  return (present & (1 << type)) !== 0;
}
