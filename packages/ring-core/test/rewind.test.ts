import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RxFiller, type RxRing } from "../src/index.js";
import { GuardedMemory, geometryOf, readAll } from "./ring-fixture.js";

/** A ring whose producer goes back with its reader. */
class RewoundRing {
  readonly memory: GuardedMemory;
  readonly ring: RxRing;
  #filler: RxFiller;

  constructor(framesPerBlock = 2, blockCount = 2) {
    this.memory = new GuardedMemory(geometryOf(framesPerBlock, blockCount));
    this.ring = this.memory.rx();
    this.#filler = this.#startingAnew();
  }

  deliver(byte: number): string {
    return this.#filler.deliver(Uint8Array.of(byte));
  }

  rewind(): boolean {
    const rewound = this.ring.rewind();
    if (rewound) this.#filler = this.#startingAnew();
    return rewound;
  }

  /** A producer begins at the first frame. */
  #startingAnew(): RxFiller {
    return new RxFiller(this.memory.buffer, this.memory.byteOffset, this.memory.geometry);
  }
}

describe("going back to the first frame", () => {
  test("makes it the next one, where no frame is out", () => {
    const rewound = new RewoundRing();
    for (let round = 0; round < 5; round++) {
      rewound.deliver(round);
      const frame = rewound.ring.next();
      expect(frame).toBe(0);
      rewound.ring.release(frame);
      expect(rewound.ring.next()).toBe(-1);
      expect(rewound.rewind()).toBe(true);
    }
  });

  test("is refused while a frame is taken, and while one is held", () => {
    const { memory, ring } = new RewoundRing();
    memory.fill(0, 1);
    const frame = ring.next();
    expect(ring.rewind()).toBe(false);
    ring.hold(frame);
    expect(ring.rewind()).toBe(false);
    ring.release(frame);
    expect(ring.rewind()).toBe(true);
  });

  test("loses and swaps no message, whatever is held and given back between", () => {
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ name: "deliver" as const, at: 0 }) },
      { weight: 3, arbitrary: fc.constant({ name: "next" as const, at: 0 }) },
      { weight: 2, arbitrary: fc.record({ name: fc.constant("hold" as const), at: fc.nat(7) }) },
      { weight: 3, arbitrary: fc.record({ name: fc.constant("release" as const), at: fc.nat(7) }) },
    );
    const shape = fc.record({
      framesPerBlock: fc.integer({ min: 1, max: 3 }),
      blockCount: fc.integer({ min: 1, max: 2 }),
    });
    let rewinds = 0;
    fc.assert(
      fc.property(
        shape,
        fc.array(operation, { maxLength: 60 }),
        ({ framesPerBlock, blockCount }, operations) => {
          const rewound = new RewoundRing(framesPerBlock, blockCount);
          const { ring } = rewound;
          const delivered: number[] = [];
          const read: number[] = [];
          const out: number[] = [];
          for (const { name, at } of operations) {
            const frame = out[at % Math.max(1, out.length)];
            if (name === "deliver") {
              if (rewound.deliver(delivered.length) === "valid") delivered.push(delivered.length);
            } else if (name === "next") {
              const next = ring.next();
              if (next === -1) rewinds += Number(rewound.rewind());
              else {
                read.push(ring.bytes[ring.payloadOffset(next)] ?? -1);
                out.push(next);
              }
            } else if (frame !== undefined) {
              if (name === "release") {
                ring.release(frame);
                out.splice(out.indexOf(frame), 1);
              } else if (rewound.memory.status(frame) !== 4) ring.hold(frame);
            }
          }
          for (const frame of out) ring.release(frame);
          read.push(...readAll(ring));
          expect(read).toEqual(delivered);
        },
      ),
      { numRuns: 2000 },
    );
    expect(rewinds).toBeGreaterThan(1000);
  });
});
