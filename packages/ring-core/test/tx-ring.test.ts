import { describe, expect, test } from "vitest";
import { FrameStatus, TxDrainer, TxRing } from "../src/index.js";
import { GAPPED, GuardedMemory, geometryOf } from "./ring-fixture.js";

function open(geometry = GAPPED): { memory: GuardedMemory; ring: TxRing; drainer: TxDrainer } {
  const memory = new GuardedMemory(geometry);
  return {
    memory,
    ring: new TxRing(memory.buffer, memory.byteOffset, geometry),
    drainer: new TxDrainer(memory.buffer, memory.byteOffset, geometry),
  };
}

/** Writes one message of one byte. */
function write(ring: TxRing, byte: number): boolean {
  const frame = ring.reserve();
  if (frame === -1) return false;
  ring.bytes[ring.payloadOffset(frame)] = byte;
  ring.commit(1);
  return true;
}

function drainOne(ring: TxRing, drainer: TxDrainer): number | undefined {
  const frame = drainer.next();
  if (frame === -1) return undefined;
  const byte = ring.bytes[drainer.payloadOffset(frame)];
  drainer.release(frame);
  return byte;
}

describe("TxRing", () => {
  test("hands frames over in ring order, round and round, across tail gaps", () => {
    const { memory, ring, drainer } = open();
    for (let byte = 0; byte < 30; byte++) {
      expect(write(ring, byte)).toBe(true);
      expect(drainOne(ring, drainer)).toBe(byte);
    }
    expect(memory.guardsIntact).toBe(true);
  });

  test("shows the same memory as bytes and as words in host byte order", () => {
    const { ring } = open();
    for (let frames = 0; frames < 5; frames++) {
      const at = ring.payloadOffset(ring.reserve());
      ring.words[at / 4] = 0x0102_0304;
      expect(ring.bytes.slice(at, at + 4)).toEqual(new Uint8Array(Uint32Array.of(0x0102_0304).buffer));
      ring.commit(4);
    }
  });

  test("has no frame to give when all wait to be sent", () => {
    const { ring, drainer } = open(geometryOf(3, 1));
    expect([0, 1, 2, 3].map((byte) => write(ring, byte))).toEqual([true, true, true, false]);
    expect([ring.reserve(), ring.reserved]).toEqual([-1, -1]);
    expect(drainOne(ring, drainer)).toBe(0);
    expect(write(ring, 3)).toBe(true);
    expect([1, 2, 3].map(() => drainOne(ring, drainer))).toEqual([1, 2, 3]);
  });

  test("shows a frame to the consumer on commit and not before", () => {
    const { memory, ring, drainer } = open();
    const frame = ring.reserve();
    expect([ring.reserved, drainer.next(), memory.status(frame)]).toEqual([frame, -1, FrameStatus.unused]);
    ring.commit(3);
    expect([ring.reserved, drainer.next(), memory.status(frame)]).toEqual([-1, frame, FrameStatus.valid]);
    expect(drainer.length(frame)).toBe(3);
  });

  test("reserves one frame at a time", () => {
    const { ring } = open();
    ring.reserve();
    expect(() => ring.reserve()).toThrow(
      expect.objectContaining({ name: "RingError", code: "ERR_FRAME_RESERVED" }),
    );
  });

  test("gives the same frame again after abandon", () => {
    const { ring, drainer } = open();
    const frame = ring.reserve();
    ring.abandon();
    expect([ring.reserved, drainer.next()]).toEqual([-1, -1]);
    expect(ring.reserve()).toBe(frame);
  });

  test("commits and abandons only what is reserved", () => {
    const { ring } = open();
    const refusal = expect.objectContaining({ code: "ERR_FRAME_NOT_RESERVED" });
    expect(() => ring.commit(1)).toThrow(refusal);
    expect(() => ring.abandon()).toThrow(refusal);
    write(ring, 0);
    expect(() => ring.commit(1)).toThrow(refusal);
  });

  test.each([0, -1, 1.5, 977, 2 ** 32 + 1, Number.NaN])(
    "refuses %d bytes and keeps the frame reserved",
    (length) => {
      const { memory, ring } = open();
      const frame = ring.reserve();
      expect(() => ring.commit(length)).toThrow(
        expect.objectContaining({ code: "ERR_FRAME_LENGTH", errno: -22 }),
      );
      expect([ring.reserved, memory.status(frame)]).toEqual([frame, FrameStatus.unused]);
      ring.commit(ring.capacity);
    },
  );

  test("waits at a frame that the consumer has not given back, whatever lies behind it", () => {
    const { memory, ring } = open(geometryOf(3, 1));
    for (const byte of [0, 1, 2]) write(ring, byte);
    memory.setStatus(1, FrameStatus.unused);
    expect(ring.reserve()).toBe(-1);
  });

  test("refuses a ring that leaves its memory", () => {
    expect(() => new TxRing(new ArrayBuffer(4096), 0, GAPPED)).toThrow(
      expect.objectContaining({ code: "ERR_GEOMETRY" }),
    );
  });
});
