import { ipAddress, macAddress } from "../schema/address.js";
import { attributes } from "../schema/attribute-set.js";
import { padding } from "../schema/bytes.js";
import { int32, uint8, uint16, uint32 } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import { struct } from "../schema/struct.js";
import { string } from "../schema/text.js";

// include/uapi/linux/rtnetlink.h
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

export const RTNLGRP_LINK = 1;
export const RTNLGRP_IPV4_IFADDR = 5;
export const RTNLGRP_IPV4_ROUTE = 7;

export const AF_INET = 2;
export const IFF_UP = 1;
export const RT_TABLE_MAIN = 254;
export const LOOPBACK_INDEX = 1;

/** Values to encode: what is left out is 0, or absent. */
type Values<Message> = { readonly [Name in keyof Message]?: Message[Name] | undefined };

export interface Link {
  family: number;
  deviceType: number;
  index: number;
  flags: number;
  change: number;
  address?: string;
  name?: string;
  mtu?: number;
  linkInfo?: { kind?: string | undefined };
}

export interface Address {
  family: number;
  prefixLength: number;
  flags: number;
  scope: number;
  index: number;
  address?: string;
  local?: string;
  label?: string;
}

export interface Route {
  family: number;
  destinationLength: number;
  sourceLength: number;
  typeOfService: number;
  shortTable: number;
  protocol: number;
  scope: number;
  routeType: number;
  flags: number;
  destination?: string;
  outputInterface?: number;
  gateway?: string;
  priority?: number;
  table?: number;
}

/** struct ifinfomsg and what is needed of its attributes (include/uapi/linux/if_link.h). */
export const link: MessageSchema<Link, Values<Link>> = message(
  struct({ family: uint8, pad: padding(1), deviceType: uint16, index: int32, flags: uint32, change: uint32 }),
  {
    address: [1, macAddress],
    name: [3, string],
    mtu: [4, uint32],
    linkInfo: [18, attributes({ kind: [1, string] })],
  },
);

/** struct ifaddrmsg (include/uapi/linux/if_addr.h). */
export const address: MessageSchema<Address, Values<Address>> = message(
  struct({ family: uint8, prefixLength: uint8, flags: uint8, scope: uint8, index: uint32 }),
  { address: [1, ipAddress], local: [2, ipAddress], label: [3, string] },
);

/** struct rtmsg; a table beyond 255 has its number in the attribute alone. */
export const route: MessageSchema<Route, Values<Route>> = message(
  struct({
    family: uint8,
    destinationLength: uint8,
    sourceLength: uint8,
    typeOfService: uint8,
    shortTable: uint8,
    protocol: uint8,
    scope: uint8,
    routeType: uint8,
    flags: uint32,
  }),
  {
    destination: [1, ipAddress],
    outputInterface: [4, uint32],
    gateway: [5, ipAddress],
    priority: [6, uint32],
    table: [15, uint32],
  },
);
