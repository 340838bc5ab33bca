import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const run = promisify(execFile);
const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(packageFolder, "README.md"), "utf8");
const manifest = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8"));
// The log reader runs until it is stopped: nflog.kernel.test.ts has it.
const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)]
  .map((match) => match[1] ?? "")
  .filter((example) => !example.startsWith("// Logs what comes in"));

/** The files that the package's names stand for: an example lies where nothing is installed. */
function resolved(example: string): string {
  return example.replaceAll(/from "@nlring\/netlink(\/[a-z]+)?"/g, (_, subpath: string | undefined) => {
    const { default: file } = manifest.exports[subpath === undefined ? "." : `.${subpath}`];
    return `from ${JSON.stringify(pathToFileURL(join(packageFolder, file)).href)}`;
  });
}

async function print(example: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "nlring-readme-"));
  try {
    const file = join(folder, "example.mjs");
    await writeFile(file, resolved(example));
    // In a namespace of its own: what one changes is none of another's business.
    const { stdout } = await run("unshare", ["--net", process.execPath, file], {
      timeout: 50_000,
      cwd: folder,
    });
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Words by which each example is found, and what it prints. */
const PRINTED: readonly (readonly [string, RegExp])[] = [
  ["const loopback = await socket.request", /^1 lo 65536\n(.*\n)*lo\n$/],
  ["prefixLength: 99", /^EINVAL the kernel answered EINVAL/],
  ["socket.watch(", /^\d+\n$/],
  ["const ifinfomsg = struct", /^$/],
  ['local: "192.0.2.7", address: "192.0.2.7"', /^$/],
  ["{ filter }", /^$/],
  ['generic.family("nlctrl")', /^16 \d+ 16\n(.*\n)*nlctrl\n(.*\n)*.*nulString/],
  ["routes.pcap", /^\d+ records, 0 dropped/],
  ["new FakeGenericKernel(", /^\{ speed: 900 \}\n\{ name: 'stalled', value: \{ name: 'front' \} \}\n.*fans/],
  ["new FakeKernel(", /^lo\neth0\nmtu\nERR_REPLY_LOST\n$/],
  ["of conformanceCases", /pass \d{2,}\n.*fail 0\n/],
];

describe("the README's examples", () => {
  test.each(PRINTED)("with %s", async (words, printed) => {
    const [example = "", ...others] = examples.filter((text) => text.includes(words));
    expect(others).toEqual([]);
    expect(await print(example)).toMatch(printed);
  });

  test("are all run", () => {
    const run = examples.filter((example) => PRINTED.some(([words]) => example.includes(words)));
    expect(examples.filter((example) => !run.includes(example))).toEqual([]);
  });
});
