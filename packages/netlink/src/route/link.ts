import { ipAddress, macAddress } from "../schema/address.js";
import { attributes } from "../schema/attribute-set.js";
import { repeated } from "../schema/attribute-type.js";
import { padding } from "../schema/bytes.js";
import { dependingOn } from "../schema/depending-on.js";
import { enumeration } from "../schema/enumeration.js";
import { int32, uint8, uint16, uint16Network, uint32, uint64 } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import { struct } from "../schema/struct.js";
import { structWithAttributes } from "../schema/struct-with-attributes.js";
import { string } from "../schema/text.js";
import type { Link, LinkRequest } from "./link-fields.js";

/** struct ifinfomsg (include/uapi/linux/rtnetlink.h) */
const header = struct({
  family: uint8,
  padding1: padding(1),
  type: uint16,
  index: int32,
  flags: uint32,
  change: uint32,
});

/** struct rtnl_link_stats64 (include/uapi/linux/if_link.h) */
const statistics = struct({
  receivedPackets: uint64,
  sentPackets: uint64,
  receivedBytes: uint64,
  sentBytes: uint64,
  receiveErrors: uint64,
  sendErrors: uint64,
  receiveDrops: uint64,
  sendDrops: uint64,
  multicast: uint64,
  collisions: uint64,
  receiveLengthErrors: uint64,
  receiveOverErrors: uint64,
  receiveCrcErrors: uint64,
  receiveFrameErrors: uint64,
  receiveFifoErrors: uint64,
  receiveMissedErrors: uint64,
  sendAbortedErrors: uint64,
  sendCarrierErrors: uint64,
  sendFifoErrors: uint64,
  sendHeartbeatErrors: uint64,
  sendWindowErrors: uint64,
  receivedCompressed: uint64,
  sentCompressed: uint64,
  receiveNoHandler: uint64,
});

/** The other end of a veth pair, when it is made: a link of its own. */
const vethPeer = structWithAttributes(header, {
  address: [1, macAddress],
  name: [3, string],
  mtu: [4, uint32],
  networkNamespaceProcess: [19, uint32],
  networkNamespaceDescriptor: [28, uint32],
});

/** IFLA_INFO_DATA by IFLA_INFO_KIND, of the kinds that are made most. */
const kinds = {
  vlan: attributes({
    id: [1, uint16],
    flags: [2, struct({ flags: uint32, mask: uint32 })],
    protocol: [5, uint16Network],
  }),
  veth: attributes({ peer: [1, vethPeer] }),
  vrf: attributes({ table: [1, uint32] }),
  macvlan: attributes({
    mode: [1, enumeration({ private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 })],
    flags: [2, uint16],
  }),
  bridge: attributes({
    forwardDelay: [1, uint32],
    helloTime: [2, uint32],
    maximumAge: [3, uint32],
    ageingTime: [4, uint32],
    spanningTree: [5, uint32],
    priority: [6, uint16],
    vlanFiltering: [7, uint8],
  }),
  vxlan: attributes({
    id: [1, uint32],
    group: [2, ipAddress],
    link: [3, uint32],
    local: [4, ipAddress],
    ttl: [5, uint8],
    tos: [6, uint8],
    learning: [7, uint8],
    ageing: [8, uint32],
    limit: [9, uint32],
    portRange: [10, struct({ low: uint16Network, high: uint16Network })],
    port: [15, uint16Network],
    group6: [16, ipAddress],
    local6: [17, ipAddress],
  }),
};

/**
 * Links: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK and RTM_SETLINK. `type` is the hardware's (ARPHRD_…), `flags` are IFF_…, and `change` is the
 * mask of those that a request sets. Attributes are IFLA_… of include/uapi/linux/if_link.h.
 */
export const link: MessageSchema<Link, LinkRequest> = message(header, {
  address: [1, macAddress],
  broadcast: [2, macAddress],
  name: [3, string],
  mtu: [4, uint32],
  link: [5, uint32],
  queueDiscipline: [6, string],
  master: [10, uint32],
  sendQueueLength: [13, uint32],
  operationalState: [
    16,
    enumeration(
      { unknown: 0, notPresent: 1, down: 2, lowerLayerDown: 3, testing: 4, dormant: 5, up: 6 },
      uint8,
    ),
  ],
  linkMode: [17, uint8],
  linkInfo: [
    18,
    attributes({ kind: [1, string], data: [2, dependingOn("kind", kinds)], slaveKind: [4, string] }),
  ],
  networkNamespaceProcess: [19, uint32],
  alias: [20, string],
  virtualFunctions: [21, uint32],
  statistics: [23, statistics],
  group: [27, uint32],
  networkNamespaceDescriptor: [28, uint32],
  extensionMask: [29, uint32],
  promiscuity: [30, uint32],
  sendQueues: [31, uint32],
  receiveQueues: [32, uint32],
  carrier: [33, uint8],
  carrierChanges: [35, uint32],
  linkNamespace: [37, int32],
  physicalPortName: [38, string],
  protocolDown: [39, uint8],
  gsoMaximumSegments: [40, uint32],
  gsoMaximumSize: [41, uint32],
  event: [44, uint32],
  targetNamespace: [46, int32],
  carrierUpCount: [47, uint32],
  carrierDownCount: [48, uint32],
  minimumMtu: [50, uint32],
  maximumMtu: [51, uint32],
  properties: [52, attributes({ alternativeNames: [53, repeated(string)] })],
  alternativeName: [53, string],
  permanentAddress: [54, macAddress],
  parentDevice: [56, string],
  parentBus: [57, string],
});
