import { describe, expect, test, vi } from "vitest";

// The codec as it is on a processor of the other byte order.
vi.mock("../src/abi.js", async (original) => {
  const abi = await original<typeof import("../src/abi.js")>();
  return { ...abi, HOST_IS_LITTLE_ENDIAN: !abi.HOST_IS_LITTLE_ENDIAN };
});

const { decode, encode, attributes, int16, int32, int64, message, struct, uint16, uint32, uint64, uint8 } =
  await import("../src/index.js");
const { uint16Network, uint32Network, uint64Network, enumeration, list } = await import("../src/index.js");
const { HOST_IS_LITTLE_ENDIAN } = await import("../src/abi.js");
const { messageOf, received } = await import("./schema-messages.js");

/** An integer's bytes in the order that is played. */
function octets(value: number, size: number): number[] {
  const littleEndian = Array.from({ length: size }, (_, at) => (value >> (at * 8)) & 0xff);
  return HOST_IS_LITTLE_ENDIAN ? littleEndian : littleEndian.toReversed();
}

describe("on a host of the other byte order", () => {
  test("host integers turn and network integers do not", () => {
    const type = struct({
      a: uint16,
      b: uint32,
      c: uint16Network,
      d: uint32Network,
      e: int16,
      f: int32,
      g: enumeration({ one: 0x0102 }, uint16),
    });
    const value = { a: 0x0102, b: 0x01020304, c: 0x0102, d: 0x01020304, e: -2, f: -3, g: "one" as const };
    const bytes = [
      ...octets(0x0102, 2),
      ...octets(0x01020304, 4),
      ...[1, 2, 1, 2, 3, 4],
      ...octets(-2, 2),
      ...octets(-3, 4),
      ...octets(0x0102, 2),
    ];
    expect([...encode(type, value)]).toEqual(bytes);
    expect(decode(type, Uint8Array.from(bytes))).toEqual(value);
  });

  test("so do those of 64 bits", () => {
    const type = struct({ a: uint64, b: uint64Network, c: int64 });
    const low = octets(0x01020304, 4);
    const bytes = HOST_IS_LITTLE_ENDIAN
      ? [...low, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, ...low, 0, 0, 0, 0]
      : [0, 0, 0, 0, ...low, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, ...low];
    const value = { a: 0x01020304n, b: 0x01020304n, c: 0x01020304n };
    expect(decode(type, Uint8Array.from(bytes))).toEqual(value);
    expect([...encode(type, value)]).toEqual(bytes);
  });

  test("and the headers of messages and attributes", () => {
    const schema = message(struct({ family: uint8 }), {
      nest: [2, attributes({ numbers: [1, list(uint16)] })],
    });
    const bytes = Uint8Array.from([
      ...octets(16 + 4 + 4 + 8, 4),
      ...octets(1, 2),
      ...new Array<number>(10).fill(0),
      ...[7, 0, 0, 0],
      ...octets(12, 2),
      ...octets(0x8002, 2),
      ...octets(8, 2),
      ...octets(1, 2),
      ...octets(0x0102, 2),
      ...octets(0x0304, 2),
    ]);
    const value = { family: 7, nest: { numbers: [0x0102, 0x0304] } };
    expect(messageOf((writer) => schema.write(writer, value))).toEqual(bytes);
    expect(schema.decode(received(bytes))).toEqual(value);
    expect(schema.pathOf(bytes, 0, 28)).toBe("nest.numbers.0");
  });
});
