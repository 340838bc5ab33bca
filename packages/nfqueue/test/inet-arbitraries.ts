import fc from "fast-check";
import type { PacketDescription, Transport } from "./inet-packets.js";

const uint8 = fc.nat(0xff);
const uint16 = fc.nat(0xffff);
const uint32 = fc.nat(0xffff_ffff);
const octets = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

export const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 100, maxLength: 700 }) },
);

/** Options as a list, and the bytes they make with their padding: no-operation in front at will. */
const tcpOptions: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.constant([1]),
      uint16.map((size) => [2, 4, size >> 8, size & 0xff]),
      fc.nat(14).map((scale) => [3, 3, scale]),
      fc.constant([4, 2]),
      octets(8).map((times) => [8, 10, ...times]),
      fc
        .tuple(fc.integer({ min: 30, max: 254 }), fc.uint8Array({ maxLength: 6 }))
        .map(([kind, value]) => [kind, value.length + 2, ...value]),
    ),
    { maxLength: 5 },
  )
  .map((options) => options.flat())
  .filter((bytes) => bytes.length <= 40)
  .map((bytes) => {
    const padded = new Uint8Array((bytes.length + 3) & ~3);
    padded.set(bytes);
    return padded;
  });

const transport: fc.Arbitrary<Transport> = fc.oneof(
  fc.record({
    kind: fc.constant("tcp" as const),
    sourcePort: uint16,
    destinationPort: uint16,
    sequence: uint32,
    acknowledgement: uint32,
    flags: fc.nat(0x1ff),
    window: uint16,
    urgentPointer: uint16,
    options: tcpOptions,
    payload,
  }),
  fc.record({ kind: fc.constant("udp" as const), sourcePort: uint16, destinationPort: uint16, payload }),
  fc.record({ kind: fc.constant("icmp" as const), type: uint8, code: uint8, rest: uint32, payload }),
  fc.record({ kind: fc.constant("other" as const), protocol: fc.constantFrom(47, 50, 132, 253), payload }),
);

/** Hop-by-hop and destination options of padding, a routing header that was followed to its end, an atomic fragment, mobility. */
const extension: fc.Arbitrary<readonly [number, Uint8Array]> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 60), fc.nat(2)).map(([protocol, words]) => {
    const body = new Uint8Array(words * 8 + 7);
    body.set([words, 1, words * 8 + 4]);
    return [protocol, body] as const;
  }),
  fc.tuple(fc.constantFrom(0, 2, 4, 77), octets(16)).map(([type, address]) => {
    return [43, Uint8Array.from([2, type, 0, 0, 0, 0, 0, ...address])] as const;
  }),
  octets(4).map((identification) => [44, Uint8Array.from([0, 0, 0, ...identification])] as const),
);

/** Valid packets of every kind. */
export const packets: fc.Arbitrary<PacketDescription> = fc.constantFrom<4 | 6>(4, 6).chain((version) =>
  fc.record({
    version: fc.constant(version),
    source: octets(version === 4 ? 4 : 16),
    destination: octets(version === 4 ? 4 : 16),
    hopLimit: uint8,
    trafficClass: uint8,
    ipOptions:
      version === 4
        ? fc.constantFrom(new Uint8Array(0), Uint8Array.of(1, 1, 1, 0), Uint8Array.of(148, 4, 0, 0))
        : fc.constant(new Uint8Array(0)),
    extensions: version === 4 ? fc.constant([]) : fc.array(extension, { maxLength: 4 }),
    transport,
    padding: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 10 })),
  }),
);
