import { inspect } from "node:util";
import { RuleError } from "../errors.js";
import { IFNAMSIZ } from "./abi.js";
import { parseAddresses } from "./address-range.js";
import type { Condition } from "./condition.js";
import { CONNTRACK_STATES } from "./conntrack-states.js";
import {
  type AddressMatch,
  type ConntrackState,
  type MarkMatch,
  type MatchParts,
  type PortMatch,
  PROTOCOLS,
  type ProtocolName,
} from "./match.js";

const PARTS: readonly string[] = [
  "protocol",
  "source",
  "destination",
  "sourcePort",
  "destinationPort",
  "inputInterface",
  "outputInterface",
  "mark",
  "conntrackMark",
  "conntrackState",
] satisfies (keyof MatchParts)[];
/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
const PROTOCOLS_WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];
const ALL_BITS = 0xffff_ffff;

/** Throws RuleError where there is a key beside the parts and `others`. */
export function checkParts(value: object, others: readonly string[], what: string): void {
  if (typeof value !== "object" || value === null) throw new RuleError(`${what} is an object of parts`);
  const keys = [...others, ...PARTS];
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    throw new RuleError(`${what} has no part "${unknown}": it takes ${keys.join(", ")}`);
}

/**
 * The conditions of a match's own parts, or of those that it negates.
 *
 * @param protocol the protocol that the match asks for, where these are the negated parts
 */
export function partConditions(
  parts: MatchParts,
  negated: boolean,
  protocol: number | undefined,
): Condition[] {
  const conditions: Condition[] = [];
  const named = parts.protocol === undefined ? undefined : checkProtocol(parts.protocol);
  if (named !== undefined) conditions.push({ part: "protocol", negated, protocol: named });
  for (const part of ["source", "destination"] as const) {
    const match = parts[part];
    if (match !== undefined) conditions.push(addressCondition(part, negated, match));
  }
  for (const part of ["sourcePort", "destinationPort"] as const) {
    const match = parts[part];
    if (match === undefined) continue;
    const asked = negated ? protocol : named;
    if (asked === undefined || !PROTOCOLS_WITH_PORTS.includes(asked)) {
      throw new RuleError(`${part} needs a protocol that has ports beside it, such as protocol: "udp"`);
    }
    conditions.push({ part, negated, ...checkPorts(part, match) });
  }
  for (const part of ["inputInterface", "outputInterface"] as const) {
    const device = parts[part];
    if (device !== undefined) conditions.push({ part, negated, device: checkDevice(part, device) });
  }
  for (const part of ["mark", "conntrackMark"] as const) {
    const match = parts[part];
    if (match !== undefined) conditions.push({ part, negated, ...checkMark(part, match) });
  }
  if (parts.conntrackState !== undefined) {
    conditions.push({ part: "conntrackState", negated, states: checkStates(parts.conntrackState) });
  }
  return conditions;
}

function checkProtocol(protocol: ProtocolName | number): number {
  const number = typeof protocol === "string" ? PROTOCOLS.get(protocol) : protocol;
  if (typeof number !== "number") {
    const names = [...PROTOCOLS.keys()].map((name) => `"${name}"`).join(", ");
    throw new RuleError(`protocol ${inspect(protocol)}: it takes an IP protocol number, or ${names}`);
  }
  if (!Number.isInteger(number) || number < 0 || number > 255) {
    throw new RuleError(`protocol ${number}: IP protocol numbers are 0 to 255`);
  }
  return number;
}

function addressCondition(part: "source" | "destination", negated: boolean, match: AddressMatch): Condition {
  const addresses = parseAddresses(part, match);
  if (negated && addresses.prefix === 0) {
    throw new RuleError(`${part}: no packet is outside of a prefix of 0 bits; leave it out`);
  }
  return { part, negated, addresses };
}

function checkPorts(part: string, match: PortMatch): { readonly from: number; readonly to: number } {
  const range = typeof match === "number" ? [match, match] : match;
  const [from, to] = Array.isArray(range) && range.length === 2 ? range : [];
  const valid = (port: unknown): port is number =>
    typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535;
  if (!valid(from) || !valid(to)) {
    throw new RuleError(`${part} ${inspect(match)}: it takes a port of 0 to 65,535, or [from, to]`);
  }
  if (from > to) throw new RuleError(`${part} [${from}, ${to}]: write the lower port first`);
  return { from, to };
}

function checkDevice(part: string, device: unknown): string | number {
  if (typeof device === "number") {
    if (Number.isInteger(device) && device > 0 && device <= 0x7fff_ffff) return device;
    throw new RuleError(`${part} ${device}: interface indices are whole numbers from 1 on`);
  }
  if (typeof device !== "string" || device === "" || device === "*" || /[\s/\0]/.test(device)) {
    throw new RuleError(
      `${part} ${inspect(device)}: it takes an interface's name, such as "eth0" or "eth*", or its index`,
    );
  }
  const length = new TextEncoder().encode(device).length;
  if (length >= IFNAMSIZ + (device.endsWith("*") ? 1 : 0)) {
    throw new RuleError(`${part} "${device}": names have at most ${IFNAMSIZ - 1} bytes`);
  }
  return device;
}

function checkMark(part: string, match: MarkMatch): { readonly value: number; readonly mask: number } {
  const isPair = typeof match === "object" && match !== null;
  const { value, mask } = isPair ? match : { value: match, mask: ALL_BITS };
  const valid = (bits: unknown): boolean =>
    typeof bits === "number" && Number.isInteger(bits) && bits >= 0 && bits <= ALL_BITS;
  const strange = isPair && Object.keys(match).some((key) => key !== "value" && key !== "mask");
  if (strange || !valid(value) || !valid(mask)) {
    throw new RuleError(
      `${part} ${inspect(match)}: it takes a number of 32 bits, or { value, mask } of such`,
    );
  }
  if (mask === 0) throw new RuleError(`${part}: with a mask of 0 every mark fits; leave it out`);
  if ((value & ~mask) !== 0) {
    throw new RuleError(`${part}: the value has bits outside of its mask, so that no mark would fit`);
  }
  return { value, mask };
}

function checkStates(states: ConntrackState | readonly ConntrackState[]): number {
  const list = typeof states === "string" ? [states] : states;
  const names = [...CONNTRACK_STATES.keys()].map((name) => `"${name}"`).join(", ");
  if (!Array.isArray(list) || list.length === 0) {
    throw new RuleError(`conntrackState ${inspect(states)}: it takes one or more of ${names}`);
  }
  let bits = 0;
  for (const state of list) {
    const bit = CONNTRACK_STATES.get(state);
    if (bit === undefined) throw new RuleError(`conntrackState ${inspect(state)}: it takes ${names}`);
    bits |= bit;
  }
  return bits;
}
