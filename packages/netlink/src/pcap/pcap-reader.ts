import { HOST_IS_LITTLE_ENDIAN } from "../abi.js";
import { DecodeError } from "../errors.js";
import {
  ARPHRD_NETLINK,
  COOKED_HEADER_LENGTH,
  FILE_HEADER_LENGTH,
  LINKTYPE_NETLINK,
  MAGIC_MICROSECONDS,
  MAGIC_NANOSECONDS,
  PACKET_KERNEL,
  PACKET_MULTICAST,
  PACKET_OUTGOING,
  RECORD_HEADER_LENGTH,
} from "./pcap-format.js";

/** What was sent or received in one piece. */
export interface PcapRecord {
  /** The netlink protocol, such as NETLINK_ROUTE. */
  readonly protocol: number;
  /** Seen from the process that captured. */
  readonly direction: "sent" | "received";
  /** True where it was received as a member of a multicast group. */
  readonly multicast: boolean;
  /** Nanoseconds since 1970. */
  readonly timestamp: bigint;
  /** The messages, in host byte order: a view of the file's bytes. Nothing in it was checked. */
  readonly bytes: Uint8Array;
  /** Bytes that there were to capture; more than `bytes` holds where the capture cut them off. */
  readonly originalLength: number;
}

/**
 * Reads a capture of netlink: classic pcap of either resolution, not pcapng. In the captures of other programs, records whose packet type says
 * nothing of a direction count as received.
 *
 * Throws DecodeError, whose offset counts from the start of the file, where the bytes are no such file or end in the middle of a record, which may
 * be after the records before it; and where the file comes from a machine of the other byte order, whose messages nothing here could read.
 */
export function* readPcap(file: Uint8Array): Generator<PcapRecord, void, undefined> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const unit = readFileHeader(view);
  let offset = FILE_HEADER_LENGTH;
  while (offset < file.length) {
    const record = offset + RECORD_HEADER_LENGTH;
    if (record > file.length) throw new DecodeError("the capture ends in a record's header", offset);
    const length = view.getUint32(offset + 8, HOST_IS_LITTLE_ENDIAN);
    const end = record + length;
    if (end > file.length) throw new DecodeError(`a record of ${length} bytes leaves the capture`, offset);
    if (length < COOKED_HEADER_LENGTH) throw new DecodeError("a record without a netlink header", offset);
    if (view.getUint16(record + 2) !== ARPHRD_NETLINK) {
      throw new DecodeError(`a record of hardware type ${view.getUint16(record + 2)}`, record + 2);
    }
    const packetType = view.getUint16(record);
    const seconds = BigInt(view.getUint32(offset, HOST_IS_LITTLE_ENDIAN));
    const fraction = BigInt(view.getUint32(offset + 4, HOST_IS_LITTLE_ENDIAN));
    const originalLength = view.getUint32(offset + 12, HOST_IS_LITTLE_ENDIAN);
    yield {
      protocol: view.getUint16(record + 14),
      direction: packetType === PACKET_OUTGOING || packetType === PACKET_KERNEL ? "sent" : "received",
      multicast: packetType === PACKET_MULTICAST,
      timestamp: seconds * 1_000_000_000n + fraction * unit,
      bytes: new Uint8Array(
        file.buffer,
        file.byteOffset + record + COOKED_HEADER_LENGTH,
        length - COOKED_HEADER_LENGTH,
      ),
      originalLength: Math.max(originalLength, length) - COOKED_HEADER_LENGTH,
    };
    offset = end;
  }
}

/** Checks the file's header and returns the nanoseconds that a timestamp's fraction counts. */
function readFileHeader(view: DataView): bigint {
  if (view.byteLength < FILE_HEADER_LENGTH) throw new DecodeError("too short for a capture", view.byteLength);
  const magic = view.getUint32(0, HOST_IS_LITTLE_ENDIAN);
  const swapped = view.getUint32(0, !HOST_IS_LITTLE_ENDIAN);
  if (swapped === MAGIC_NANOSECONDS || swapped === MAGIC_MICROSECONDS) {
    throw new DecodeError("a capture from a machine of the other byte order", 0);
  }
  if (magic !== MAGIC_NANOSECONDS && magic !== MAGIC_MICROSECONDS) {
    throw new DecodeError("no pcap file (pcapng is another format: convert it)", 0);
  }
  // The upper bits say whether frames have check sequences, of which netlink has none.
  const linkType = view.getUint32(20, HOST_IS_LITTLE_ENDIAN) & 0xffff;
  if (linkType !== LINKTYPE_NETLINK) throw new DecodeError(`a capture of link type ${linkType}`, 20);
  return magic === MAGIC_NANOSECONDS ? 1n : 1000n;
}
