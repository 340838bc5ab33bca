import { describe, expect, test } from "vitest";
import { FrameStatus, RxFiller, RxRing, ringLength } from "../src/index.js";
import { GAPPED, GuardedMemory, geometryOf, readAll } from "./ring-fixture.js";

function open(geometry = GAPPED): { memory: GuardedMemory; ring: RxRing; deliver: (byte: number) => string } {
  const memory = new GuardedMemory(geometry);
  const filler = new RxFiller(memory.buffer, memory.byteOffset, geometry);
  return { memory, ring: memory.rx(), deliver: (byte) => filler.deliver(Uint8Array.of(byte)) };
}

/** Takes so many frames. */
function take(ring: RxRing, count: number): number[] {
  return Array.from({ length: count }, () => ring.next());
}

describe("taking frames", () => {
  test("finds nothing in an empty ring", () => {
    expect(open().ring.next()).toBe(-1);
  });

  test("hands out filled frames in ring order, round and round, across tail gaps", () => {
    const { memory, ring, deliver } = open();
    for (let lap = 0; lap < 3; lap++) {
      for (let byte = 0; byte < 7; byte++) expect(deliver(byte)).toBe("valid");
      expect(readAll(ring)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
    expect(memory.guardsIntact).toBe(true);
  });

  test("hands a frame out once", () => {
    const { ring, deliver } = open();
    deliver(1);
    expect(take(ring, 2)).toEqual([0, -1]);
    expect(ring.takenCount).toBe(1);
  });

  test("stops at a taken frame when it comes round", () => {
    const { ring, deliver } = open(geometryOf(3, 1));
    for (const byte of [1, 2, 3]) deliver(byte);
    expect(take(ring, 4)).toEqual([0, 1, 2, -1]);
  });

  test("waits for a frame that is being filled, though one behind it is ready", () => {
    const { memory, ring } = open();
    memory.setStatus(0, FrameStatus.reserved);
    memory.fill(1, 11);
    expect(ring.next()).toBe(-1);
    memory.fill(0, 10);
    expect(readAll(ring)).toEqual([10, 11]);
  });

  test("gives the network namespace where the producer told it, else -1", () => {
    const memory = new GuardedMemory(GAPPED);
    const ring = memory.rx();
    const filler = new RxFiller(memory.buffer, memory.byteOffset, GAPPED);
    for (const namespaceId of [0, 7, 0x7fff_ffff, undefined])
      filler.deliver(Uint8Array.of(1), { namespaceId });
    expect(take(ring, 4).map((frame) => ring.namespaceId(frame))).toEqual([0, 7, 0x7fff_ffff, -1]);
  });

  test("gives length, payload, group and sender", () => {
    const memory = new GuardedMemory(GAPPED);
    const ring = memory.rx();
    const filler = new RxFiller(memory.buffer, memory.byteOffset, GAPPED);
    filler.deliver(Uint8Array.of(7, 8, 9), { group: 0xffff_fffe, senderPort: 0xffff_fffd });
    const frame = ring.next();
    const offset = ring.payloadOffset(frame);
    expect([...ring.bytes.subarray(offset, offset + ring.length(frame))]).toEqual([7, 8, 9]);
    expect(ring.view.getUint8(offset)).toBe(7);
    expect([ring.group(frame), ring.senderPort(frame), ring.isCopy(frame)]).toEqual([
      0xffff_fffe,
      0xffff_fffd,
      false,
    ]);
  });

  test("keeps the length that a frame had when it was taken", () => {
    const { memory, ring, deliver } = open();
    deliver(1);
    const frame = ring.next();
    memory.setLength(frame, 0xffff_ffff);
    expect(ring.length(frame)).toBe(1);
  });
});

describe("frames that hold no message", () => {
  test("passes over empty ones, counts them and gives them back", () => {
    const { memory, ring } = open();
    memory.fill(0, 0);
    memory.setLength(0, 0);
    memory.fill(1, 11);
    expect(ring.next()).toBe(1);
    expect([ring.emptyCount, ring.malformedCount, memory.status(0)]).toEqual([1, 0, FrameStatus.unused]);
  });

  test("passes over a length that leaves the frame, counts it and gives it back", () => {
    const { memory, ring } = open();
    for (const [frame, length] of [ring.capacity + 1, 0xffff_ffff].entries()) {
      memory.fill(frame, 0);
      memory.setLength(frame, length);
    }
    memory.fill(2, 12);
    memory.setLength(2, ring.capacity);
    expect(ring.next()).toBe(2);
    expect([ring.emptyCount, ring.malformedCount, memory.status(1)]).toEqual([0, 2, FrameStatus.unused]);
  });

  test("goes once round a ring full of empty frames", () => {
    const { memory, ring } = open();
    for (let frame = 0; frame < 8; frame++) memory.setStatus(frame, FrameStatus.valid);
    expect(ring.next()).toBe(-1);
    expect(ring.emptyCount).toBe(8);
  });

  test("hands out every COPY frame, whatever its length", () => {
    const { memory, ring } = open();
    for (const [frame, length] of [0, 1, ring.capacity + 1, 0xffff_ffff].entries()) {
      memory.fill(frame, 0, FrameStatus.copy);
      memory.setLength(frame, length);
    }
    const frames = take(ring, 4);
    expect(frames).toEqual([0, 1, 2, 3]);
    expect(frames.map((frame) => ring.isCopy(frame))).toEqual([true, true, true, true]);
    expect(frames.map((frame) => ring.length(frame))).toEqual([0, 1, ring.capacity + 1, 0xffff_ffff]);
    expect([ring.emptyCount, ring.malformedCount]).toEqual([0, 0]);
  });
});

describe("giving frames back", () => {
  test("takes them in any order", () => {
    const { memory, ring, deliver } = open();
    for (const byte of [0, 1, 2]) deliver(byte);
    for (const frame of take(ring, 3).reverse()) ring.release(frame);
    expect([0, 1, 2].map((frame) => memory.status(frame))).toEqual([0, 0, 0]);
    expect(ring.takenCount).toBe(0);
  });

  test.each([-1, 0, 3, 8, 1.5, Number.NaN])("refuses frame %d, which is not taken", (frame) => {
    const { ring, deliver } = open();
    deliver(1);
    ring.release(ring.next());
    const refusal = expect.objectContaining({ name: "RingError", code: "ERR_FRAME_NOT_TAKEN" });
    expect(() => ring.release(frame)).toThrow(refusal);
    expect(() => ring.hold(frame)).toThrow(refusal);
  });

  test("refuses to hold a frame twice", () => {
    const { ring, deliver } = open();
    deliver(1);
    ring.hold(ring.next());
    expect(() => ring.hold(0)).toThrow(expect.objectContaining({ code: "ERR_FRAME_NOT_TAKEN" }));
    expect([ring.takenCount, ring.heldCount]).toEqual([0, 1]);
  });
});

describe("holding frames", () => {
  test("marks them SKIP and lets the ring go on round them", () => {
    const { memory, ring, deliver } = open(geometryOf(4, 1));
    deliver(0);
    ring.hold(ring.next());
    expect(memory.status(0)).toBe(FrameStatus.skip);
    for (let byte = 1; byte < 10; byte++) {
      expect(deliver(byte)).toBe("valid");
      expect(readAll(ring)).toEqual([byte]);
    }
    ring.release(0);
    expect([ring.heldCount, memory.status(0)]).toEqual([0, FrameStatus.unused]);
  });

  test("goes past a frame that was held when the producer came by and given back since", () => {
    const { ring, deliver } = open(geometryOf(4, 1));
    for (const byte of [0, 1, 2, 3]) deliver(byte);
    const [first = -1, ...others] = take(ring, 4);
    ring.hold(first);
    for (const frame of others) ring.release(frame);
    deliver(4);
    ring.release(first);
    deliver(5);
    expect(readAll(ring)).toEqual([4, 5]);
  });

  test("keeps the order when the producer went past a held frame, came round and filled it", () => {
    const { ring, deliver } = open(geometryOf(4, 1));
    for (const byte of [0, 1, 2, 3]) deliver(byte);
    const [first = -1, ...others] = take(ring, 4);
    ring.hold(first);
    for (const frame of others) ring.release(frame);
    deliver(4);
    ring.release(first);
    for (const byte of [5, 6, 7]) expect(deliver(byte)).toBe("valid");
    expect(readAll(ring)).toEqual([4, 5, 6, 7]);
  });

  test("goes past a frame given back behind the producer only once", () => {
    const { ring, deliver } = open(geometryOf(4, 1));
    for (const byte of [0, 1, 2, 3]) deliver(byte);
    const [first = -1, second = -1, ...others] = take(ring, 4);
    ring.hold(second);
    for (const frame of [first, ...others]) ring.release(frame);
    for (const byte of [4, 5]) deliver(byte);
    ring.release(second);
    deliver(6);
    ring.release(ring.next());
    expect([deliver(7), deliver(8), deliver(9)]).toEqual(["valid", "valid", "full"]);
    expect(readAll(ring)).toEqual([5, 6, 7, 8]);
  });

  test("keeps the order when a held frame is given back before the producer came by", () => {
    const { ring, deliver } = open(geometryOf(4, 1));
    for (const byte of [0, 1, 2, 3]) deliver(byte);
    const [first = -1, ...others] = take(ring, 4);
    ring.hold(first);
    for (const frame of others) ring.release(frame);
    ring.release(first);
    for (const byte of [4, 5, 6, 7]) expect(deliver(byte)).toBe("valid");
    expect(readAll(ring)).toEqual([4, 5, 6, 7]);
  });

  test("is full when all are held, and goes on from whichever comes back", () => {
    const { ring, deliver } = open(geometryOf(4, 1));
    for (const byte of [0, 1, 2, 3]) deliver(byte);
    for (const frame of take(ring, 4)) ring.hold(frame);
    expect(deliver(4)).toBe("full");
    expect(ring.next()).toBe(-1);
    ring.release(2);
    expect([deliver(4), deliver(5)]).toEqual(["valid", "full"]);
    expect(readAll(ring)).toEqual([4]);
    ring.release(1);
    ring.release(3);
    expect([deliver(5), deliver(6), deliver(7)]).toEqual(["valid", "valid", "valid"]);
    expect(readAll(ring)).toEqual([5, 6, 7]);
  });

  test("works in a ring of one frame", () => {
    const { ring, deliver } = open(geometryOf(1, 1));
    for (let byte = 0; byte < 5; byte++) {
      expect([deliver(byte), deliver(99)]).toEqual(["valid", "full"]);
      const frame = ring.next();
      expect(ring.bytes[ring.payloadOffset(frame)]).toBe(byte);
      ring.hold(frame);
      expect([deliver(99), ring.next()]).toEqual(["full", -1]);
      ring.release(frame);
    }
  });

  test("does not pass over an empty frame in front of a filled one that it never held", () => {
    const { memory, ring } = open();
    memory.fill(1, 11);
    expect(ring.next()).toBe(-1);
    memory.fill(0, 10);
    expect(readAll(ring)).toEqual([10, 11]);
  });

  test("finds the frame that a producer filled which had gone past held ones while the ring was full", () => {
    // The kernel moves its head over SKIP frames even when it then finds no free one.
    const { memory, ring } = open(geometryOf(4, 1));
    for (let frame = 0; frame < 4; frame++) memory.fill(frame, frame);
    const frames = take(ring, 4);
    for (const frame of frames.slice(0, 2)) ring.hold(frame);
    for (const frame of frames) ring.release(frame);
    expect(ring.next()).toBe(-1);
    memory.fill(2, 4);
    memory.fill(3, 5);
    expect(readAll(ring)).toEqual([4, 5]);
    memory.fill(0, 6);
    memory.fill(1, 7);
    expect(readAll(ring)).toEqual([6, 7]);
  });
});

describe("memory", () => {
  test.each([
    ["not aligned", 2],
    ["in front of the memory", -4],
    ["beyond the memory", 4],
    ["not a number", Number.NaN],
  ])("refuses a ring that is %s", (_reason, byteOffset) => {
    const memory = new ArrayBuffer(ringLength(GAPPED));
    expect(() => new RxRing(memory, byteOffset, GAPPED)).toThrow(
      expect.objectContaining({ name: "GeometryError", code: "ERR_GEOMETRY", errno: -22 }),
    );
  });

  test("refuses a geometry that wraps in 32 bits, which the kernel would take", () => {
    const geometry = { blockSize: 2 ** 20, blockCount: 2 ** 22 + 1, frameSize: 1024, frameCount: 1024 };
    expect(() => new RxRing(new ArrayBuffer(4096), 0, geometry)).toThrow(
      expect.objectContaining({ code: "ERR_GEOMETRY" }),
    );
  });

  test("may be shared", () => {
    const memory = new SharedArrayBuffer(ringLength(GAPPED));
    new RxFiller(memory, 0, GAPPED).deliver(Uint8Array.of(5));
    expect(readAll(new RxRing(memory, 0, GAPPED))).toEqual([5]);
  });
});

describe("looking whether there is a frame", () => {
  test("finds none in an empty ring, and one as soon as it is filled", () => {
    const { ring, deliver } = open();
    expect(ring.ready).toBe(false);
    deliver(1);
    expect(ring.ready).toBe(true);
  });

  test("sets the frame aside: next gives it, once, and the others in order behind it", () => {
    const { ring, deliver } = open();
    for (const byte of [1, 2, 3]) deliver(byte);
    expect([ring.ready, ring.ready]).toEqual([true, true]);
    expect(readAll(ring)).toEqual([1, 2, 3]);
    expect(ring.ready).toBe(false);
  });

  test("hands nothing out: the frame is not counted, and can be neither held nor released", () => {
    const { ring, deliver } = open();
    deliver(1);
    expect([ring.ready, ring.takenCount]).toEqual([true, 0]);
    const notTaken = expect.objectContaining({ code: "ERR_FRAME_NOT_TAKEN" });
    expect(() => ring.hold(0)).toThrow(notTaken);
    expect(() => ring.release(0)).toThrow(notTaken);
    expect([ring.next(), ring.takenCount]).toEqual([0, 1]);
    ring.release(0);
    expect(ring.takenCount).toBe(0);
  });

  test("passes over frames that hold nothing", () => {
    const { memory, ring } = open();
    memory.setLength(0, 0);
    memory.setStatus(0, FrameStatus.valid);
    expect([ring.ready, ring.emptyCount]).toEqual([false, 1]);
    memory.fill(1, 9);
    expect([ring.ready, ring.next()]).toEqual([true, 1]);
  });
});

test("a ring whose sides are one thread goes by the same status words", () => {
  const guarded = new GuardedMemory(GAPPED);
  const ring = new RxRing(guarded.buffer, guarded.byteOffset, GAPPED, { sameThread: true });
  for (let lap = 0; lap < 3; lap++) {
    for (let frame = 0; frame < GAPPED.frameCount; frame++) guarded.fill(frame, frame);
    expect(readAll(ring)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  }
  guarded.fill(0, 9);
  const held = ring.next();
  ring.hold(held);
  expect(guarded.status(held)).toBe(FrameStatus.skip);
  ring.release(held);
  expect(guarded.status(held)).toBe(FrameStatus.unused);
  expect(guarded.guardsIntact).toBe(true);
});
