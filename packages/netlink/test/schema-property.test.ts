import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../src/errors.js";
import {
  type AttributeType,
  attributes,
  bytes,
  decode,
  dependingOn,
  encode,
  enumeration,
  fixedBytes,
  flag,
  indexed,
  int8,
  int16,
  int32,
  int64Network,
  ipAddress,
  list,
  macAddress,
  message,
  type PayloadType,
  padding,
  repeated,
  string,
  stringWithoutNul,
  struct,
  trailingBytes,
  uint8,
  uint16,
  uint16Network,
  uint32,
  uint64,
  unknownAttributes,
} from "../src/index.js";
import { messageOf, received } from "./schema-messages.js";

/** A type, and values that it encodes and decodes to the very same. */
interface Codec {
  readonly type: PayloadType;
  readonly value: fc.Arbitrary<unknown>;
}

const text = fc.string({ unit: "grapheme", maxLength: 30 }).filter((value) => !value.includes("\0"));
const fixed: readonly Codec[] = [
  { type: uint8, value: fc.nat(255) },
  { type: uint16, value: fc.nat(0xffff) },
  { type: uint16Network, value: fc.nat(0xffff) },
  { type: uint32, value: fc.integer({ min: 0, max: 0xffff_ffff }) },
  { type: int8, value: fc.integer({ min: -128, max: 127 }) },
  { type: int16, value: fc.integer({ min: -0x8000, max: 0x7fff }) },
  { type: int32, value: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }) },
  { type: uint64, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { type: int64Network, value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: enumeration({ one: 1, two: 2 }, uint8), value: fc.constantFrom("one", "two", 0, 3, 255) },
  { type: fixedBytes(3), value: fc.uint8Array({ minLength: 3, maxLength: 3 }) },
];
const free: readonly Codec[] = [
  { type: string, value: text },
  { type: stringWithoutNul, value: text },
  { type: bytes, value: fc.uint8Array({ maxLength: 40 }) },
  { type: flag, value: fc.constant(true) },
  {
    type: macAddress,
    value: fc.uint8Array({ maxLength: 20 }).map((octets) => decode(macAddress, octets)),
  },
  { type: ipAddress, value: fc.ipV4() },
];

const name = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/);
const names = (minimum: number): fc.Arbitrary<string[]> =>
  fc.uniqueArray(name, { minLength: minimum, maxLength: 6 });

function structOf(element: fc.Arbitrary<Codec>): fc.Arbitrary<Codec> {
  return fc.tuple(names(1), fc.infiniteStream(element)).map(([keys, stream]) => {
    const fields = keys.map((key): [string, Codec] => [key, stream.next().value]);
    const type = struct(Object.fromEntries(fields.map(([key, codec]) => [key, codec.type])));
    const value = fc.record(Object.fromEntries(fields.map(([key, codec]) => [key, codec.value])));
    return { type, value: value.map(plain) };
  });
}

function attributesOf(element: fc.Arbitrary<Codec>): fc.Arbitrary<Codec> {
  return fc
    .tuple(names(0), fc.infiniteStream(element), fc.infiniteStream(fc.boolean()), fc.nat(0x3f00))
    .map(([keys, stream, several, base]) => {
      const fields = keys.map((key): [string, Codec, boolean] => [
        key,
        stream.next().value,
        several.next().value,
      ]);
      const type = attributes(
        Object.fromEntries(
          fields.map(([key, codec, isRepeated], index): [string, readonly [number, AttributeType]] => [
            key,
            [base + index, isRepeated ? repeated(codec.type) : codec.type],
          ]),
        ),
      );
      const values = fields.map(([key, codec, isRepeated]) => [
        key,
        isRepeated ? fc.array(codec.value, { minLength: 1, maxLength: 3 }) : codec.value,
      ]);
      return { type, value: fc.record(Object.fromEntries(values), { requiredKeys: [] }).map(plain) };
    });
}

/** fc.record makes objects without a prototype. */
function plain(value: object): unknown {
  return { ...value };
}

const { schema } = fc.letrec<{ fixed: Codec; schema: Codec }>((tie) => ({
  fixed: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...fixed),
    structOf(tie("fixed")),
  ),
  schema: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...fixed, ...free),
    attributesOf(tie("schema")),
    structOf(tie("fixed")),
    tie("fixed").map(({ type, value }) => ({ type: list(type), value: fc.array(value, { maxLength: 4 }) })),
    tie("schema").map(({ type, value }) => ({
      type: indexed(type),
      value: fc.array(value, { maxLength: 4 }),
    })),
  ),
}));

const coded = schema.chain(({ type, value }) => value.map((one) => ({ type, value: one })));

describe("whatever the schema is", () => {
  test("what was encoded decodes to the same", () => {
    fc.assert(
      fc.property(coded, ({ type, value }) => {
        expect(decode(type, encode(type, value))).toStrictEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes decode, or throw DecodeError with an offset inside them", () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(coded, changes, fc.nat(), ({ type, value }, mutations, cut) => {
        const encoded = encode(type, value);
        for (const [at, octet] of mutations) {
          if (encoded.length > 0) encoded[at % encoded.length] = octet;
        }
        const part = encoded.subarray(0, encoded.length - (cut % (encoded.length + 1)));
        expectDecodeOrError(() => decode(type, part), part.length);
      }),
      { numRuns: 1000 },
    );
  });
});

const route = message(struct({ family: uint8, unused: padding(3), flags: uint32 }), {
  name: [1, string],
  metric: [2, uint32],
  address: [3, ipAddress],
  hops: [4, indexed(attributes({ weight: [1, uint8], gateway: [2, ipAddress] }))],
  ports: [5, list(uint16)],
  labels: [6, repeated(string)],
  limits: [7, struct({ rate: uint64, burst: int32 })],
  data: [8, dependingOn("name", { vlan: attributes({ id: [1, uint16] }) })],
  loose: [9, flag],
  hardware: [10, macAddress],
});

const example = {
  family: 2,
  flags: 1,
  data: { id: 5 },
  name: "vlan",
  metric: 7,
  address: "192.0.2.1",
  hops: [{ weight: 1, gateway: "2001:db8::1" }, { weight: 2 }],
  ports: [80, 443],
  labels: ["a", "bc"],
  limits: { rate: 5n, burst: -1 },
  loose: true,
  hardware: "02:00:00:00:00:01",
};

describe("a real message", () => {
  const encoded = messageOf((writer) => route.write(writer, example));

  test("with any one byte changed decodes, or throws DecodeError with an offset inside it", () => {
    expect(route.decode(received(encoded))).toEqual(example);
    for (let at = 16; at < encoded.length; at++) {
      for (let octet = 0; octet < 256; octet++) {
        const mutated = encoded.slice();
        mutated[at] = octet;
        expectDecodeOrError(() => route.decode(received(mutated)), mutated.length);
      }
    }
  });

  test("cut anywhere decodes, or throws DecodeError with an offset inside it", () => {
    for (let length = 16; length <= encoded.length; length++) {
      expectDecodeOrError(() => route.decode(received(encoded.slice(0, length), 8)), length);
    }
  });

  test("with unknown attributes and a grown struct comes back with all of them", () => {
    const unknown = fc.array(
      fc.record({ type: fc.integer({ min: 11, max: 0x3fff }), payload: fc.uint8Array({ maxLength: 20 }) }),
      { minLength: 1, maxLength: 5 },
    );
    const trailing = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(unknown, trailing, (others, rest) => {
        const limits = { ...example.limits, [trailingBytes]: rest };
        const value = { ...example, limits, [unknownAttributes]: others };
        const sent = messageOf((writer) => route.write(writer, value));
        const decoded = route.decode(received(sent));
        expect(decoded[unknownAttributes]).toEqual(others);
        expect(decoded.limits?.[trailingBytes]).toEqual(rest);
        expect(messageOf((writer) => route.write(writer, decoded))).toEqual(sent);
      }),
    );
  });
});

function expectDecodeOrError(call: () => unknown, length: number): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThan(Math.max(length, 1));
    expect(error.path).not.toBe("");
  }
}
