import { describe, expect, test } from "vitest";
import { conformanceCases, fakeStage } from "../src/testing/index.js";

describe.each([
  ["the memory transport", undefined],
  ["a stand-in for mapped kernels before 4.3", "before-4.3"],
  ["a stand-in for mapped kernels from 4.3", "from-4.3"],
] as const)("%s", (_, mapped) => {
  test.each(conformanceCases)("$name", async ({ run }) => {
    await run(fakeStage({ mapped }));
  });
});

test("the cases have names of their own", () => {
  const names = conformanceCases.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
