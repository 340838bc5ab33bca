import { test } from "vitest";
import { fuzz } from "./fuzz-targets.js";

test("100,000 mutations of real messages decode, or throw DecodeError, and nothing outside them is read", () => {
  const seed = Date.now() | 0;
  fuzz(100_000, seed);
});
