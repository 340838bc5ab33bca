import { ipAddress, macAddress } from "../schema/address.js";
import { padding } from "../schema/bytes.js";
import { int32, uint8, uint16, uint16Network, uint32 } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import type { trailingBytes, UnknownAttribute, unknownAttributes } from "../schema/remainder.js";
import { struct } from "../schema/struct.js";
import { type RouteProtocol, routeProtocol } from "./enumerations.js";
import type { Requested } from "./requested.js";

/** A neighbor as it is decoded. */
export interface Neighbor {
  family: number;
  index: number;
  state: number;
  flags: number;
  type: number;
  destination?: string;
  linkLayerAddress?: string;
  cacheInfo?: {
    confirmed: number;
    used: number;
    updated: number;
    references: number;
    [trailingBytes]?: Uint8Array;
  };
  probes?: number;
  vlan?: number;
  port?: number;
  vni?: number;
  interface?: number;
  master?: number;
  linkNamespace?: number;
  sourceVni?: number;
  protocol?: RouteProtocol;
  nextHopId?: number;
  extendedFlags?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A neighbor as it is asked for: any part may be left out. */
export type NeighborRequest = Requested<Neighbor>;

/**
 * Neighbors, which are ARP and NDP entries, and the forwarding entries of bridges (AF_BRIDGE): RTM_NEWNEIGH, RTM_DELNEIGH and RTM_GETNEIGH.
 * `state` is of NUD_… and `flags` are NTF_…. Attributes are NDA_… of include/uapi/linux/neighbour.h.
 */
export const neighbor: MessageSchema<Neighbor, NeighborRequest> = message(
  // struct ndmsg
  struct({ family: uint8, padding1: padding(3), index: int32, state: uint16, flags: uint8, type: uint8 }),
  {
    destination: [1, ipAddress],
    linkLayerAddress: [2, macAddress],
    // struct nda_cacheinfo: hundredths of a second ago.
    cacheInfo: [3, struct({ confirmed: uint32, used: uint32, updated: uint32, references: uint32 })],
    probes: [4, uint32],
    vlan: [5, uint16],
    port: [6, uint16Network],
    vni: [7, uint32],
    interface: [8, uint32],
    master: [9, uint32],
    linkNamespace: [10, int32],
    sourceVni: [11, uint32],
    protocol: [12, routeProtocol],
    nextHopId: [13, uint32],
    extendedFlags: [15, uint32],
  },
);
