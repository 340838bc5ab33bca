// What every consumer does with a packet, so that they are compared at the same work. consumer.c does the same in C.
//
// accept     lets it pass
// inspect    lets it pass after reading the first 64 bytes of its payload
// drop-half  drops it where the first word of its payload is odd
// rewrite    lets it pass with 8 bytes of its payload replaced and a whole checksum

/** @typedef {"accept" | "inspect" | "drop-half" | "rewrite"} Work */

/** A packet of this length is a mark: it begins what is measured, and the next one ends it. */
export const MARK_LENGTH = 29;
/** One of this length is held until the second mark. */
export const HELD_LENGTH = 30;
/** Bytes of payload that are read. */
export const INSPECTED = 64;

/**
 * Replaces 8 bytes of an IPv4 packet's UDP payload, and its checksum.
 *
 * @param {DataView} view
 * @param {number} start where the packet begins in the view
 * @param {number} length of the packet
 */
export function rewrite(view, start, length) {
  view.setUint32(start + 36, 0xa5a5a5a5);
  view.setUint32(start + 40, 0xa5a5a5a5);
  const datagram = start + 20;
  view.setUint16(datagram + 6, 0);
  let sum = 17 + length - 20;
  for (let at = start + 12; at < datagram; at += 2) sum += view.getUint16(at);
  const end = start + length;
  let at = datagram;
  for (; at + 1 < end; at += 2) sum += view.getUint16(at);
  if (at < end) sum += view.getUint8(at) << 8;
  sum = (sum & 0xffff) + (sum >>> 16);
  const checksum = ~(sum + (sum >>> 16)) & 0xffff;
  view.setUint16(datagram + 6, checksum === 0 ? 0xffff : checksum);
}
