import { describe, expect, test } from "vitest";
import { conformanceCases, fakeStage, missingRequirements } from "../src/testing/index.js";

describe.each([
  ["the memory transport", undefined],
  ["a stand-in for mapped kernels before 4.3", "before-4.3"],
  ["a stand-in for mapped kernels from 4.3", "from-4.3"],
] as const)("%s", (_, mapped) => {
  test.for(conformanceCases)("$name", async (one, context) => {
    const stage = fakeStage({ mapped });
    const missing = missingRequirements(one, stage);
    if (missing.length > 0) context.skip(`the fake kernel has no ${missing.join(", ")}`);
    await one.run(stage);
  });
});

test("the cases have names of their own", () => {
  const names = conformanceCases.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
