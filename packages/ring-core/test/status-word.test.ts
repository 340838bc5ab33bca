import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { loadStatus, storeStatus } from "../src/status-word.js";

/** The sources without their comments. */
async function sources(): Promise<Map<string, string>> {
  const directory = new URL("../src/", import.meta.url);
  const code = new Map<string, string>();
  for (const name of await readdir(directory)) {
    const text = await readFile(new URL(name, directory), "utf8");
    code.set(name, text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""));
  }
  return code;
}

describe("the status word", () => {
  test("is loaded and stored with Atomics in one file, once each", async () => {
    const code = await sources();
    expect(code.size).toBeGreaterThanOrEqual(9);
    const uses = [...code].flatMap(([name, text]) =>
      Array.from(
        text.matchAll(/Atomics\s*\??\.?\s*\[?\s*["']?(\w+)/g),
        ([, operation]) => `${name} ${operation}`,
      ),
    );
    expect(uses).toEqual(["status-word.ts load", "status-word.ts store"]);
  });

  test("is reached through the frame table alone, and its words nowhere else", async () => {
    const code = await sources();
    const naming = (pattern: RegExp): string[] =>
      [...code]
        .filter(([, text]) => pattern.test(text))
        .map(([name]) => name)
        .sort();
    expect(naming(/status-word\.js/)).toEqual(["frame-table.ts"]);
    expect(naming(/Int32Array/)).toEqual(["frame-table.ts", "status-word.ts"]);
    expect(naming(/FrameHeader\.status/)).toEqual([]);
  });

  test("is loaded and stored as it is, at its index", () => {
    const words = new Int32Array(4);
    storeStatus(words, 2, 4);
    expect([...words]).toEqual([0, 0, 4, 0]);
    expect(loadStatus(words, 2)).toBe(4);
  });
});
