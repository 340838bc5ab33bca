import { decode, uint32 } from "@nlring/netlink";
import {
  NFPROTO_BRIDGE,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_CT_MARK,
  NFT_CT_STATE,
  NFT_META_IIF,
  NFT_META_IIFNAME,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIF,
  NFT_META_OIFNAME,
  NFT_META_PROTOCOL,
  NFT_PAYLOAD_NETWORK_HEADER,
} from "./abi.js";
import { compareBytes, formatAddresses, networkOf } from "./address-range.js";
import { ADDRESS_OFFSETS, PORT_OFFSETS } from "./compile-match.js";
import { CONNTRACK_STATES } from "./conntrack-states.js";
import type { Expression, Load, Test } from "./expressions.js";
import {
  type MarkMatch,
  type Match,
  type MatchFamily,
  type MatchHook,
  type MatchParts,
  PROTOCOLS,
} from "./match.js";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const UTF8 = new TextDecoder();
const NOTHING = new Uint8Array(0);

/**
 * What a rule of ours matches, told from its expressions; `compileMatch` makes the same of it again. Expressions that no rule of ours has
 * are passed over.
 */
export function describeMatch(
  {
    hook,
    priority,
    tableFamily,
  }: {
    readonly hook: MatchHook;
    readonly priority: number;
    readonly tableFamily: number;
  },
  expressions: readonly Expression[],
): Match {
  let family = familyOfTable(tableFamily);
  const parts: Writable<MatchParts> = {};
  const not: Writable<MatchParts> = {};
  let load: Load | undefined;
  let mask: Uint8Array | undefined;
  let target: Writable<Pick<Match, "bypass" | "queues" | "fanout">> = {};
  for (const expression of expressions) {
    switch (expression.name) {
      case "meta":
      case "ct":
      case "payload":
        load = expression;
        mask = undefined;
        break;
      case "bitwise":
        mask = expression.mask;
        break;
      case "cmp":
      case "range":
        if (load === undefined) break;
        if (load.name === "meta" && load.key === NFT_META_NFPROTO) {
          family = expression.name === "cmp" ? familyOfTable(expression.value[0] ?? 0) : family;
          break;
        }
        describePart(isNegated(load, expression) ? not : parts, load, mask, expression);
        break;
      case "queue": {
        const { first, total, bypass, fanout } = expression.target;
        target = {
          ...(bypass ? { bypass } : {}),
          ...(total > 1 ? { queues: [first, first + total - 1] } : {}),
          ...(fanout ? { fanout } : {}),
        };
        break;
      }
      case "counter":
        break;
    }
  }
  const negated = Object.keys(not).length > 0 ? { not } : {};
  return { hook, family, ...parts, ...negated, priority, ...target };
}

/** The name of NFPROTO_*; both IP families where it is none of them. */
export function familyOfTable(tableFamily: number): MatchFamily {
  if (tableFamily === NFPROTO_IPV4) return "ip";
  if (tableFamily === NFPROTO_IPV6) return "ip6";
  return tableFamily === NFPROTO_BRIDGE ? "bridge" : "inet";
}

/** States are compared with nothing, the other way round. */
function isNegated(load: Load, test: Test): boolean {
  return load.name === "ct" && load.key === NFT_CT_STATE ? !test.negated : test.negated;
}

function describePart(
  parts: Writable<MatchParts>,
  load: Load,
  mask: Uint8Array | undefined,
  test: Test,
): void {
  const [from, to] = test.name === "cmp" ? [test.value, test.value] : [test.from, test.to];
  if (load.name === "payload") {
    describePayload(parts, load, mask, from, to);
    return;
  }
  if (load.name === "ct") {
    if (load.key === NFT_CT_MARK) parts.conntrackMark = markOf(from, mask);
    if (load.key === NFT_CT_STATE) {
      const bits = hostNumber(mask ?? NOTHING);
      parts.conntrackState = [...CONNTRACK_STATES].filter(([, bit]) => bits & bit).map(([name]) => name);
    }
    return;
  }
  switch (load.key) {
    case NFT_META_L4PROTO: {
      const number = from[0] ?? 0;
      parts.protocol = protocolName(number) ?? number;
      return;
    }
    case NFT_META_MARK:
      parts.mark = markOf(from, mask);
      return;
    case NFT_META_IIF:
      parts.inputInterface = hostNumber(from);
      return;
    case NFT_META_OIF:
      parts.outputInterface = hostNumber(from);
      return;
    case NFT_META_IIFNAME:
      parts.inputInterface = deviceName(from);
      return;
    case NFT_META_OIFNAME:
      parts.outputInterface = deviceName(from);
      return;
    case NFT_META_PROTOCOL:
      // The addresses of a bridge's match say it again.
      return;
  }
}

function describePayload(
  parts: Writable<MatchParts>,
  load: Load & { readonly name: "payload" },
  mask: Uint8Array | undefined,
  from: Uint8Array,
  to: Uint8Array,
): void {
  if (load.base !== NFT_PAYLOAD_NETWORK_HEADER) {
    const [first, last] = [networkNumber(from), networkNumber(to)];
    const ports = first === last ? first : ([first, last] as const);
    if (load.offset === PORT_OFFSETS.sourcePort) parts.sourcePort = ports;
    else parts.destinationPort = ports;
    return;
  }
  const family = load.length === 4 ? "ip" : "ip6";
  const single = compareBytes(from, to) === 0 ? load.length * 8 : undefined;
  const addresses = formatAddresses(
    mask === undefined ? { family, from, to, prefix: single } : networkOf(from, prefixOf(mask)),
  );
  if (load.offset === ADDRESS_OFFSETS[family].source) parts.source = addresses;
  else parts.destination = addresses;
}

function prefixOf(mask: Uint8Array): number {
  let prefix = 0;
  for (const byte of mask) prefix += 8 - Math.log2(256 - byte);
  return prefix;
}

function protocolName(number: number): MatchParts["protocol"] {
  for (const [name, value] of PROTOCOLS) if (value === number) return name;
  return undefined;
}

function markOf(value: Uint8Array, mask: Uint8Array | undefined): MarkMatch {
  if (mask === undefined) return hostNumber(value);
  return { value: hostNumber(value), mask: hostNumber(mask) };
}

/** The kernel gives a name back with all of its 16 bytes, and a beginning without what it lacks. */
function deviceName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return end < 0 ? `${UTF8.decode(bytes)}*` : UTF8.decode(bytes.subarray(0, end));
}

function hostNumber(bytes: Uint8Array): number {
  return bytes.length === 4 ? decode(uint32, bytes) : 0;
}

function networkNumber(bytes: Uint8Array): number {
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
}
