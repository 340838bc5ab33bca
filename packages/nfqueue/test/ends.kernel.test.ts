import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { NfQueue } from "@nlring/nfqueue";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LoopbackDatagrams } from "./loopback-datagrams.js";
import { requireRules } from "./require-rules.js";

const QUEUE = 61;
const PORT = 5361;
const MEBIBYTE = 1024 * 1024;

requireRules();
let datagrams: LoopbackDatagrams;
let child: ChildProcess | undefined;
beforeEach(async () => {
  datagrams = await LoopbackDatagrams.open(PORT);
});
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  child = undefined;
  await datagrams[Symbol.asyncDispose]();
});

/** Starts a fixture and resolves when it is ready. */
async function start(name: string, ...args: readonly (string | number)[]): Promise<ChildProcess> {
  child = fork(new URL(`./fixtures/${name}`, import.meta.url), args.map(String), {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  await once(child, "message");
  return child;
}

/** Sends datagrams that the child holds; resolves when it has them all. */
async function sendHeld(holder: ChildProcess, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const told = once(holder, "message");
    await datagrams.send(`held ${i}`);
    expect((await told)[0]).toEqual({ held: i + 1 });
  }
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s closes the queue first: what it held is decided, and then the signal ends the process",
  async (signal) => {
    const holder = await start("ending.mjs", QUEUE, PORT, "signal");
    await sendHeld(holder, 4);
    const exited = once(holder, "exit");
    holder.kill(signal);
    expect(await exited).toEqual([null, signal]);
    await datagrams.until(4);
    await datagrams.send("afterwards");
    await datagrams.until(5);
    expect(datagrams.texts).toEqual(["held 0", "held 1", "held 2", "held 3", "afterwards"]);
  },
);

test("process.exit in a handler decides what is held and what the handler has, and its rule goes", async () => {
  const holder = await start("ending.mjs", QUEUE, PORT, "exit");
  await sendHeld(holder, 4);
  const exited = once(holder, "exit");
  await datagrams.send("in hand");
  expect(await exited).toEqual([3, null]);
  await datagrams.until(5);
  await datagrams.send("afterwards");
  await datagrams.until(6);
  expect(datagrams.texts).toEqual(["held 0", "held 1", "held 2", "held 3", "in hand", "afterwards"]);
});

test("an uncaught exception decides what is held, and its rule goes", async () => {
  const holder = await start("ending.mjs", QUEUE, PORT, "throw");
  await sendHeld(holder, 3);
  const exited = once(holder, "exit");
  holder.send("now");
  expect((await exited)[0]).toBe(1);
  await datagrams.until(3);
  await datagrams.send("afterwards");
  await datagrams.until(4);
  expect(datagrams.texts.at(-1)).toBe("afterwards");
});

test.each([
  ["of the default size", 0],
  ["of 4 KiB", 4096],
  ["of 128 KiB", 131_072],
])("4,000 held packets of 100 bytes take less than 64 MiB, with frames %s", async (_, frameSize) => {
  const hoarder = await start("hoarder.mjs", QUEUE, PORT, frameSize);
  let told: { addressSpace: number; growth: number; broken: number; length: number } | undefined;
  hoarder.on("message", (message: typeof told) => {
    told = message;
  });
  const datagram = Buffer.alloc(100 - 28);
  for (let i = 0; i < 4000; i++) {
    datagram.fill(i & 255);
    await datagrams.send(datagram);
    // The hoarder keeps up, on a machine whose receive buffers are small too.
    if (i % 50 === 49) for (let turn = 0; turn < 20; turn++) await nextTurn();
  }
  while (told === undefined) await once(hoarder, "message");
  expect(told).toMatchObject({ broken: 0, length: 100 });
  expect(told.growth).toBeLessThan(64 * MEBIBYTE);
  if (frameSize === 0) expect(told.addressSpace).toBeLessThan(32 * MEBIBYTE);
  const exited = once(hoarder, "exit");
  hoarder.send("close");
  await exited;
});

test("a verdict timeout decides what is held too long, as the network sees", async () => {
  const queue = await NfQueue.open(QUEUE, { defaultVerdict: "accept", verdictTimeout: 20 });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const running = queue.run((packet) => {
    packet.hold();
  });
  for (const one of ["a", "b"]) await datagrams.send(one);
  await datagrams.until(2);
  expect(queue.statistics).toMatchObject({ timedOut: 2, undecided: 0, unknownVerdicts: 0 });
  await queue.close();
  await running;
});
