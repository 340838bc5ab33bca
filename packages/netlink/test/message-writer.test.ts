import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOST_IS_LITTLE_ENDIAN } from "../src/abi.js";
import { EncodeError } from "../src/errors.js";
import { MessageWriter } from "../src/message/message-writer.js";
import { joined, messageBytes } from "./memory-socket.js";

/** A writer over the middle of some memory, whose surroundings must stay as they are. */
function framed(length: number): { writer: MessageWriter; memory: Uint8Array; written: () => Uint8Array } {
  const memory = new Uint8Array(length + 32).fill(0xee);
  const writer = new MessageWriter();
  writer.aim(memory, new DataView(memory.buffer), 16, 16 + length);
  return { writer, memory, written: () => memory.subarray(16, writer.position) };
}

describe("MessageWriter", () => {
  test("writes the header with the length of the whole message", () => {
    const { writer, written } = framed(64);
    writer.begin(0x1234, 0x5, 7, 9).uint32(0xdeadbeef).end();
    const payload = new Uint8Array(new Uint32Array([0xdeadbeef]).buffer);
    expect(written()).toEqual(messageBytes({ type: 0x1234, flags: 0x5, sequence: 7, portId: 9, payload }));
  });

  test("puts the next message at a multiple of 4 and leaves the padding out of the length", () => {
    const { writer, written } = framed(64);
    writer.begin(1, 0, 0, 0).uint8(0xaa).end();
    writer.begin(2, 0, 0, 0).end();
    expect(written()).toEqual(
      joined(
        messageBytes({ type: 1, payload: Uint8Array.of(0xaa) }),
        new Uint8Array(3),
        messageBytes({ type: 2 }),
      ),
    );
  });

  test("writes numbers in the byte order that the method names", () => {
    const { writer, written } = framed(64);
    writer
      .begin(1, 0, 0, 0)
      .uint16(0x0102)
      .uint16Network(0x0102)
      .uint32(0x01020304)
      .uint32Network(0x01020304)
      .end();
    const host16 = HOST_IS_LITTLE_ENDIAN ? [2, 1] : [1, 2];
    const host32 = HOST_IS_LITTLE_ENDIAN ? [4, 3, 2, 1] : [1, 2, 3, 4];
    expect([...written().subarray(16)]).toEqual([...host16, 1, 2, ...host32, 1, 2, 3, 4]);
  });

  test("leaves the padding out of an attribute's length and zeroes it", () => {
    const { writer, memory, written } = framed(64);
    memory.fill(0xee);
    writer
      .begin(1, 0, 0, 0)
      .attributeBytes(3, Uint8Array.of(9, 8, 7, 6, 5))
      .end();
    const header = new Uint8Array(new Uint16Array([9, 3]).buffer);
    expect([...written().subarray(16)]).toEqual([...header, 9, 8, 7, 6, 5, 0, 0, 0]);
  });

  test("ends text with a NUL that counts", () => {
    const { writer, written } = framed(64);
    writer.begin(1, 0, 0, 0).attributeString(3, "lo").end();
    const header = new Uint8Array(new Uint16Array([7, 3]).buffer);
    expect([...written().subarray(16)]).toEqual([...header, 0x6c, 0x6f, 0, 0]);
  });

  test("closes a nested attribute around all that it holds", () => {
    const { writer, written } = framed(64);
    writer.begin(1, 0, 0, 0);
    const outer = writer.openNested(5);
    const inner = writer.openNested(6);
    writer.attributeUint8(7, 1);
    writer.closeNested(inner).attributeUint16Network(8, 0x0102).closeNested(outer).end();
    const headers = (...values: number[]): number[] => [...new Uint8Array(new Uint16Array(values).buffer)];
    expect([...written().subarray(16)]).toEqual([
      ...headers(24, 0x8005, 12, 0x8006, 5, 7),
      ...[1, 0, 0, 0],
      ...headers(6, 8),
      ...[1, 2, 0, 0],
    ]);
  });

  test("an explicit attribute of odd length takes what follows it and is closed by pad", () => {
    const { writer, written } = framed(64);
    writer.begin(1, 0, 0, 0).attribute(2, 5).uint32Network(0xffff).uint8(2).pad().end();
    expect(written().length).toBe(16 + 4 + 5 + 3);
  });

  test("throws EncodeError where the memory ends, and writes nothing behind it", () => {
    const { writer, memory } = framed(24);
    writer.begin(1, 0, 0, 0).uint32(1).uint32(2);
    expect(() => writer.uint8(3)).toThrow(EncodeError);
    expect([...memory.subarray(16 + 24)]).toEqual(new Array<number>(16).fill(0xee));
  });

  test("a message in which something did not fit cannot be finished; the next takes its place", () => {
    const { writer, written } = framed(32);
    writer.begin(1, 0, 0, 0);
    expect(() => writer.attributeBytes(1, new Uint8Array(40))).toThrow(EncodeError);
    expect(() => writer.uint32(1).end()).toThrow(EncodeError);
    writer.begin(2, 0, 0, 0).end();
    expect(written()).toEqual(messageBytes({ type: 2 }));
  });

  test("refuses to finish a message that was not begun", () => {
    const { writer } = framed(32);
    expect(() => writer.end()).toThrow(EncodeError);
    writer.begin(2, 0, 0, 0).end();
    expect(() => writer.end()).toThrow(EncodeError);
  });

  test("refuses an attribute that nla_len cannot count", () => {
    const writer = MessageWriter.growing().begin(1, 0, 0, 0);
    expect(() => writer.attributeBytes(1, new Uint8Array(65_532))).toThrow(/65,531/);
    expect(() => MessageWriter.growing().begin(1, 0, 0, 0).attribute(1, 65_532)).toThrow(/65,531/);
    const nest = writer.begin(1, 0, 0, 0).openNested(1);
    writer.attributeBytes(1, new Uint8Array(40_000)).attributeBytes(2, new Uint8Array(40_000));
    expect(() => writer.closeNested(nest)).toThrow(/65,535/);
  });

  test("an attribute of unknown length is closed with its length, padded", () => {
    const { writer, written } = framed(64);
    const token = writer.begin(1, 0, 0, 0).openAttribute(3);
    writer.bytes(Uint8Array.of(1, 2)).uint8(3).closeAttribute(token);
    expect(writer.written).toBe(16 + 8);
    writer.end();
    const header = new Uint8Array(new Uint16Array([7, 3]).buffer);
    expect([...written().subarray(16)]).toEqual([...header, 1, 2, 3, 0]);
  });

  test("a message that was abandoned cannot be finished; the next takes its place", () => {
    const { writer, written } = framed(32);
    writer.begin(1, 0, 0, 0).uint32(1).abandon();
    expect(() => writer.end()).toThrow(EncodeError);
    writer.begin(2, 0, 0, 0).end();
    expect(written()).toEqual(messageBytes({ type: 2 }));
  });

  test("what a growing writer has finished is what was written last, in whatever memory that is", () => {
    const writer = MessageWriter.growing();
    writer.begin(1, 0, 0, 0).end();
    expect(writer.finished()).toEqual(messageBytes({ type: 1 }));
    writer.begin(2, 0, 0, 0).bytes(new Uint8Array(1000));
    writer.end();
    writer.rewind();
    writer.begin(3, 0, 0, 0).end();
    expect(writer.finished()).toEqual(messageBytes({ type: 3 }));
    writer.rewind();
    writer.begin(4, 0, 0, 0).end();
    expect(writer.finished()).toEqual(messageBytes({ type: 4 }));
  });

  test("a growing writer keeps what it wrote as it grows", () => {
    const writer = MessageWriter.growing();
    const payload = new Uint8Array(5000).fill(7);
    writer.begin(1, 0, 0, 0).uint32(5).end();
    writer.begin(2, 0, 0, 0);
    for (let i = 0; i < 20; i++) writer.attributeBytes(1, payload);
    writer.end();
    expect(writer.finished().length).toBe(20 + 16 + 20 * 5004);
    expect(writer.finished().subarray(0, 20)).toEqual(
      messageBytes({ type: 1, payload: new Uint8Array(new Uint32Array([5]).buffer) }),
    );
  });

  test("an unfinished message goes on where it was moved to, nested attributes included", () => {
    const straight = framed(256);
    const moved = framed(256);
    const other = new Uint8Array(512);
    for (const { writer } of [straight, moved]) writer.begin(1, 2, 3, 4).end();
    const begin = (writer: MessageWriter): number => {
      const nest = writer.begin(5, 6, 7, 8).uint32(1).openNested(9);
      writer.attributeUint32(1, 2);
      return nest;
    };
    const finish = (writer: MessageWriter, nest: number): void =>
      writer.attributeString(3, "abc").closeNested(nest).end();
    finish(straight.writer, begin(straight.writer));
    const nest = begin(moved.writer);
    moved.writer.moveTo(other, new DataView(other.buffer), 128, 512);
    finish(moved.writer, nest);
    expect(other.subarray(128, moved.writer.position)).toEqual(straight.written().subarray(16));
  });

  test("what is written stays inside its memory, whatever is written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 64 }).map((words) => words * 4),
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ maxLength: 20 }), fc.nat()), {
          maxLength: 12,
        }),
        (length, values) => {
          const { writer, memory } = framed(length);
          try {
            writer.begin(1, 0, 0, 0);
            for (const value of values) {
              if (typeof value === "string") writer.attributeString(1, value);
              else if (typeof value === "number") writer.uint8(value);
              else writer.attributeBytes(2, value);
            }
            writer.end();
          } catch (error) {
            expect(error).toBeInstanceOf(EncodeError);
          }
          expect(memory.subarray(0, 16).every((byte) => byte === 0xee)).toBe(true);
          expect(memory.subarray(16 + length).every((byte) => byte === 0xee)).toBe(true);
        },
      ),
    );
  });
});
