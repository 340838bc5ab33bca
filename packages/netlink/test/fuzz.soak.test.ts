import { expect, test } from "vitest";
import { fuzz } from "./fuzz-targets.js";

const ROUNDS = 100;
const MUTATIONS = 100_000;

test("10,000,000 mutations of real messages decode, or throw DecodeError, in memory that does not grow", () => {
  let highest = 0;
  let settled = 0;
  for (let round = 0; round < ROUNDS; round++) {
    fuzz(MUTATIONS, (Date.now() ^ (round * 0x9e37_79b9)) | 0);
    const { rss } = process.memoryUsage();
    if (round === 9) settled = rss;
    highest = Math.max(highest, rss);
    if (round % 10 === 9) console.log(`${((round + 1) * MUTATIONS).toLocaleString("en")} mutations`);
  }
  expect(highest - settled).toBeLessThan(64 * 1024 * 1024);
});
