import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkGeometry,
  frameOffset,
  GeometryError,
  planRing,
  type RingGeometry,
  ringLength,
} from "../src/index.js";

const VALID: RingGeometry = { blockSize: 4096, blockCount: 4, frameSize: 1024, frameCount: 16 };

function brokenRule(change: Partial<RingGeometry>, pageSize?: number): string | undefined {
  return checkGeometry({ ...VALID, ...change }, pageSize)?.rule;
}

describe("checkGeometry", () => {
  test("accepts a geometry that keeps every rule", () => {
    expect(checkGeometry(VALID)).toBeUndefined();
  });

  test.each([
    ["numbers are whole and of 32 bits", { blockSize: 4096.5 }],
    ["numbers are whole and of 32 bits", { blockCount: Number.NaN }],
    ["numbers are whole and of 32 bits", { frameSize: -1024 }],
    ["numbers are whole and of 32 bits", { frameCount: 2 ** 32 }],
    ["there is a block", { blockCount: 0, frameCount: 0 }],
    ["block size is positive", { blockSize: 0 }],
    ["block size is positive", { blockSize: 2 ** 31 }],
    ["block size is positive", { blockSize: 2 ** 32 - 4096 }],
    ["block size is a multiple of the page size", { blockSize: 4096 + 2048 }],
    ["frame size holds the header", { frameSize: 20 }],
    ["frame size holds the header", { frameSize: 0 }],
    ["frame size is a multiple of 4", { frameSize: 1022 }],
    ["a block holds a frame", { frameSize: 4100 }],
    ["a block holds a frame", { frameSize: 2 ** 32 - 4 }],
    ["blocks hold the number of frames", { frameCount: 15 }],
    ["blocks hold the number of frames", { blockCount: 5 }],
  ] as const)("names the broken rule: %s %o", (rule, change) => {
    expect(checkGeometry({ ...VALID, ...change })).toEqual({ rule, errno: -22 });
  });

  test("names the rule that the kernel checks first where several are broken", () => {
    const all = { blockSize: 2 ** 31 + 1, blockCount: 1, frameSize: 7, frameCount: 9 };
    expect(brokenRule(all)).toBe("block size is positive");
    expect(brokenRule({ ...all, blockSize: 4097 })).toBe("block size is a multiple of the page size");
    expect(brokenRule({ ...all, blockSize: 4096 })).toBe("frame size holds the header");
    expect(brokenRule({ ...all, blockSize: 4096, frameSize: 8190 })).toBe("frame size is a multiple of 4");
    expect(brokenRule({ ...all, blockSize: 4096, frameSize: 8192 })).toBe("a block holds a frame");
    expect(brokenRule({ ...all, blockSize: 4096, frameSize: 2048 })).toBe("blocks hold the number of frames");
  });

  test("takes a frame that is all header", () => {
    expect(brokenRule({ frameSize: 24, frameCount: 170 * 4 })).toBeUndefined();
  });

  test("takes frames that do not divide the block", () => {
    expect(brokenRule({ frameSize: 1000, frameCount: 16 })).toBeUndefined();
    expect(brokenRule({ frameSize: 1400, frameCount: 8 })).toBeUndefined();
  });

  test("multiplies in 32 bits, as the kernel does", () => {
    const wrapping = { blockSize: 2 ** 20, blockCount: 2 ** 22 + 1, frameSize: 1024, frameCount: 1024 };
    expect(checkGeometry(wrapping)).toBeUndefined();
    expect(brokenRule({ ...wrapping, blockCount: 2 ** 22, frameCount: 0 })).toBeUndefined();
  });

  test("takes the largest block and refuses the next", () => {
    const blockSize = 2 ** 31 - 4096;
    expect(brokenRule({ blockSize, blockCount: 1, frameSize: blockSize, frameCount: 1 })).toBeUndefined();
    expect(brokenRule({ blockSize: 2 ** 31, blockCount: 1, frameSize: 2 ** 31, frameCount: 1 })).toBe(
      "block size is positive",
    );
  });

  test.each([4096, 8192, 16_384, 32_768, 65_536])("knows pages of %i bytes", (pageSize) => {
    const geometry = { blockSize: pageSize, blockCount: 2, frameSize: pageSize / 2, frameCount: 4 };
    expect(checkGeometry(geometry, pageSize)).toBeUndefined();
    expect(checkGeometry(geometry, 2 * pageSize)?.rule).toBe("block size is a multiple of the page size");
  });
});

describe("frameOffset", () => {
  test("leaves the gap behind a block's last frame", () => {
    const geometry = { blockSize: 4096, blockCount: 2, frameSize: 1400, frameCount: 4 };
    expect([0, 1, 2, 3].map((frame) => frameOffset(geometry, frame))).toEqual([0, 1400, 4096, 5496]);
  });

  test("is exact beyond 32 bits", () => {
    const geometry = { blockSize: 2 ** 30, blockCount: 8, frameSize: 2 ** 29, frameCount: 16 };
    expect(frameOffset(geometry, 15)).toBe(7 * 2 ** 30 + 2 ** 29);
    expect(ringLength(geometry)).toBe(2 ** 33);
  });
});

/** The least memory of any valid geometry, by trying every number of frames per block. */
function leastMemory(frameSize: number, frameCount: number, pageSize: number): number | undefined {
  let least: number | undefined;
  for (let perBlock = 1; perBlock <= frameCount; perBlock++) {
    for (let blockSize = pageSize; blockSize <= perBlock * frameSize + pageSize; blockSize += pageSize) {
      const geometry = { blockSize, blockCount: frameCount / perBlock, frameSize, frameCount };
      if (checkGeometry(geometry, pageSize) !== undefined) continue;
      const length = ringLength(geometry);
      if (least === undefined || length < least) least = length;
    }
  }
  return least;
}

describe("planRing", () => {
  test.each([
    [
      { frameSize: 2048, frameCount: 64 },
      { blockSize: 4096, blockCount: 32 },
    ],
    [
      { frameSize: 16_384, frameCount: 256 },
      { blockSize: 16_384, blockCount: 256 },
    ],
    [
      { frameSize: 70_016, frameCount: 8 },
      { blockSize: 561_152, blockCount: 1 },
    ],
    [
      { frameSize: 1400, frameCount: 4 },
      { blockSize: 4096, blockCount: 2 },
    ],
    [{ frameSize: 1024, frameCount: 4, pageSize: 65_536 }, undefined],
    [
      { frameSize: 1024, frameCount: 64, pageSize: 65_536 },
      { blockSize: 65_536, blockCount: 1 },
    ],
  ] as const)("plans %o", (plan, expected) => {
    if (expected === undefined) expect(() => planRing(plan)).toThrow(GeometryError);
    else {
      const { frameSize, frameCount } = plan;
      expect(planRing(plan)).toEqual({ ...expected, frameSize, frameCount });
    }
  });

  test("gives exactly the frames that were asked for, valid and in the least memory, or throws where none can be", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 6, max: 2500 }),
        fc.integer({ min: 1, max: 24 }),
        fc.constantFrom(4096, 16_384),
        (words, frameCount, pageSize) => {
          const frameSize = words * 4;
          const least = leastMemory(frameSize, frameCount, pageSize);
          if (least === undefined) {
            expect(() => planRing({ frameSize, frameCount, pageSize })).toThrow(GeometryError);
            return;
          }
          const geometry = planRing({ frameSize, frameCount, pageSize });
          expect(geometry).toMatchObject({ frameSize, frameCount });
          expect(checkGeometry(geometry, pageSize)).toBeUndefined();
          expect(ringLength(geometry)).toBe(least);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("keeps all frames apart and inside their blocks", () => {
    fc.assert(
      fc.property(fc.integer({ min: 6, max: 4000 }), fc.integer({ min: 1, max: 64 }), (words, frameCount) => {
        let geometry: RingGeometry;
        try {
          geometry = planRing({ frameSize: words * 4, frameCount });
        } catch {
          return;
        }
        let end = 0;
        for (let frame = 0; frame < frameCount; frame++) {
          const offset = frameOffset(geometry, frame);
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(offset % 4).toBe(0);
          end = offset + geometry.frameSize;
          expect(Math.floor((end - 1) / geometry.blockSize)).toBe(Math.floor(offset / geometry.blockSize));
        }
        expect(end).toBeLessThanOrEqual(ringLength(geometry));
      }),
      { numRuns: 300 },
    );
  });

  test("plans the largest frame", () => {
    const frameSize = 2 ** 31 - 4096;
    expect(planRing({ frameSize, frameCount: 1 })).toEqual({
      blockSize: frameSize,
      blockCount: 1,
      frameSize,
      frameCount: 1,
    });
  });

  test("plans as many frames as 32 bits count", () => {
    const frameCount = 2 ** 32 - 1;
    const geometry = planRing({ frameSize: 4096, frameCount });
    expect(geometry).toEqual({ blockSize: 4096, blockCount: frameCount, frameSize: 4096, frameCount });
    expect(checkGeometry(geometry)).toBeUndefined();
  });

  test.each([
    { frameSize: 20, frameCount: 4 },
    { frameSize: 1026, frameCount: 4 },
    { frameSize: Number.NaN, frameCount: 4 },
    { frameSize: 1024.5, frameCount: 4 },
    { frameSize: 2 ** 31, frameCount: 1 },
    { frameSize: 2 ** 32 + 4096, frameCount: 1 },
    { frameSize: 1024, frameCount: 0 },
    { frameSize: 1024, frameCount: 1.5 },
    { frameSize: 1024, frameCount: 2 ** 32 },
    { frameSize: 1024, frameCount: 4, pageSize: 2048 },
    { frameSize: 1024, frameCount: 4, pageSize: 12_288 },
  ])("refuses %o", (plan) => {
    expect(() => planRing(plan)).toThrow(
      expect.objectContaining({ name: "GeometryError", code: "ERR_GEOMETRY", errno: -22 }),
    );
  });
});
