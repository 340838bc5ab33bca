import { expect, test } from "vitest";
import { fuzz } from "./fuzz-targets.js";

const ROUNDS = 100;
const MUTATIONS = 100_000;
const SETTLED = 10;

test("10,000,000 mutations of recorded packets are read, or throw DecodeError, in memory that does not grow", () => {
  let settled = 0;
  let highest = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    fuzz(MUTATIONS, Date.now() ^ Math.imul(round, 0x9e37_79b9));
    const { rss } = process.memoryUsage();
    if (round === SETTLED) settled = rss;
    highest = Math.max(highest, rss);
    if (round % SETTLED === 0) console.log(`${round * MUTATIONS} mutations`);
  }
  expect(highest - settled).toBeLessThan(64 * 1024 * 1024);
});
