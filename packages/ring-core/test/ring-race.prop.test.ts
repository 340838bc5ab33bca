import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RxRing } from "../src/index.js";
import { GuardedMemory, geometryOf } from "./ring-fixture.js";
import { SlotProducer } from "./slot-producer.js";

/** What another processor does in front of each access of the reader to a status word. */
const { elsewhere } = vi.hoisted(() => ({ elsewhere: { act: (): void => {} } }));

vi.mock(import("../src/status-word.js"), async (importOriginal) => {
  const { loadStatus, storeStatus } = await importOriginal();
  return {
    loadStatus: (words, index) => {
      elsewhere.act();
      return loadStatus(words, index);
    },
    storeStatus: (words, index, status) => {
      elsewhere.act();
      storeStatus(words, index, status);
    },
  };
});

const readerSteps = fc.array(
  fc.tuple(fc.constantFrom("next", "hold", "release", "releaseLate", "nothing"), fc.nat(99)),
  { maxLength: 80, size: "max" },
);
const producerSteps = fc.array(fc.constantFrom("reserve", "finish", "abort", "nothing"), {
  maxLength: 200,
  size: "max",
});

/** Takes one frame and compares it with the oldest that the producer took and did not abort. */
function take(ring: RxRing, producer: SlotProducer): number {
  const frame = ring.next();
  if (frame === -1) return frame;
  const expected = producer.expected();
  if (frame !== expected?.frame || ring.bytes[ring.payloadOffset(frame)] !== expected.message)
    throw new Error(`took frame ${frame} in place of ${expected?.frame}`);
  producer.slots.shift();
  return frame;
}

/** A ring of four frames whose reader is at frame 0, which it holds, as the producer is. */
function openHolding(): { ring: RxRing; fill: () => void } {
  const memory = new GuardedMemory(geometryOf(4, 1));
  const producer = new SlotProducer(memory, false);
  const ring = memory.rx();
  const fill = (): void => {
    producer.reserve();
    producer.finish(0, "valid");
  };
  for (let frame = 0; frame < 4; frame++) fill();
  for (let frame = 0; frame < 4; frame++) expect(ring.next()).toBe(frame);
  ring.hold(0);
  for (const frame of [1, 2, 3]) ring.release(frame);
  return { ring, fill };
}

/** Runs `act` in front of one of the reader's next accesses to a status word: 1 is the first. */
function inFrontOf(access: number, act: () => void): void {
  let left = access;
  elsewhere.act = () => {
    if (--left === 0) act();
  };
}

describe("the RX ring beside a producer on another processor", () => {
  afterEach(() => {
    elsewhere.act = () => {};
  });

  test("keeps the order when the producer passes a frame while it is given back", () => {
    const { ring, fill } = openHolding();
    // The look at the frame behind it comes first, then the store that frees it.
    inFrontOf(2, fill);
    ring.release(0);
    for (let count = 0; count < 3; count++) fill();
    expect([1, 2, 3, 4].map(() => ring.next())).toEqual([1, 2, 3, 0]);
  });

  test("keeps the order when the producer fills an empty frame and the one behind it while the reader looks past", () => {
    const { ring, fill } = openHolding();
    ring.release(0);
    // Frame 0 is seen empty twice before frame 1 is looked at.
    inFrontOf(3, () => {
      fill();
      fill();
    });
    expect([ring.next(), ring.next(), ring.next()]).toEqual([0, 1, -1]);
  });

  test("keeps the order and loses nothing, wherever the producer comes in between", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        readerSteps,
        producerSteps,
        (framesPerBlock, blockCount, reader, others) => {
          const memory = new GuardedMemory(geometryOf(framesPerBlock, blockCount));
          const producer = new SlotProducer(memory, false);
          const ring = memory.rx();
          const taken: number[] = [];
          const held: number[] = [];
          const remaining = others.values();
          // A lap within one call cannot be told from none: the status words are the same after it.
          let givingBack = false;
          elsewhere.act = () => {
            const { value } = remaining.next();
            if (value === "reserve" && !(givingBack && memory.freeCount <= 2)) producer.reserve();
            if (value === "finish") producer.finish(0, "valid");
            if (value === "abort") producer.finish(1, "abort");
          };
          for (const [action, which] of reader) {
            if (action === "nothing") elsewhere.act();
            if (action === "next") {
              const frame = take(ring, producer);
              if (frame !== -1) taken.push(frame);
              continue;
            }
            const from = action === "releaseLate" ? held : taken;
            const [frame] = from.splice(which % Math.max(from.length, 1), 1);
            if (frame === undefined) continue;
            if (action === "hold") {
              ring.hold(frame);
              held.push(frame);
            } else {
              givingBack = action === "releaseLate";
              ring.release(frame);
              givingBack = false;
            }
          }
          elsewhere.act = () => {};
          for (const frame of [...taken, ...held]) ring.release(frame);
          for (const _ of producer.slots) producer.finish(0, "valid");
          for (let frame = take(ring, producer); frame !== -1; frame = take(ring, producer))
            ring.release(frame);
          expect(producer.expected()).toBeUndefined();
          expect(producer.slots).toEqual([]);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
