import { ipAddress } from "../schema/address.js";
import { padding } from "../schema/bytes.js";
import { enumeration } from "../schema/enumeration.js";
import { int32, uint8, uint16, uint32, uint64Network } from "../schema/integer.js";
import { type MessageSchema, message } from "../schema/message-schema.js";
import type { trailingBytes, UnknownAttribute, unknownAttributes } from "../schema/remainder.js";
import { struct } from "../schema/struct.js";
import { string } from "../schema/text.js";
import { type RouteProtocol, routeProtocol } from "./enumerations.js";
import type { Requested } from "./requested.js";

/** Ports, both ends included. */
export interface PortRange {
  start: number;
  end: number;
  [trailingBytes]?: Uint8Array;
}

/** A rule as it is decoded. */
export interface Rule {
  family: number;
  destinationLength: number;
  sourceLength: number;
  tos: number;
  shortTable: number;
  action: "unspecified" | "toTable" | "goto" | "nop" | "blackhole" | "unreachable" | "prohibit" | number;
  flags: number;
  destination?: string;
  source?: string;
  inputInterface?: string;
  goto?: number;
  priority?: number;
  mark?: number;
  flow?: number;
  tunnel?: bigint;
  suppressInterfaceGroup?: number;
  suppressPrefixLength?: number;
  table?: number;
  markMask?: number;
  outputInterface?: string;
  l3Master?: number;
  userRange?: {
    start: number;
    end: number;
    [trailingBytes]?: Uint8Array;
  };
  protocol?: RouteProtocol;
  ipProtocol?: number;
  sourcePorts?: PortRange;
  destinationPorts?: PortRange;
  [unknownAttributes]?: UnknownAttribute[];
}

/** A rule as it is asked for: any part may be left out. */
export type RuleRequest = Requested<Rule>;

const portRange = struct({ start: uint16, end: uint16 });

/**
 * Routing policy rules: RTM_NEWRULE, RTM_DELRULE and RTM_GETRULE. `table` is the table; the header's `shortTable` has room for the numbers up to
 * 255 alone. Attributes are FRA_… of include/uapi/linux/fib_rules.h.
 */
export const rule: MessageSchema<Rule, RuleRequest> = message(
  // struct fib_rule_hdr
  struct({
    family: uint8,
    destinationLength: uint8,
    sourceLength: uint8,
    tos: uint8,
    shortTable: uint8,
    reserved: padding(2),
    action: enumeration(
      { unspecified: 0, toTable: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 },
      uint8,
    ),
    flags: uint32,
  }),
  {
    destination: [1, ipAddress],
    source: [2, ipAddress],
    inputInterface: [3, string],
    goto: [4, uint32],
    priority: [6, uint32],
    mark: [10, uint32],
    flow: [11, uint32],
    tunnel: [12, uint64Network],
    /** -1 for none. */
    suppressInterfaceGroup: [13, int32],
    /** -1 for none. */
    suppressPrefixLength: [14, int32],
    table: [15, uint32],
    markMask: [16, uint32],
    outputInterface: [17, string],
    l3Master: [19, uint8],
    userRange: [20, struct({ start: uint32, end: uint32 })],
    protocol: [21, routeProtocol],
    ipProtocol: [22, uint8],
    sourcePorts: [23, portRange],
    destinationPorts: [24, portRange],
  },
);
