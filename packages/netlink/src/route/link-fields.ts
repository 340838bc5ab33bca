import type { trailingBytes, UnknownAttribute, unknownAttributes } from "../schema/remainder.js";
import type { Requested } from "./requested.js";

/** The counters of a link. */
export interface LinkStatistics {
  receivedPackets: bigint;
  sentPackets: bigint;
  receivedBytes: bigint;
  sentBytes: bigint;
  receiveErrors: bigint;
  sendErrors: bigint;
  receiveDrops: bigint;
  sendDrops: bigint;
  multicast: bigint;
  collisions: bigint;
  receiveLengthErrors: bigint;
  receiveOverErrors: bigint;
  receiveCrcErrors: bigint;
  receiveFrameErrors: bigint;
  receiveFifoErrors: bigint;
  receiveMissedErrors: bigint;
  sendAbortedErrors: bigint;
  sendCarrierErrors: bigint;
  sendFifoErrors: bigint;
  sendHeartbeatErrors: bigint;
  sendWindowErrors: bigint;
  receivedCompressed: bigint;
  sentCompressed: bigint;
  receiveNoHandler: bigint;
  [trailingBytes]?: Uint8Array;
}

/** The other end of a veth pair, when it is made. */
export interface VethPeer {
  family: number;
  type: number;
  index: number;
  flags: number;
  change: number;
  address?: string;
  name?: string;
  mtu?: number;
  networkNamespaceProcess?: number;
  networkNamespaceDescriptor?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a vlan. */
export interface VlanData {
  id?: number;
  flags?: {
    flags: number;
    mask: number;
    [trailingBytes]?: Uint8Array;
  };
  protocol?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a veth. */
export interface VethData {
  peer?: VethPeer;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a vrf. */
export interface VrfData {
  table?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a macvlan. */
export interface MacvlanData {
  mode?: "private" | "vepa" | "bridge" | "passthru" | "source" | number;
  flags?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a bridge. */
export interface BridgeData {
  forwardDelay?: number;
  helloTime?: number;
  maximumAge?: number;
  ageingTime?: number;
  spanningTree?: number;
  priority?: number;
  vlanFiltering?: number;
  [unknownAttributes]?: UnknownAttribute[];
}

/** IFLA_INFO_DATA of a vxlan. */
export interface VxlanData {
  id?: number;
  group?: string;
  link?: number;
  local?: string;
  ttl?: number;
  tos?: number;
  learning?: number;
  ageing?: number;
  limit?: number;
  portRange?: {
    low: number;
    high: number;
    [trailingBytes]?: Uint8Array;
  };
  port?: number;
  group6?: string;
  local6?: string;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A link as it is decoded. */
export interface Link {
  family: number;
  type: number;
  index: number;
  flags: number;
  change: number;
  address?: string;
  broadcast?: string;
  name?: string;
  mtu?: number;
  link?: number;
  queueDiscipline?: string;
  master?: number;
  sendQueueLength?: number;
  operationalState?:
    | "unknown"
    | "notPresent"
    | "down"
    | "lowerLayerDown"
    | "testing"
    | "dormant"
    | "up"
    | number;
  linkMode?: number;
  linkInfo?: {
    kind?: string;
    data?: VlanData | VethData | VrfData | MacvlanData | BridgeData | VxlanData | Uint8Array;
    slaveKind?: string;
    [unknownAttributes]?: UnknownAttribute[];
  };
  networkNamespaceProcess?: number;
  alias?: string;
  virtualFunctions?: number;
  statistics?: LinkStatistics;
  group?: number;
  networkNamespaceDescriptor?: number;
  extensionMask?: number;
  promiscuity?: number;
  sendQueues?: number;
  receiveQueues?: number;
  carrier?: number;
  carrierChanges?: number;
  linkNamespace?: number;
  physicalPortName?: string;
  protocolDown?: number;
  gsoMaximumSegments?: number;
  gsoMaximumSize?: number;
  event?: number;
  targetNamespace?: number;
  carrierUpCount?: number;
  carrierDownCount?: number;
  minimumMtu?: number;
  maximumMtu?: number;
  properties?: {
    alternativeNames?: string[];
    [unknownAttributes]?: UnknownAttribute[];
  };
  alternativeName?: string;
  permanentAddress?: string;
  parentDevice?: string;
  parentBus?: string;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A link as it is asked for: any part may be left out. */
export type LinkRequest = Requested<Link>;
