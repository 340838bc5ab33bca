import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const run = promisify(execFile);
const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(packageFolder, "README.md"), "utf8");
const index = await readFile(join(packageFolder, "src/index.ts"), "utf8");

const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");

/** What an example prints, run as it stands. Below the package its own name is this package. */
async function print(example: string): Promise<string[]> {
  const results = join(packageFolder, "test-results");
  await mkdir(results, { recursive: true });
  const folder = await mkdtemp(join(results, "readme-"));
  try {
    const file = join(folder, "example.mjs");
    await writeFile(file, example);
    const { stdout } = await run(process.execPath, [file], { timeout: 50_000 });
    return stdout.trimEnd().split("\n");
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("the README's examples", () => {
  test.each([
    ["reads what was delivered", 0, ["0 first", "1 second"]],
    ["reads from another thread", 1, [`the numbers add up to ${(10_000 * 9_999) / 2}`]],
    ["plays a kernel", 2, ["-1 true", "1", "undefined -105"]],
  ])("%s", async (_name, number, printed) => {
    expect(await print(examples[number] ?? "")).toEqual(printed);
  });

  test("are all run", () => {
    expect(examples).toHaveLength(3);
  });
});

test("the README names everything that is exported", () => {
  const names = [...index.matchAll(/\{([^}]*)\}/g)].flatMap((match) =>
    (match[1] ?? "").split(",").map((name) => name.replace("type", "").trim()),
  );
  const exported = names.filter((name) => name !== "");
  expect(exported.length).toBeGreaterThan(20);
  expect(exported.filter((name) => !new RegExp(`\\b${name}\\b`).test(readme))).toEqual([]);
});
