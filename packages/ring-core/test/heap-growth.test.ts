import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";

const LIMIT = 64 * 1024;

describe("a million frames take less than 64 KiB of heap", () => {
  const figures = new Map<string, number>();

  beforeAll(() => {
    const fixture = fileURLToPath(new URL("./fixtures/heap-growth.mjs", import.meta.url));
    const options = ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256"];
    const output = execFileSync(process.execPath, [...options, fixture], { encoding: "utf8" });
    const measured: Record<string, number> = JSON.parse(output);
    for (const [name, bytes] of Object.entries(measured)) figures.set(name, bytes);
  }, 60_000);

  test.each(["reading", "delivering", "holding", "sending"])("%s", (way) => {
    expect(figures.get(way)).toBeLessThan(LIMIT);
  });

  test("and one object per frame would be seen", () => {
    expect(figures.get("allocating")).toBeGreaterThan(1_000_000 * 16);
  });
});
