import { HOST_IS_LITTLE_ENDIAN } from "@nlring/netlink";
import { uint8, uint16 } from "./network-order.js";

/** From here on the words of a typed array pay for making it. */
const WORDS_PAY = 128;
/** Words whose sum stays below 2 ** 30, where additions of integers are cheapest. */
const WORDS_AT_ONCE = 16_384;

/** Adds the carries of a sum below 2 ** 32 to it: 16 bits. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * The ones' complement sum of bytes [from, end), 16 bits, network byte order (RFC 1071). An odd last byte counts as if a zero followed.
 */
export function onesComplementSum(bytes: Uint8Array, from: number, end: number): number {
  const aligned = ((bytes.byteOffset + from) & 1) === 0;
  if (aligned && end - from >= WORDS_PAY) return sumOfWords(bytes, from, end);
  let sum = 0;
  let at = from;
  while (end - at >= 2) {
    const stop = Math.min(end - 1, at + 2 * WORDS_AT_ONCE);
    for (; at < stop; at += 2) sum += uint16(bytes, at);
    sum = foldSum(sum);
  }
  if (at < end) sum += uint8(bytes, at) << 8;
  return foldSum(sum);
}

/** Adds words of the host's order: the sum comes out with its bytes in that order too (RFC 1071, 2B). */
function sumOfWords(bytes: Uint8Array, from: number, end: number): number {
  const count = (end - from) >> 1;
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset + from, count);
  let sum = 0;
  let word = 0;
  while (word < count) {
    const stop = Math.min(count, word + WORDS_AT_ONCE);
    for (; word < stop; word++) sum += words[word] ?? 0;
    sum = foldSum(sum);
  }
  if (((end - from) & 1) !== 0) sum += uint8(bytes, end - 1) << (HOST_IS_LITTLE_ENDIAN ? 0 : 8);
  const folded = foldSum(sum);
  return HOST_IS_LITTLE_ENDIAN ? ((folded & 0xff) << 8) | (folded >> 8) : folded;
}

/** The internet checksum of bytes as it is written into a header (RFC 1071); 0 over bytes that hold a right one. */
export function checksumOf(bytes: Uint8Array): number {
  return ~onesComplementSum(bytes, 0, bytes.length) & 0xffff;
}
