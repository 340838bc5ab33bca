import { inspect } from "node:util";
import { decode, encode, ipAddress, NetlinkError } from "@nlring/netlink";
import { RuleError } from "../errors.js";
import type { AddressRange } from "./condition.js";
import type { AddressMatch } from "./match.js";

/** Reads an address, a network or a range. Throws RuleError, whose message begins with `part`. */
export function parseAddresses(part: string, match: AddressMatch): AddressRange {
  if (typeof match === "string") {
    const slash = match.indexOf("/");
    if (slash >= 0) return parseNetwork(part, match, slash);
    const address = parseAddress(part, match);
    return { family: familyOf(address), from: address, to: address, prefix: address.length * 8 };
  }
  if (!Array.isArray(match) || match.length !== 2) {
    throw new RuleError(`${part}: it takes an address, a network such as "10.0.0.0/8", or [from, to]`);
  }
  const [first, last] = match;
  const [from, to] = [parseAddress(part, first), parseAddress(part, last)];
  if (from.length !== to.length) {
    throw new RuleError(`${part}: ${first} and ${last} are of two families; a range is of one`);
  }
  const order = compareBytes(from, to);
  if (order > 0) throw new RuleError(`${part}: ${first} comes after ${last}: write the lower end first`);
  return { family: familyOf(from), from, to, prefix: order === 0 ? from.length * 8 : undefined };
}

/** The shortest way to write a range. */
export function formatAddresses({ from, to, prefix }: AddressRange): AddressMatch {
  const first = decode(ipAddress, from);
  if (prefix === undefined) return [first, decode(ipAddress, to)];
  return prefix === from.length * 8 ? first : `${first}/${prefix}`;
}

/** A network by the bits that its addresses have in common. */
export function networkOf(address: Uint8Array, prefix: number): AddressRange {
  const mask = prefixMask(address.length, prefix);
  return {
    family: familyOf(address),
    from: address.map((byte, index) => byte & (mask[index] ?? 0)),
    to: address.map((byte, index) => byte | (~(mask[index] ?? 0) & 0xff)),
    prefix,
  };
}

/** `prefix` ones, then zeros. */
export function prefixMask(length: number, prefix: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => {
    const bits = Math.min(Math.max(prefix - index * 8, 0), 8);
    return (0xff00 >> bits) & 0xff;
  });
}

/** Negative, 0 or positive, as the bytes are ordered. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [index, byte] of a.entries()) {
    const difference = byte - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function parseNetwork(part: string, text: string, slash: number): AddressRange {
  const address = parseAddress(part, text.slice(0, slash));
  const length = text.slice(slash + 1);
  const bits = address.length * 8;
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > bits) {
    throw new RuleError(`${part}: "${text}" has no prefix length from 0 to ${bits} behind its slash`);
  }
  const network = networkOf(address, prefix);
  if (compareBytes(network.from, address) !== 0) {
    const meant = decode(ipAddress, network.from);
    throw new RuleError(`${part}: "${text}" has bits behind its prefix; the network is "${meant}/${prefix}"`);
  }
  return network;
}

function parseAddress(part: string, text: unknown): Uint8Array {
  if (typeof text === "string") {
    try {
      return encode(ipAddress, text);
    } catch (error) {
      if (!NetlinkError.isInstance(error)) throw error;
    }
  }
  throw new RuleError(`${part}: an IPv4 or IPv6 address is needed, not ${inspect(text)}`);
}

function familyOf(address: Uint8Array): "ip" | "ip6" {
  return address.length === 4 ? "ip" : "ip6";
}
