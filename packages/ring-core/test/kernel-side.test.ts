import { describe, expect, test } from "vitest";
import { FrameHeader, FrameStatus, RxFiller, TxDrainer, TxRing } from "../src/index.js";
import { GAPPED, GuardedMemory, geometryOf } from "./ring-fixture.js";

function words(memory: GuardedMemory, frame: number): number[] {
  return [...new Uint32Array(memory.buffer, memory.offset(frame), 6)];
}

describe("RxFiller", () => {
  function open(geometry = GAPPED): { memory: GuardedMemory; filler: RxFiller } {
    const memory = new GuardedMemory(geometry);
    return { memory, filler: new RxFiller(memory.buffer, memory.byteOffset, geometry) };
  }

  test("writes the header of struct nl_mmap_hdr in host byte order, and the message behind it", () => {
    const { memory, filler } = open();
    expect(filler.deliver(Uint8Array.of(1, 2, 3), { senderPort: 77, group: 5 })).toBe("valid");
    expect(words(memory, 0)).toEqual([FrameStatus.valid, 3, 5, 77, 0xffff_ffff, 0xffff_ffff]);
    expect([...new Uint8Array(memory.buffer, memory.offset(0) + 24, 4)]).toEqual([1, 2, 3, 0]);
    expect(Object.values(FrameHeader)).toEqual([0, 4, 8, 12, 16, 20]);
  });

  test("says that the kernel sent it where nobody is named", () => {
    const { memory, filler } = open();
    filler.deliver(Uint8Array.of(1));
    expect(words(memory, 0).slice(2, 4)).toEqual([0, 0]);
  });

  test("fills a frame to its last byte and stands a COPY frame for one byte more", () => {
    const { memory, filler } = open();
    expect(filler.deliver(new Uint8Array(976).fill(9))).toBe("valid");
    expect(filler.deliver(new Uint8Array(977).fill(9))).toBe("copy");
    expect(words(memory, 1).slice(0, 2)).toEqual([FrameStatus.copy, 977]);
    expect(new Uint8Array(memory.buffer)[memory.offset(1) + 24]).toBe(0);
    expect(memory.guardsIntact).toBe(true);
  });

  test("is full at the first frame that is not free, whatever is free behind it", () => {
    const { memory, filler } = open(geometryOf(3, 1));
    for (let byte = 0; byte < 3; byte++) expect(filler.deliver(Uint8Array.of(byte))).toBe("valid");
    memory.setStatus(1, FrameStatus.unused);
    expect(filler.deliver(Uint8Array.of(3))).toBe("full");
    memory.setStatus(0, FrameStatus.unused);
    expect(filler.deliver(Uint8Array.of(3))).toBe("valid");
    expect(words(memory, 0)[0]).toBe(FrameStatus.valid);
  });

  test("passes over held frames and goes on behind the one it filled", () => {
    const { memory, filler } = open(geometryOf(4, 1));
    memory.setStatus(0, FrameStatus.skip);
    memory.setStatus(1, FrameStatus.skip);
    filler.deliver(Uint8Array.of(1));
    memory.setStatus(0, FrameStatus.unused);
    filler.deliver(Uint8Array.of(2));
    expect([0, 1, 2, 3].map((frame) => memory.status(frame))).toEqual([0, 4, 2, 2]);
  });

  test("fills a held frame that comes back before it was passed", () => {
    const { memory, filler } = open(geometryOf(2, 1));
    memory.setStatus(0, FrameStatus.skip);
    memory.setStatus(1, FrameStatus.skip);
    expect(filler.deliver(Uint8Array.of(1))).toBe("full");
    memory.setStatus(0, FrameStatus.unused);
    expect(filler.deliver(Uint8Array.of(1))).toBe("valid");
    expect(memory.status(0)).toBe(FrameStatus.valid);
  });

  test.each([FrameStatus.reserved, FrameStatus.valid, FrameStatus.copy, 5, -1])(
    "does not write into a frame in state %d",
    (status) => {
      const { memory, filler } = open();
      memory.setStatus(0, status);
      expect(filler.deliver(Uint8Array.of(1))).toBe("full");
      expect(words(memory, 0).slice(1)).toEqual([0, 0, 0, 0, 0]);
    },
  );
});

describe("TxDrainer", () => {
  function open(geometry = GAPPED): { memory: GuardedMemory; ring: TxRing; drainer: TxDrainer } {
    const memory = new GuardedMemory(geometry);
    return {
      memory,
      ring: new TxRing(memory.buffer, memory.byteOffset, geometry),
      drainer: new TxDrainer(memory.buffer, memory.byteOffset, geometry),
    };
  }

  test("stops at a gap", () => {
    const { memory, drainer } = open();
    memory.fill(1, 1);
    expect(drainer.next()).toBe(-1);
    memory.fill(0, 0);
    expect(drainer.next()).toBe(0);
  });

  test("shows the same frame until it is given back", () => {
    const { memory, drainer } = open();
    memory.fill(0, 0);
    memory.fill(1, 1);
    expect([drainer.next(), drainer.next()]).toEqual([0, 0]);
    drainer.release(0);
    expect([memory.status(0), drainer.next()]).toEqual([FrameStatus.unused, 1]);
  });

  test("stops at a length that leaves the frame until the writer mends it", () => {
    const { memory, drainer } = open();
    memory.fill(0, 1);
    memory.setLength(0, 977);
    const refusal = expect.objectContaining({ code: "ERR_FRAME_LENGTH", errno: -22 });
    expect(() => drainer.next()).toThrow(refusal);
    expect(() => drainer.next()).toThrow(refusal);
    expect(memory.status(0)).toBe(FrameStatus.valid);
    memory.setLength(0, 976);
    expect(drainer.next()).toBe(0);
    expect(drainer.length(0)).toBe(976);
  });

  test("takes a frame of no bytes, as the kernel does", () => {
    const { memory, drainer } = open();
    memory.setStatus(0, FrameStatus.valid);
    expect([drainer.next(), drainer.length(0)]).toEqual([0, 0]);
  });

  test("keeps the length that a frame had when it was taken", () => {
    const { memory, drainer } = open();
    memory.fill(0, 1);
    drainer.next();
    memory.setLength(0, 900);
    expect(drainer.length(0)).toBe(1);
  });

  test.each([-1, 0, 1, 8])("refuses to give back frame %i, which was not taken", (frame) => {
    const { memory, drainer } = open();
    const refusal = expect.objectContaining({ name: "RingError", code: "ERR_FRAME_NOT_TAKEN" });
    expect(() => drainer.release(frame)).toThrow(refusal);
    memory.fill(0, 0);
    drainer.next();
    drainer.release(0);
    expect(() => drainer.release(frame)).toThrow(refusal);
  });

  test("hands a frame back to the writer before the next is taken", () => {
    const { ring, drainer } = open(geometryOf(1, 1));
    for (let lap = 0; lap < 3; lap++) {
      ring.reserve();
      ring.commit(2);
      expect(ring.reserve()).toBe(-1);
      drainer.release(drainer.next());
    }
  });
});
