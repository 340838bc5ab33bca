import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../src/errors.js";
import { AttributeReader } from "../src/message/attribute.js";
import { MessageWriter } from "../src/message/message-writer.js";

function readerOf(bytes: Uint8Array): AttributeReader {
  return new AttributeReader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
}

/** A run of attributes as `write` makes it. */
function written(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = MessageWriter.growing();
  write(writer.begin(0, 0, 0, 0));
  writer.end();
  return writer.finished().slice(16);
}

/** An attribute header in host order. */
function header(length: number, type: number): number[] {
  return [...new Uint8Array(new Uint16Array([length, type]).buffer)];
}

describe("AttributeReader", () => {
  test("reads numbers in the byte order that the method names", () => {
    const attributes = readerOf(
      written((writer) => {
        writer.attributeUint8(1, 200).attribute(2, 2).uint16(0x0102).pad();
        writer
          .attributeUint32(3, 0xfedcba98)
          .attributeUint16Network(4, 0x0102)
          .attributeUint32Network(5, 0x89abcdef);
      }),
    );
    const values: number[] = [];
    const read = [
      () => attributes.uint8(),
      () => attributes.uint16(),
      () => attributes.uint32(),
      () => attributes.uint16Network(),
      () => attributes.uint32Network(),
    ];
    while (attributes.next()) values.push(read[attributes.type - 1]?.() ?? -1);
    expect(values).toEqual([200, 0x0102, 0xfedcba98, 0x0102, 0x89abcdef]);
  });

  test("leaves the nesting and byte-order flags out of the type", () => {
    const attributes = readerOf(Uint8Array.from([...header(4, 0x8000 | 0x4000 | 17)]));
    expect(attributes.next()).toBe(true);
    expect(attributes.type).toBe(17);
  });

  test("tells the flags apart from the type where they are asked for", () => {
    const attributes = readerOf(Uint8Array.from([...header(4, 0x8000 | 17), ...header(4, 0x4000 | 18)]));
    attributes.next();
    expect([attributes.typeWithFlags, attributes.isNested]).toEqual([0x8011, true]);
    attributes.next();
    expect([attributes.typeWithFlags, attributes.isNested]).toEqual([0x4012, false]);
  });

  test("reads what the writer writes of every integer", () => {
    const attributes = readerOf(
      written((writer) => {
        writer.attributeInt8(1, -1).attributeInt16(2, -2).attributeInt32(3, -3).attributeInt64(4, -4n);
        writer
          .attributeUint16(5, 0xfffe)
          .attributeUint64(6, 2n ** 64n - 1n)
          .attributeUint64Network(7, 1n);
        writer.attribute(8, 2).int16Network(-8).pad().attribute(9, 4).int32Network(-9);
        writer.attribute(10, 8).int64Network(-10n).attribute(11, 8).int64(-11n).attribute(12, 4).int32(-12);
        writer.attribute(13, 3).int8(-13).int16(-14).pad().attribute(14, 16).uint64(3n).uint64Network(4n);
        writer.attributeFlag(15);
      }),
    );
    const read: Record<number, () => unknown> = {
      1: () => attributes.int8(),
      2: () => attributes.int16(),
      3: () => attributes.int32(),
      4: () => attributes.int64(),
      5: () => attributes.uint16(),
      6: () => attributes.uint64(),
      7: () => attributes.uint64Network(),
      8: () => attributes.int16Network(),
      9: () => attributes.int32Network(),
      10: () => attributes.int64Network(),
      11: () => attributes.int64(),
      12: () => attributes.int32(),
      13: () => attributes.int8(),
      14: () => attributes.uint64(),
      15: () => attributes.length,
    };
    const values: unknown[] = [];
    while (attributes.next()) values.push(read[attributes.type]?.());
    expect(values).toEqual([
      -1,
      -2,
      -3,
      -4n,
      0xfffe,
      2n ** 64n - 1n,
      1n,
      -8,
      -9,
      -10n,
      -11n,
      -12,
      -13,
      3n,
      0,
    ]);
  });

  test("reads text up to its first NUL, and without one to its end", () => {
    const bytes = Uint8Array.from([...header(8, 1), 0x6c, 0x6f, 0, 0x58, ...header(6, 2), 0xc3, 0xa4]);
    const attributes = readerOf(bytes);
    const texts: string[] = [];
    while (attributes.next()) texts.push(attributes.string());
    expect(texts).toEqual(["lo", "ä"]);
  });

  test("reads text that lies in shared memory", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    shared.set([...header(7, 1), 0x6c, 0x6f, 0]);
    const attributes = new AttributeReader(new DataView(shared.buffer), 0, 7);
    attributes.next();
    expect(attributes.string()).toBe("lo");
  });

  test("the last attribute may lack its padding, and padding may end the run", () => {
    const unpadded = readerOf(Uint8Array.from([...header(5, 1), 9]));
    expect(unpadded.next()).toBe(true);
    expect(unpadded.uint8()).toBe(9);
    expect(unpadded.next()).toBe(false);
    const padded = readerOf(Uint8Array.from([...header(4, 1), 0, 0, 0]));
    expect(padded.next()).toBe(true);
    expect(padded.next()).toBe(false);
  });

  test("a run shorter than its family header holds nothing", () => {
    const attributes = new AttributeReader(new DataView(new ArrayBuffer(32)), 20, 16);
    expect(attributes.next()).toBe(false);
  });

  test.each([
    ["shorter than its own header", 3],
    ["zero, which would never move on", 0],
    ["longer than the run", 13],
    ["the largest number", 0xffff],
  ])("throws DecodeError for a length %s", (_, length) => {
    const attributes = readerOf(Uint8Array.from([...header(4, 1), ...header(length, 2), 1, 2, 3, 4]));
    expect(attributes.next()).toBe(true);
    expect(() => attributes.next()).toThrow(DecodeError);
    expect(() => attributes.next()).toThrow(DecodeError);
  });

  test("throws DecodeError with its place where an attribute is too short for what is read", () => {
    const attributes = readerOf(Uint8Array.from([...header(4, 1), ...header(6, 2), 1, 2, 0, 0]));
    attributes.next();
    attributes.next();
    expect(attributes.uint16Network()).toBe(0x0102);
    expect(() => attributes.uint32()).toThrow(expect.objectContaining({ code: "ERR_DECODE", offset: 8 }));
  });

  test("reads nothing before the first attribute", () => {
    expect(() => readerOf(new Uint8Array(8)).uint8()).toThrow(DecodeError);
  });

  test("a nested reader ends with its attribute, and tells offsets from the same start", () => {
    const bytes = written((writer) => {
      const nest = writer.openNested(1);
      writer.attributeUint8(7, 70);
      writer.closeNested(nest);
      writer.attributeUint8(8, 80);
    });
    const attributes = readerOf(bytes);
    attributes.next();
    const nested = attributes.nested();
    expect(nested.next()).toBe(true);
    expect([nested.type, nested.uint8()]).toEqual([7, 70]);
    expect(() => nested.uint32()).toThrow(expect.objectContaining({ offset: 8 }));
    expect(nested.next()).toBe(false);
  });

  test("gives back what the writer wrote", () => {
    const values = fc.array(
      fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.uint8Array({ maxLength: 50 }) }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(values, (expected) => {
        const attributes = readerOf(
          written((writer) => {
            for (const { type, value } of expected) writer.attributeBytes(type, value);
          }),
        );
        const read: { type: number; value: Uint8Array }[] = [];
        while (attributes.next()) read.push({ type: attributes.type, value: attributes.bytes().slice() });
        expect(read).toEqual(expected);
      }),
    );
  });

  test("any bytes are read inside their run, and to an end", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      // Lengths that are nearly right get further than random ones.
      fc
        .array(fc.tuple(fc.integer({ min: 0, max: 24 }), fc.uint8Array({ maxLength: 16 })), { maxLength: 10 })
        .map((parts) =>
          Uint8Array.from(parts.flatMap(([length, value]) => [...header(length, 1), ...value])),
        ),
    );
    fc.assert(
      fc.property(bytes, fc.nat(20), (run, before) => {
        // Behind the run lies what would be a fine attribute.
        const memory = Uint8Array.from([...new Uint8Array(before), ...run, ...header(8, 0x3fff), 1, 2, 3, 4]);
        const end = before + run.length;
        const walk = (attributes: AttributeReader, depth: number): void => {
          let last = -1;
          while (attributes.next()) {
            expect(attributes.offset).toBeGreaterThan(last);
            expect(attributes.offset).toBeGreaterThanOrEqual(before + 4);
            expect(attributes.offset + attributes.length).toBeLessThanOrEqual(end);
            last = attributes.offset;
            attributes.bytes();
            attributes.string();
            if (depth < 4) tolerant(() => walk(attributes.nested(), depth + 1));
            tolerant(() => attributes.uint32());
          }
        };
        tolerant(() => walk(new AttributeReader(new DataView(memory.buffer), before, end), 0));
      }),
      { numRuns: 1000 },
    );
  });
});

/** Anything but DecodeError is a fault. */
function tolerant(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}
