import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import * as exported from "../src/inet/index.js";

const run = promisify(execFile);
const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(packageFolder, "README.md"), "utf8");
const section = /^## Reading and rewriting headers\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
const examples = [...section.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");

test("the README's rewrite prints what it says", async () => {
  const example = examples[1] ?? "";
  const results = join(packageFolder, "test-results");
  await mkdir(results, { recursive: true });
  const folder = await mkdtemp(join(results, "readme-"));
  try {
    const file = join(folder, "example.mjs");
    await writeFile(file, example);
    const { stdout } = await run(process.execPath, [file], { timeout: 50_000 });
    expect(stdout.trimEnd()).toBe(/console\.log\(.*\); \/\/ (.*)$/m.exec(example)?.[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the README names what a view has, and what else is exported", () => {
  const names = (prototype: object): string[] =>
    Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
  const base: unknown = Object.getPrototypeOf(exported.Datagram.prototype);
  if (typeof base !== "object" || base === null) throw new Error("a view has a base");
  // Of a pair, the one that is named stands for the other; the rest is told by docstrings.
  const untold = ["destinationBytes", "destinationWord", "headerChecksum"];
  const told = [...names(exported.Datagram.prototype), ...names(base), "verifyChecksums", "checksumOf"];
  expect(told.length).toBeGreaterThan(25);
  expect(told.filter((name) => !untold.includes(name) && !new RegExp(`\\b${name}\\b`).test(section))).toEqual(
    [],
  );
});

test("the README tells every code of a refused rewrite", async () => {
  const source = await readFile(join(packageFolder, "src/inet/errors.ts"), "utf8");
  const codes = [...source.matchAll(/^ {2}\| "(ERR_\w+)"/gm)].map((match) => match[1] ?? "");
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !readme.includes(`| \`${code}\` `))).toEqual([]);
});
