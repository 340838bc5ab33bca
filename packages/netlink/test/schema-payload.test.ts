import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError, EncodeError } from "../src/errors.js";
import {
  bytes,
  decode,
  encode,
  enumeration,
  fixedBytes,
  fixedString,
  indexed,
  int8,
  int16Network,
  int32,
  int64Network,
  ipAddress,
  list,
  macAddress,
  type PayloadType,
  string,
  stringWithoutNul,
  struct,
  uint8,
  uint16,
  uint16Network,
  uint32Network,
  uint64,
  uint64Network,
} from "../src/index.js";
import { thrown } from "./schema-messages.js";

describe("payload types", () => {
  test.each<[string, PayloadType, unknown, number[]]>([
    ["uint16Network", uint16Network, 0x0102, [1, 2]],
    ["uint32Network", uint32Network, 0xfefdfcfb, [0xfe, 0xfd, 0xfc, 0xfb]],
    ["int16Network", int16Network, -2, [0xff, 0xfe]],
    ["int8", int8, -1, [0xff]],
    ["uint64Network", uint64Network, 2n ** 64n - 2n, [255, 255, 255, 255, 255, 255, 255, 254]],
    ["int64Network", int64Network, -2n, [255, 255, 255, 255, 255, 255, 255, 254]],
    ["string", string, "lö", [0x6c, 0xc3, 0xb6, 0]],
    ["stringWithoutNul", stringWithoutNul, "lo", [0x6c, 0x6f]],
    ["fixedString", fixedString(4), "lo", [0x6c, 0x6f, 0, 0]],
    ["bytes", bytes, Uint8Array.of(1, 2), [1, 2]],
    ["macAddress", macAddress, "02:00:5e:10:00:ff", [2, 0, 0x5e, 0x10, 0, 0xff]],
    ["macAddress of no bytes", macAddress, "", []],
    ["ipAddress", ipAddress, "192.0.2.255", [192, 0, 2, 255]],
    ["enumeration", enumeration({ one: 1 }, uint16Network), "one", [0, 1]],
    ["enumeration of large numbers", enumeration({ large: 0xfffe }, uint16Network), "large", [0xff, 0xfe]],
    ["enumeration of negative numbers", enumeration({ none: -1 }, int8), "none", [0xff]],
    ["enumeration, unknown and large", enumeration({ one: 1 }, uint16Network), 0xfffd, [0xff, 0xfd]],
    ["enumeration, unknown", enumeration({ one: 1 }, uint8), 2, [2]],
    ["list", list(uint16Network), [1, 2], [0, 1, 0, 2]],
    ["list of structs", list(struct({ a: uint8, b: uint8 })), [{ a: 1, b: 2 }], [1, 2]],
    ["fixedBytes", fixedBytes(2), Uint8Array.of(1, 2), [1, 2]],
    ["nested struct", struct({ a: uint8, in: struct({ b: uint8 }) }), { a: 1, in: { b: 2 } }, [1, 2]],
  ])("%s has its bytes both ways", (_, type, value, expected) => {
    expect([...encode(type, value)]).toEqual(expected);
    expect(decode(type, Uint8Array.from(expected))).toEqual(value);
  });

  test.each([
    ["too few for a number", uint64, [1, 2, 3]],
    ["no whole number of list elements", list(uint16), [1, 2, 3]],
    ["an address of another length", ipAddress, [1, 2, 3, 4, 5]],
    ["too few for fixed text", fixedString(4), [0]],
    ["an element that leaves its array", indexed(uint8), [200, 0, 0, 0]],
  ])("refuse bytes that are %s", (_, type, wrong) => {
    const error = thrown(() => decode<unknown>(type, Uint8Array.from(wrong)));
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ offset: 0 });
  });

  test.each([
    ["300 in a byte", uint8, 300],
    ["-1 in what has no sign", uint16, -1],
    ["a number where a bigint belongs", uint64, 1],
    ["a bigint that is too large", uint64, 2n ** 64n],
    ["an immense bigint", uint64, 2n ** 100_000n],
    ["a negative bigint", uint64Network, -1n],
    ["infinity", int32, Number.POSITIVE_INFINITY],
    ["text that is longer than its field", fixedString(4), "four"],
    ["the wrong number of bytes", fixedBytes(2), Uint8Array.of(1)],
    ["half a link-layer address", macAddress, "02:0"],
    ["a link-layer address with dashes", macAddress, "02-00-00-00-00-01"],
    ["an IPv4 address with a zone", ipAddress, "fe80::1%eth0"],
    ["an array where bytes belong", bytes, [1]],
    ["a name that there is not", enumeration({ one: 1 }), "two"],
    ["a number that the enumeration's integer cannot hold", enumeration({ one: 1 }, uint8), 256],
  ])("refuse to encode %s", (_, type, wrong) => {
    const error = thrown(() => Reflect.apply(encode, undefined, [type, wrong]));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error instanceof Error && error.message.length < 300).toBe(true);
  });

  test("text is read up to its NUL, long or short, and copied out of shared memory", () => {
    for (const text of ["", "lo", "é".repeat(30), "x".repeat(200), "ab\u0080"]) {
      const memory = new Uint8Array(new SharedArrayBuffer(512)).fill(0x58);
      const encoded = encode(string, text);
      memory.set(encoded);
      expect(decode(string, memory)).toBe(text);
      expect(decode(string, memory.subarray(0, encoded.length - 1))).toBe(text);
    }
  });

  test("what was decoded outlives the bytes", () => {
    const memory = Uint8Array.of(1, 2, 3);
    const decoded = decode(bytes, memory);
    memory.fill(0);
    expect(decoded).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("an array of attributes is numbered from 1, or from where it is told", () => {
    expect([...encode(indexed(uint8), [7])].slice(4)).toEqual([7, 0, 0, 0]);
    const numbers = (first?: number): number[] => {
      const view = new DataView(encode(indexed(uint8, { first }), [7, 8]).buffer);
      return [view.getUint16(2, true) | view.getUint16(2), view.getUint16(10, true) | view.getUint16(10)];
    };
    expect(numbers().map((number) => number & 0xff)).toEqual([1, 2]);
    expect(numbers(0).map((number) => number & 0xff)).toEqual([0, 1]);
  });
});

describe("IP addresses", () => {
  test.each([
    ["::", []],
    ["::1", [[15, 1]]],
    ["1::", [[1, 1]]],
    [
      "fe80::1:0:0:1",
      [
        [0, 0xfe],
        [1, 0x80],
        [9, 1],
        [15, 1],
      ],
    ],
    [
      "2001:db8::1",
      [
        [0, 0x20],
        [1, 1],
        [2, 0x0d],
        [3, 0xb8],
        [15, 1],
      ],
    ],
    [
      "1:0:2:0:3:0:4:0",
      [
        [1, 1],
        [5, 2],
        [9, 3],
        [13, 4],
      ],
    ],
    [
      "0:1:1:1:1:1:1:1",
      [
        [3, 1],
        [5, 1],
        [7, 1],
        [9, 1],
        [11, 1],
        [13, 1],
        [15, 1],
      ],
    ],
    [
      "::ffff:192.0.2.1",
      [
        [10, 255],
        [11, 255],
        [12, 192],
        [14, 2],
        [15, 1],
      ],
    ],
  ] as const)("%s is the form of RFC 5952", (text, octets) => {
    const address = new Uint8Array(16);
    for (const [at, octet] of octets) address[at] = octet;
    expect(decode(ipAddress, address)).toBe(text);
    expect(encode(ipAddress, text)).toEqual(address);
  });

  test("other forms are read too", () => {
    expect(encode(ipAddress, "2001:0DB8:0:0::1")).toEqual(encode(ipAddress, "2001:db8::1"));
    expect(encode(ipAddress, "64:ff9b::192.0.2.33")).toEqual(encode(ipAddress, "64:ff9b::c000:221"));
  });

  test.each([
    ...["", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "0x1.2.3.4", ":", ":::", "1:2"],
    ...["1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::", "::1.2.3", "1.2.3.4::", "::1 "],
    ...["1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4"],
  ])("%j is none", (text) => {
    expect(() => encode(ipAddress, text)).toThrow(EncodeError);
  });

  test("come back as they were", () => {
    const octet = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(255));
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.array(octet, { minLength: 16, maxLength: 16 }).map((octets) => Uint8Array.from(octets)),
    );
    fc.assert(
      fc.property(address, (octets) => {
        expect(encode(ipAddress, decode(ipAddress, octets))).toEqual(octets);
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const octets = encode(ipAddress, text);
        expect(encode(ipAddress, decode(ipAddress, octets))).toEqual(octets);
      }),
    );
  });
});
