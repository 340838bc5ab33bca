import { ipAddress } from "../schema/address.js";
import { attributes } from "../schema/attribute-set.js";
import { padding } from "../schema/bytes.js";
import { enumeration } from "../schema/enumeration.js";
import { int32, uint8, uint16Network, uint32 } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import type { trailingBytes, UnknownAttribute, unknownAttributes } from "../schema/remainder.js";
import { struct } from "../schema/struct.js";
import { structWithAttributes } from "../schema/struct-with-attributes.js";
import { string } from "../schema/text.js";
import { type RouteProtocol, routeProtocol, type Scope, scope } from "./enumerations.js";
import { NextHopsType } from "./next-hops.js";
import type { Requested } from "./requested.js";

/** RTAX_… of a route. */
export interface RouteMetrics {
  lock?: number;
  mtu?: number;
  window?: number;
  roundTripTime?: number;
  roundTripTimeVariance?: number;
  slowStartThreshold?: number;
  congestionWindow?: number;
  advertisedMss?: number;
  reordering?: number;
  hopLimit?: number;
  initialCongestionWindow?: number;
  features?: number;
  minimumRetransmissionTimeout?: number;
  initialReceiveWindow?: number;
  quickAcknowledgement?: number;
  congestionControl?: string;
  [unknownAttributes]?: UnknownAttribute[];
}

/** One way of several that a route has. */
export interface NextHop {
  flags: number;
  /** The weight less 1. */
  hops: number;
  index: number;
  gateway?: string;
  flow?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A route as it is decoded. */
export interface Route {
  family: number;
  destinationLength: number;
  sourceLength: number;
  tos: number;
  shortTable: number;
  protocol: RouteProtocol;
  scope: Scope;
  type:
    | "unspecified"
    | "unicast"
    | "local"
    | "broadcast"
    | "anycast"
    | "multicast"
    | "blackhole"
    | "unreachable"
    | "prohibit"
    | "throw"
    | "nat"
    | number;
  flags: number;
  destination?: string;
  source?: string;
  inputInterface?: number;
  outputInterface?: number;
  gateway?: string;
  priority?: number;
  preferredSource?: string;
  metrics?: RouteMetrics;
  nextHops?: NextHop[];
  flow?: number;
  cacheInfo?: {
    references: number;
    lastUse: number;
    expires: number;
    error: number;
    used: number;
    id: number;
    timestamp: number;
    timestampAge: number;
    [trailingBytes]?: Uint8Array;
  };
  table?: number;
  mark?: number;
  preference?: number;
  expires?: number;
  user?: number;
  ttlPropagate?: number;
  ipProtocol?: number;
  sourcePort?: number;
  destinationPort?: number;
  nextHopId?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A route as it is asked for: any part may be left out. */
export type RouteRequest = Requested<Route>;

/** struct rtnexthop, whose length NextHopsType fills in. `hops` is the weight less 1. */
const nextHopHeader = struct({ length: padding(2), flags: uint8, hops: uint8, index: int32 });

const nextHop = structWithAttributes(nextHopHeader, {
  gateway: [5, ipAddress],
  flow: [11, uint32],
});

/** RTAX_… */
const metrics = attributes({
  lock: [1, uint32],
  mtu: [2, uint32],
  window: [3, uint32],
  roundTripTime: [4, uint32],
  roundTripTimeVariance: [5, uint32],
  slowStartThreshold: [6, uint32],
  congestionWindow: [7, uint32],
  advertisedMss: [8, uint32],
  reordering: [9, uint32],
  hopLimit: [10, uint32],
  initialCongestionWindow: [11, uint32],
  features: [12, uint32],
  minimumRetransmissionTimeout: [13, uint32],
  initialReceiveWindow: [14, uint32],
  quickAcknowledgement: [15, uint32],
  congestionControl: [16, string],
});

/**
 * IPv4 and IPv6 routes: RTM_NEWROUTE, RTM_DELROUTE and RTM_GETROUTE. `table` is the table; the header's `shortTable` has room for the numbers up
 * to 255 alone, and counts where `table` is absent. A route without `destination` is the default route, of its family. Attributes are RTA_… of
 * include/uapi/linux/rtnetlink.h.
 */
export const route: MessageSchema<Route, RouteRequest> = message(
  // struct rtmsg
  struct({
    family: uint8,
    destinationLength: uint8,
    sourceLength: uint8,
    tos: uint8,
    shortTable: uint8,
    protocol: routeProtocol,
    scope,
    type: enumeration(
      {
        unspecified: 0,
        unicast: 1,
        local: 2,
        broadcast: 3,
        anycast: 4,
        multicast: 5,
        blackhole: 6,
        unreachable: 7,
        prohibit: 8,
        throw: 9,
        nat: 10,
      },
      uint8,
    ),
    flags: uint32,
  }),
  {
    destination: [1, ipAddress],
    source: [2, ipAddress],
    inputInterface: [3, uint32],
    outputInterface: [4, uint32],
    gateway: [5, ipAddress],
    priority: [6, uint32],
    preferredSource: [7, ipAddress],
    metrics: [8, metrics],
    nextHops: [9, new NextHopsType(nextHop, nextHopHeader.size)],
    flow: [11, uint32],
    // struct rta_cacheinfo
    cacheInfo: [
      12,
      struct({
        references: uint32,
        lastUse: uint32,
        expires: int32,
        error: uint32,
        used: uint32,
        id: uint32,
        timestamp: uint32,
        timestampAge: uint32,
      }),
    ],
    table: [15, uint32],
    mark: [16, uint32],
    preference: [20, uint8],
    expires: [23, uint32],
    user: [25, uint32],
    ttlPropagate: [26, uint8],
    ipProtocol: [27, uint8],
    sourcePort: [28, uint16Network],
    destinationPort: [29, uint16Network],
    nextHopId: [30, uint32],
  },
);
