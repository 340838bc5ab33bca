import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { listRules } from "@nlring/nfqueue";
import { describe, expect, test } from "vitest";
import { LoopbackDatagrams } from "./loopback-datagrams.js";
import { requireRules } from "./require-rules.js";

const run = promisify(execFile);
const folder = fileURLToPath(new URL("..", import.meta.url));

requireRules();

function programsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code ?? "");
}

const programs: readonly string[] = [
  ...programsOf(`${folder}/README.md`),
  ...programsOf(`${folder}/../../README.md`),
  // A module without a queue of its own: readme.test.ts runs it over a queue in memory.
].filter((program) => !program.startsWith("export function filter"));

const endless = programs.filter((program) => /process\.once\("SIG/.test(program));
const ending = programs.filter((program) => !endless.includes(program));

/** Runs a program in the middle of some traffic, which begins when its rule is there, and ends it by the signal it waits for. */
async function runAmid(traffic: () => Promise<void>, program = ""): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const said = child.stdout === null ? Promise.resolve("") : text(child.stdout);
  try {
    while ((await listRules()).length === 0) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode} before it made a rule`);
    }
    await traffic();
  } finally {
    child.kill(/process\.once\("(SIG\w+)"/.exec(program)?.[1] === "SIGINT" ? "SIGINT" : "SIGTERM");
  }
  expect(await exited).toEqual([0, null]);
  expect(await listRules()).toEqual([]);
  return said;
}

/** Sends datagrams to a port; resolves with those that arrive, when the last one has. */
async function sendTo(port: number, datagrams: readonly string[]): Promise<readonly string[]> {
  await using loopback = await LoopbackDatagrams.open(port);
  for (const datagram of datagrams) await loopback.send(datagram);
  while (loopback.texts.at(-1) !== datagrams.at(-1)) await loopback.until(loopback.texts.length + 1);
  return loopback.texts;
}

/** What Node's DNS client says that the address of a name is, where a server says that it is 198.51.100.7. */
async function resolveName(): Promise<readonly string[]> {
  const server = createSocket("udp4");
  server.on("message", (query, from) => {
    const head = Buffer.from(query.subarray(0, query.indexOf(0, 12) + 5));
    head.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
    const record = Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7);
    server.send(Buffer.concat([head, record]), from.port, from.address);
  });
  server.bind(53, "127.0.0.1");
  await once(server, "listening");
  try {
    const resolver = new Resolver();
    resolver.setServers(["127.0.0.1"]);
    return await resolver.resolve4("example.test");
  } finally {
    server.close();
  }
}

/** Words by which a program that waits for a signal is found, and what it does with traffic. */
const AMID: readonly (readonly [words: string, (program: string | undefined) => Promise<void>])[] = [
  [
    "const suspicious = packet.length > 512",
    async (program) => {
      const long = "x".repeat(600);
      await runAmid(async () => expect(await sendTo(53, ["a", long, "b"])).toEqual(["a", "b"]), program);
    },
  ],
  [
    "InterfaceNames.open()",
    async (program) => {
      await runAmid(async () => expect(await sendTo(5353, ["a", "b"])).toEqual(["a", "b"]), program);
    },
  ],
  [
    "packet.accept({ payload: answer.bytes() });",
    async (program) => {
      expect(await resolveName()).toEqual(["198.51.100.7"]);
      const said = await runAmid(async () => expect(await resolveName()).toEqual(["192.0.2.1"]), program);
      expect(said).toMatch(/^127\.0\.0\.1 answers with \d+ bytes\n$/);
    },
  ],
  [
    "too loud",
    async (program) => {
      const said = await runAmid(
        async () => expect(await sendTo(5300, ["hello", "hey!", "bye"])).toEqual(["hello", "bye"]),
        program,
      );
      expect(said).toMatch(/received: 3,\s+accepted: 2,\s+dropped: 1,/);
    },
  ],
];

describe("a program of the READMEs that waits for a signal", () => {
  test.each(AMID)("does what it says, and ends: %s", async (words, check) => {
    const found = endless.filter((program) => program.includes(words));
    expect(found).toHaveLength(1);
    await check(found[0]);
  });

  test("is among those", () => {
    const known = endless.filter((program) => AMID.some(([words]) => program.includes(words)));
    expect(endless.filter((program) => !known.includes(program))).toEqual([]);
  });
});

test("the READMEs have programs that end by themselves", () => {
  expect(ending.length).toBeGreaterThan(4);
});

test.each(ending.map((program, at) => [at + 1, program] as const))(
  "program %i of the READMEs that ends by itself says what its comments say",
  async (_number, program) => {
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: folder,
    });
    const promised = [...program.matchAll(/console\.log\(.*\); \/\/ (.*[\d\]'}])$/gm)].map(
      ([, said]) => said,
    );
    // How a rule queues, and whether it outlives its process, is the kernel's matter.
    const said = stdout
      .trimEnd()
      .replace(/^(true|false) (queue expression|NFQUEUE target)$/m, "true 'queue expression'");
    if (promised.length > 0) expect(said.split("\n")).toEqual(promised);
  },
);
