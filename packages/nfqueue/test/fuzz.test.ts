import { expect, test } from "vitest";
import { fuzz } from "./fuzz-targets.js";

test("100,000 mutations of recorded packets are read, or throw DecodeError, and nothing outside them is", () => {
  // Else nothing was shown.
  expect(fuzz(100_000, Date.now())).toBeGreaterThan(30_000);
});
