import { DecodeError, HOST_IS_LITTLE_ENDIAN, type MessagePlace } from "@nlring/netlink";
import { NFGENMSG_LENGTH } from "../abi.js";

/** nla_type without NLA_F_NESTED and NLA_F_NET_BYTEORDER (include/uapi/linux/netlink.h). */
const TYPE_MASK = 0x3fff;

/**
 * Where the first attribute of that type starts, its header included, absolute in the message's view; 0 where there is none. It makes no
 * objects. The lengths were checked when the packet came, and are again: whoever maps the ring can have written there since.
 *
 * @param payload bytes that its payload needs at the least; throws DecodeError where it has fewer
 */
export function findAttribute(message: MessagePlace, type: number, payload: number): number {
  const { view, end } = message;
  let at = message.payloadOffset + NFGENMSG_LENGTH;
  while (at + 4 <= end) {
    const length = view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
    if (length < 4 || at + length > end) {
      throw new DecodeError(`attribute length ${length} does not fit its message`, at - message.offset);
    }
    if ((view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN) & TYPE_MASK) === type) {
      if (length - 4 >= payload) return at;
      throw new DecodeError(
        `attribute ${type} has ${length - 4} bytes where ${payload} are read`,
        at - message.offset,
      );
    }
    at += (length + 3) & ~3;
  }
  return 0;
}

/** A copy of the payload of the attribute that starts at `at`, as `findAttribute` found it. */
export function copyAttribute(message: MessagePlace, at: number): Uint8Array {
  const { buffer, byteOffset } = message.view;
  // Whoever maps the ring can have changed it since it was checked.
  const length = Math.min(message.view.getUint16(at, HOST_IS_LITTLE_ENDIAN), message.end - at);
  return new Uint8Array(buffer, byteOffset + at + 4, Math.max(0, length - 4)).slice();
}
