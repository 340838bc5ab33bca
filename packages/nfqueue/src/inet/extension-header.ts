import { uint8 } from "./network-order.js";
import {
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HIP,
  IPPROTO_HOPOPTS,
  IPPROTO_MH,
  IPPROTO_ROUTING,
  IPPROTO_SHIM6,
} from "./protocols.js";

/** A header between the IP header and the transport's, in its place in the packet: `bytes` is as borrowed as the packet. */
export interface ExtensionHeader {
  /** What it is: 0 hop-by-hop options, 43 routing, 44 fragment, 51 authentication, 60 destination options, 135 mobility. */
  readonly protocol: number;
  /** Bytes from the start of the packet. */
  readonly offset: number;
  /** The whole header, its next-header field first. */
  readonly bytes: Uint8Array;
}

/** No honest packet has as many; a hostile one must not cost thousands of steps. */
export const MOST_EXTENSION_HEADERS = 32;

/** Lengths that `extensionHeaderLength` says in place of one. */
export const NO_EXTENSION_HEADER = 0;
export const EXTENSION_HEADER_OUTSIDE = -1;

/**
 * Bytes of the extension header of this protocol at an offset, always 8 or more; NO_EXTENSION_HEADER where the protocol is none, and
 * EXTENSION_HEADER_OUTSIDE where it does not end by `end`. IPv4 has the authentication header alone. RFC 8200 (4), RFC 4302 (2.2).
 */
export function extensionHeaderLength(
  version: number,
  protocol: number,
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  let length: number;
  switch (protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_MH:
    case IPPROTO_HIP:
    case IPPROTO_SHIM6:
      if (version === 4) return NO_EXTENSION_HEADER;
      length = (uint8(bytes, at + 1) + 1) * 8;
      break;
    case IPPROTO_FRAGMENT:
      if (version === 4) return NO_EXTENSION_HEADER;
      length = 8;
      break;
    case IPPROTO_AH:
      length = (uint8(bytes, at + 1) + 2) * 4;
      break;
    default:
      return NO_EXTENSION_HEADER;
  }
  return at + length <= end ? length : EXTENSION_HEADER_OUTSIDE;
}
