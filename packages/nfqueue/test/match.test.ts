import { AttributeReader, MessageWriter } from "@nlring/netlink";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Match, MatchParts } from "../src/index.js";
import { checkMatch } from "../src/rules/check-match.js";
import { compileMatch, compileQueue } from "../src/rules/compile-match.js";
import { describeMatch } from "../src/rules/describe-match.js";
import { type Expression, type QueueStatement, writeExpression } from "../src/rules/expressions.js";
import { readExpressions } from "../src/rules/read-expressions.js";
import { type PlainPacket, runRule } from "./rule-machine.js";

const INET = 1;
const QUEUE = 7;
const PROTOCOLS = { tcp: 6, udp: 17, icmp: 1 } as const;
const STATES = ["new", "established", "related", "invalid", "untracked"] as const;
const DEVICES = [
  { index: 1, name: "lo" },
  { index: 2, name: "eth0" },
  { index: 12, name: "eth01" },
  { index: 300, name: "veth0123456789a" },
] as const;

/** An address as text and as a number. */
interface Address {
  readonly text: string;
  readonly value: bigint;
}

const v4 = fc.tuple(fc.constantFrom(10, 192), fc.nat(1), fc.nat(1), fc.nat(255)).map(
  (octets): Address => ({
    text: octets.join("."),
    value: octets.reduce((value, octet) => value * 256n + BigInt(octet), 0n),
  }),
);
const v6 = fc.tuple(fc.constantFrom(0xfd00, 0xfe80), fc.nat(1), fc.nat(0xffff)).map(
  ([first, middle, last]): Address => ({
    text: `${first.toString(16)}:0:0:0:${middle}:0:0:${last.toString(16)}`,
    value: (BigInt(first) << 112n) | (BigInt(middle) << 48n) | BigInt(last),
  }),
);

interface AddressPart {
  readonly match: string | readonly [string, string];
  fits(value: bigint): boolean;
}

const width = (family: "ip" | "ip6"): number => (family === "ip" ? 32 : 128);

function textOf(family: "ip" | "ip6", value: bigint): string {
  const size = family === "ip" ? 8 : 16;
  const groups = Array.from({ length: width(family) / size }, (_, at) => {
    const group = (value >> BigInt(width(family) - size - at * size)) & ((1n << BigInt(size)) - 1n);
    return group.toString(family === "ip" ? 10 : 16);
  });
  return groups.join(family === "ip" ? "." : ":");
}

function addressPart(family: "ip" | "ip6"): fc.Arbitrary<AddressPart> {
  const address = family === "ip" ? v4 : v6;
  const single = address.map(
    (one): AddressPart => ({ match: one.text, fits: (value) => value === one.value }),
  );
  const network = fc
    .tuple(address, fc.integer({ min: 1, max: width(family) }))
    .map(([one, prefix]): AddressPart => {
      const shift = BigInt(width(family) - prefix);
      const start = (one.value >> shift) << shift;
      return {
        match: `${textOf(family, start)}/${prefix}`,
        fits: (value) => value >> shift === start >> shift,
      };
    });
  const range = fc.tuple(address, address).map(([a, b]): AddressPart => {
    const [from, to] = a.value <= b.value ? [a, b] : [b, a];
    return { match: [from.text, to.text], fits: (value) => value >= from.value && value <= to.value };
  });
  return fc.oneof(single, network, range);
}

const port = fc.oneof(fc.integer({ min: 50, max: 60 }), fc.constantFrom(0, 255, 256, 65_535));
const portMatch = fc.oneof(
  port,
  fc.tuple(port, port).map(([a, b]): [number, number] => (a <= b ? [a, b] : [b, a])),
);
const mark = fc.oneof(fc.nat(3), fc.constantFrom(0x8000_0001, 0xffff_ffff));
const markMatch = fc.oneof(
  mark,
  fc
    .tuple(mark, fc.constantFrom(1, 0xff, 0x8000_0000))
    .map(([value, mask]) => ({ value: (value & mask) >>> 0, mask })),
);
const device = fc.oneof(
  fc.constantFrom(...DEVICES).chain(({ index, name }) => fc.constantFrom<string | number>(index, name)),
  fc.constantFrom("e*", "eth0*", "veth0123456789a*"),
);
const state = fc.oneof(
  fc.constantFrom(...STATES),
  fc.uniqueArray(fc.constantFrom(...STATES), { minLength: 1 }),
);

const PART_NAMES: Readonly<Record<keyof MatchParts, true>> = {
  protocol: true,
  source: true,
  destination: true,
  sourcePort: true,
  destinationPort: true,
  inputInterface: true,
  outputInterface: true,
  mark: true,
  conntrackMark: true,
  conntrackState: true,
};

/** Parts of a match with what they mean, written again in other words. */
interface Asked {
  readonly parts: MatchParts;
  readonly predicates: readonly ((packet: PlainPacket) => boolean)[];
}

function asked(family: "ip" | "ip6", withPorts: boolean): fc.Arbitrary<Asked> {
  const whole = fc.record({
    protocol: fc.constantFrom<keyof typeof PROTOCOLS | 6 | 17>("tcp", "udp", "icmp", 6, 17),
    source: addressPart(family),
    destination: addressPart(family),
    sourcePort: portMatch,
    destinationPort: portMatch,
    inputInterface: device,
    outputInterface: device,
    mark: markMatch,
    conntrackMark: markMatch,
    conntrackState: state,
  });
  type Whole = typeof whole extends fc.Arbitrary<infer T> ? T : never;
  const keys = Object.keys(PART_NAMES) as (keyof Whole)[];
  // A match of everything fits next to nothing.
  const some = fc.uniqueArray(fc.constantFrom(...keys), { maxLength: 3 });
  return fc
    .tuple(whole, some)
    .map(
      ([all, chosen]): Partial<Whole> =>
        Object.fromEntries(Object.entries(all).filter(([key]) => chosen.some((name) => name === key))),
    )
    .map((parts): Asked => {
      const { source, destination, sourcePort, destinationPort, protocol, ...rest } = parts;
      const number = typeof protocol === "string" ? PROTOCOLS[protocol] : protocol;
      const ports = withPorts && (number === undefined || number !== 1);
      const hasPorts = sourcePort !== undefined || destinationPort !== undefined;
      const named = protocol ?? (withPorts && hasPorts ? "udp" : undefined);
      const given: Partial<Record<keyof MatchParts, unknown>> = { ...rest };
      const predicates: ((packet: PlainPacket) => boolean)[] = [];
      if (named !== undefined) {
        given.protocol = named;
        const wanted = typeof named === "string" ? PROTOCOLS[named] : named;
        predicates.push((packet) => packet.protocol === wanted);
      }
      for (const [key, part] of [
        ["source", source],
        ["destination", destination],
      ] as const) {
        if (part === undefined) continue;
        given[key] = part.match;
        predicates.push((packet) => part.fits(packet[key]));
      }
      for (const [key, part] of [
        ["sourcePort", sourcePort],
        ["destinationPort", destinationPort],
      ] as const) {
        if (part === undefined || !ports) continue;
        given[key] = part;
        const [from, to] = typeof part === "number" ? [part, part] : part;
        predicates.push((packet) => packet[key] >= from && packet[key] <= to);
      }
      for (const [key, side] of [
        ["inputInterface", "input"],
        ["outputInterface", "output"],
      ] as const) {
        const part = rest[key];
        if (part === undefined) continue;
        predicates.push(({ [side]: { index, name } }) => {
          if (typeof part === "number") return index === part;
          return part.endsWith("*") ? name.startsWith(part.slice(0, -1)) : name === part;
        });
      }
      for (const key of ["mark", "conntrackMark"] as const) {
        const part = rest[key];
        if (part === undefined) continue;
        const { value, mask } = typeof part === "number" ? { value: part, mask: 0xffff_ffff } : part;
        predicates.push((packet) => (packet[key] & mask) >>> 0 === value);
      }
      const states = rest.conntrackState;
      if (states !== undefined) predicates.push((packet) => [states].flat().includes(packet.conntrackState));
      return { parts: given as MatchParts, predicates };
    });
}

const packetOf = (family: "ip" | "ip6"): fc.Arbitrary<PlainPacket> => {
  const address = (family === "ip" ? v4 : v6).map(({ value }) => value);
  return fc.record({
    family: fc.constant(family),
    source: address,
    destination: address,
    protocol: fc.constantFrom(1, 6, 17),
    sourcePort: port,
    destinationPort: port,
    input: fc.constantFrom(...DEVICES),
    output: fc.constantFrom(...DEVICES),
    mark,
    conntrackMark: mark,
    conntrackState: fc.constantFrom(...STATES),
  });
};

/** A match on forward, where everything can be asked for, its meaning, and packets to try. */
const trial = fc.constantFrom<"ip" | "ip6">("ip", "ip6").chain((family) =>
  fc.record({
    family: fc.constant(family),
    positive: asked(family, true),
    negative: fc.option(asked(family, false), { nil: undefined }),
    packets: fc.array(fc.oneof(packetOf("ip"), packetOf("ip6"), packetOf(family)), {
      minLength: 20,
      maxLength: 20,
    }),
  }),
);

function throughBytes(expressions: readonly Expression[]): Expression[] {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const writer = new MessageWriter();
  writer.aim(bytes, view, 0, bytes.length);
  writer.begin(0, 0, 0, 0);
  for (const expression of expressions) writeExpression(writer, expression);
  writer.end();
  return readExpressions(new AttributeReader(view, 16, writer.position));
}

function rule(match: Match, statement: QueueStatement): Expression[] {
  const checked = checkMatch(match, [QUEUE, QUEUE]);
  return [...compileMatch(checked, INET), compileQueue(checked, statement)];
}

describe("a match", () => {
  test("as expressions fits the packets that it says, and only those", () => {
    let [fitted, tried] = [0, 0];
    fc.assert(
      fc.property(trial, ({ family, positive, negative, packets }) => {
        const match: Match = {
          hook: "forward",
          ...positive.parts,
          ...(negative === undefined ? {} : { not: negative.parts }),
        };
        const compiled = throughBytes(rule(match, "queue expression"));
        const hasAddress = [match, match.not ?? {}].some(
          ({ source, destination }) => source !== undefined || destination !== undefined,
        );
        for (const packet of packets) {
          const wanted =
            (!hasAddress || packet.family === family) &&
            positive.predicates.every((fits) => fits(packet)) &&
            !(negative?.predicates ?? []).some((fits) => fits(packet));
          expect(runRule(compiled, packet)).toBe(wanted);
          tried++;
          if (wanted) fitted++;
        }
      }),
      { numRuns: 1000 },
    );
    // A property of packets that never fit would say nothing.
    expect(fitted).toBeGreaterThan(tried / 20);
  });

  test("is told from its expressions as it was given, for either way to queue", () => {
    const extras = fc.record(
      {
        priority: fc.integer({ min: -150, max: 150 }),
        bypass: fc.constant(true),
        queues: fc.constantFrom<[number, number]>([QUEUE, QUEUE + 3], [1, 65_535]),
      },
      { requiredKeys: ["priority"] },
    );
    const statements = fc.constantFrom<QueueStatement>("queue expression", "NFQUEUE target");
    fc.assert(
      fc.property(
        trial,
        extras,
        fc.boolean(),
        statements,
        ({ positive, negative }, extra, fanout, statement) => {
          const match: Match = {
            hook: "forward",
            ...positive.parts,
            ...(negative === undefined ? {} : { not: negative.parts }),
            ...extra,
            ...(fanout && extra.queues !== undefined ? { fanout } : {}),
          };
          const expressions = rule(match, statement);
          const read = throughBytes(expressions);
          expect(read).toEqual(expressions);
          const told = describeMatch({ hook: "forward", priority: extra.priority, tableFamily: INET }, read);
          expect(rule(told, statement)).toEqual(expressions);
          expect(Object.keys(told).sort()).toEqual(
            [...new Set([...Object.keys(match), "family"])]
              .filter((key) => key !== "not" || Object.keys(match.not ?? {}).length > 0)
              .sort(),
          );
        },
      ),
    );
  });
});

describe("a match is refused", () => {
  test("also where a value cannot be written as JSON", () => {
    expect(() => checkMatch({ hook: "input", mark: 5n } as unknown as Match, [QUEUE, QUEUE])).toThrow(
      "mark 5n",
    );
  });

  test.each<[unknown, string]>([
    [{ hook: "ingress" }, '"prerouting"'],
    [{ hook: "input", ports: 5 }, 'no part "ports"'],
    [{ hook: "input", family: "arp" }, "queues in no other"],
    [{ hook: "input", family: "netdev" }, "queues in no other"],
    [{ hook: "input", protocol: "icmpp" }, "IP protocol number"],
    [{ hook: "input", protocol: 300 }, "0 to 255"],
    [{ hook: "input", destinationPort: 53 }, 'protocol: "udp"'],
    [{ hook: "input", protocol: "icmp", sourcePort: 53 }, "has ports"],
    [{ hook: "input", protocol: "udp", destinationPort: 70_000 }, "65,535"],
    [{ hook: "input", protocol: "udp", destinationPort: [9, 5] }, "lower port first"],
    [{ hook: "input", protocol: "udp", destinationPort: null }, "65,535"],
    [{ hook: "input", protocol: "udp", destinationPort: [1, 2, 3] }, "65,535"],
    [{ hook: "input", protocol: null }, "IP protocol number"],
    [{ hook: "input", mark: null }, "32 bits"],
    [{ hook: "input", not: null }, "object of parts"],
    [{ hook: "input", queues: null }, "[first, last]"],
    [{ hook: "input", source: "10.0.0.0/33" }, "0 to 32"],
    [{ hook: "input", source: "10.0.0.1/8" }, '"10.0.0.0/8"'],
    [{ hook: "input", source: "example.com" }, "IPv4 or IPv6 address"],
    [{ hook: "input", source: ["10.0.0.9", "10.0.0.1"] }, "lower end first"],
    [{ hook: "input", source: ["10.0.0.9", "fd00::1"] }, "two families"],
    [{ hook: "input", source: "10.0.0.1", destination: "fd00::1" }, "two matches"],
    [{ hook: "input", source: "10.0.0.1", family: "ip6" }, 'family "ip"'],
    [{ hook: "input", not: { source: "0.0.0.0/0" } }, "leave it out"],
    [{ hook: "input", outputInterface: "eth0" }, "forward, output and postrouting"],
    [{ hook: "postrouting", inputInterface: "eth0" }, "prerouting, input and forward"],
    [{ hook: "input", inputInterface: "a-name-far-too-long" }, "15 bytes"],
    [{ hook: "input", inputInterface: "*" }, "eth*"],
    [{ hook: "input", inputInterface: 0 }, "from 1 on"],
    [{ hook: "input", mark: -1 }, "32 bits"],
    [{ hook: "input", mark: { value: 2, mask: 1 } }, "outside of its mask"],
    [{ hook: "input", mark: { value: 0, mask: 0 } }, "leave it out"],
    [{ hook: "input", mark: { value: 0, mask: 1, other: 1 } }, "{ value, mask }"],
    [{ hook: "input", conntrackState: "old" }, '"established"'],
    [{ hook: "input", conntrackState: [] }, "one or more"],
    [{ hook: "prerouting", conntrackMark: 1, priority: -200 }, "above -200"],
    [{ hook: "input", priority: 0.5 }, "whole number"],
    [{ hook: "input", bypass: 1 }, "true or false"],
    [{ hook: "input", queues: [8, 9] }, "queue 7"],
    [{ hook: "input", queues: [0, 65_535] }, "the most"],
    [{ hook: "input", queues: [9, 7] }, "[first, last]"],
    [{ hook: "input", fanout: true }, "queues: [first, last]"],
    [{ hook: "input", not: { hook: "output" } }, 'no part "hook"'],
    [{ hook: "input", not: { protocol: "udp", sourcePort: 5 } }, "sourcePort needs"],
    [undefined, '{ hook: "input" }'],
  ])("%j", (match, words) => {
    expect(() => checkMatch(match as Match, [QUEUE, QUEUE])).toThrow(
      expect.objectContaining({ code: "ERR_RULE", message: expect.stringContaining(words) }),
    );
  });
});

describe("rules of several queues", () => {
  test("lead to all of them, or to those that a match names", () => {
    expect(checkMatch({ hook: "input" }, [7, 9]).queues).toEqual([7, 9]);
    expect(checkMatch({ hook: "input", queues: [8, 8] }, [7, 9]).queues).toEqual([8, 8]);
  });

  test("lead to no other", () => {
    expect(() => checkMatch({ hook: "input", queues: [10, 11] }, [7, 9])).toThrow("one of queues 7 to 9");
  });
});
