import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAME_HEADER_LENGTH, RingError, RxFiller, TxDrainer, TxRing } from "../src/index.js";
import { GuardedMemory, geometryOf } from "./ring-fixture.js";

const geometries = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))
  .map(([framesPerBlock, blockCount]) => geometryOf(framesPerBlock, blockCount));

/** A scribble into a frame: mostly words that mean something there, at offsets that matter. */
const scribbles = fc.record({
  frame: fc.nat(99),
  word: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 1) }, { weight: 1, arbitrary: fc.nat(9) }),
  value: fc.oneof(
    fc.constantFrom(0, 1, 2, 3, 4, 5, 15, 16, 17, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
    fc.integer({ min: 0, max: 0xffff_ffff }),
  ),
});

type Action = "scribble" | "next" | "hold" | "release" | "produce";

const actions = fc.array(
  fc.record({
    action: fc.constantFrom<Action>("scribble", "scribble", "next", "hold", "release", "produce"),
    which: fc.integer({ min: -1, max: 20 }),
    scribble: scribbles,
  }),
  { maxLength: 100, size: "max" },
);

function scribble(
  memory: GuardedMemory,
  { frame, word, value }: { frame: number; word: number; value: number },
): void {
  const { frameCount, frameSize } = memory.geometry;
  new Uint32Array(memory.buffer, memory.offset(frame % frameCount), frameSize / 4)[word] = value;
}

/** Only misuse may throw, and only a RingError. */
function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof RingError)) throw error;
  }
}

/** What a ring hands out to be read lies inside that frame. */
function expectInside(memory: GuardedMemory, frame: number, offset: number, length: number): void {
  const start = memory.offset(frame);
  if (offset !== start + FRAME_HEADER_LENGTH || offset + length > start + memory.geometry.frameSize)
    throw new Error(`${length} bytes at ${offset} leave frame ${frame}`);
}

describe("memory that somebody else writes into at any time", () => {
  test("makes the reader leave no frame, take no frame twice and throw nothing of its own", () => {
    fc.assert(
      fc.property(geometries, actions, (geometry, sequence) => {
        const memory = new GuardedMemory(geometry);
        const ring = memory.rx();
        const filler = new RxFiller(memory.buffer, memory.byteOffset, geometry);
        const out = new Map<number, number>();
        for (const { action, which, scribble: written } of sequence) {
          if (action === "scribble") scribble(memory, written);
          if (action === "produce") filler.deliver(new Uint8Array(Math.max(which, 0)));
          if (action === "hold") attempt(() => ring.hold(which));
          if (action === "release")
            attempt(() => {
              ring.release(which);
              expect(out.delete(which)).toBe(true);
            });
          if (action === "next") {
            const frame = ring.next();
            if (frame !== -1) {
              expect(out.has(frame)).toBe(false);
              out.set(frame, ring.length(frame));
            }
          }
          for (const [frame, length] of out) {
            if (ring.length(frame) !== length) throw new Error("a length changed");
            if (!ring.isCopy(frame)) expectInside(memory, frame, ring.payloadOffset(frame), length);
          }
          expect(ring.takenCount + ring.heldCount).toBe(out.size);
        }
        expect(memory.guardsIntact).toBe(true);
        for (const frame of out.keys()) ring.release(frame);
        for (let tries = 0; tries <= geometry.frameCount && ring.next() !== -1; tries++)
          expect(tries).toBeLessThan(geometry.frameCount);
      }),
      { numRuns: 3000 },
    );
  });

  test("makes writer and drainer leave no frame and throw nothing but RingError", () => {
    fc.assert(
      fc.property(geometries, actions, (geometry, sequence) => {
        const memory = new GuardedMemory(geometry);
        const ring = new TxRing(memory.buffer, memory.byteOffset, geometry);
        const drainer = new TxDrainer(memory.buffer, memory.byteOffset, geometry);
        for (const { action, which, scribble: written } of sequence) {
          if (action === "scribble") scribble(memory, written);
          if (action === "produce")
            attempt(() => {
              const frame = ring.reserve();
              if (frame !== -1) expectInside(memory, frame, ring.payloadOffset(frame), ring.capacity);
            });
          if (action === "hold") attempt(() => ring.commit(which));
          if (action === "release") attempt(() => drainer.release(which));
          if (action === "next")
            attempt(() => {
              const frame = drainer.next();
              if (frame === -1) return;
              const length = drainer.length(frame);
              scribble(memory, { ...written, frame, word: 1 });
              expect(drainer.length(frame)).toBe(length);
              expectInside(memory, frame, drainer.payloadOffset(frame), length);
            });
        }
        expect(memory.guardsIntact).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("passes random bytes of the whole ring by", () => {
    fc.assert(
      fc.property(geometries, fc.uint8Array({ minLength: 700, maxLength: 700 }), (geometry, noise) => {
        const memory = new GuardedMemory(geometry);
        const ring = memory.rx();
        for (let lap = 0; lap < 4; lap++) {
          for (let frame = 0; frame < geometry.frameCount; frame++) {
            new Uint8Array(memory.buffer).set(noise.subarray(frame, frame + 40), memory.offset(frame));
            memory.setStatus(frame, (noise[frame + lap] ?? 0) % 6);
          }
          for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
            if (!ring.isCopy(frame))
              expectInside(memory, frame, ring.payloadOffset(frame), ring.length(frame));
            ring.release(frame);
          }
        }
        expect([ring.takenCount, ring.heldCount]).toEqual([0, 0]);
      }),
      { numRuns: 2000 },
    );
  });
});
