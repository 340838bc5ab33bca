import { ipAddress } from "../schema/address.js";
import { int32, uint8, uint32 } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import type { trailingBytes, UnknownAttribute, unknownAttributes } from "../schema/remainder.js";
import { struct } from "../schema/struct.js";
import { string } from "../schema/text.js";
import { type Scope, scope } from "./enumerations.js";
import type { Requested } from "./requested.js";

/** An address as it is decoded. */
export interface Address {
  family: number;
  prefixLength: number;
  flags: number;
  scope: Scope;
  index: number;
  address?: string;
  local?: string;
  label?: string;
  broadcast?: string;
  anycast?: string;
  cacheInfo?: {
    preferred: number;
    valid: number;
    created: number;
    updated: number;
    [trailingBytes]?: Uint8Array;
  };
  multicast?: string;
  allFlags?: number;
  routePriority?: number;
  targetNamespace?: number;
  protocol?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** An address as it is asked for: any part may be left out. */
export type AddressRequest = Requested<Address>;

/**
 * Addresses of links: RTM_NEWADDR, RTM_DELADDR and RTM_GETADDR. `index` is the link's. `local` is the link's own address, `address` the
 * other end's of a point-to-point link and else the same; IPv6 has `address` alone where there is no other end. Attributes are IFA_… of
 * include/uapi/linux/if_addr.h.
 */
export const address: MessageSchema<Address, AddressRequest> = message(
  // struct ifaddrmsg
  struct({ family: uint8, prefixLength: uint8, flags: uint8, scope, index: uint32 }),
  {
    address: [1, ipAddress],
    local: [2, ipAddress],
    label: [3, string],
    broadcast: [4, ipAddress],
    anycast: [5, ipAddress],
    // struct ifa_cacheinfo: lifetimes in seconds, 2**32 - 1 for ever; times in hundredths of a second since the start.
    cacheInfo: [6, struct({ preferred: uint32, valid: uint32, created: uint32, updated: uint32 })],
    multicast: [7, ipAddress],
    /** All flags, of which the header has the lowest eight. */
    allFlags: [8, uint32],
    routePriority: [9, uint32],
    targetNamespace: [10, int32],
    protocol: [11, uint8],
  },
);
