import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const dist = new URL("../dist/", import.meta.url);

/** What a module names in its imports and exports, static and dynamic. */
function specifiers(code: string): string[] {
  const bare = code.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return Array.from(
    bare.matchAll(
      /\b(?:from|import|require)\s*\(?\s*(["'`])(.*?)\1|\bimport\s*\(\s*([^"'`\s])|\b(import\.meta)\b/g,
    ),
    ([all, , named]) => named ?? all,
  );
}

describe("the built package", () => {
  test("loads and moves messages where there is nothing but the language", async () => {
    const fixture = fileURLToPath(new URL("./fixtures/bare-context.mjs", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--experimental-vm-modules",
      "--disable-warning=ExperimentalWarning",
      fixture,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      outcome: "valid",
      frame: 0,
      bytes: [1, 2, 3],
      next: -1,
      byte: 9,
      foreign: [],
      unused: [],
    });
  });

  test("imports nothing from outside itself", async () => {
    const files = (await readdir(dist)).filter((name) => name.endsWith(".js"));
    expect(files).toContain("index.js");
    const outside: string[] = [];
    for (const name of files) {
      const named = specifiers(await readFile(new URL(name, dist), "utf8"));
      outside.push(
        ...named
          .filter((specifier) => !/^\.\/[a-z-]+\.js$/.test(specifier))
          .map((specifier) => `${name}: ${specifier}`),
      );
    }
    expect(outside).toEqual([]);
  });

  test("would be seen to import something, in any way of importing", () => {
    const ways = [
      'import "node:fs";',
      'import { x } from "lib";',
      'export { y } from "../other.js";',
      'await import("z");',
      "await import(name);",
      'require("w");',
      "import.meta.url",
    ];
    expect(specifiers(ways.join("\n"))).toEqual([
      "node:fs",
      "lib",
      "../other.js",
      "z",
      "import(n",
      "w",
      "import.meta",
    ]);
  });
});
