import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { NETLINK_NETFILTER, NetlinkSocket } from "@nlring/netlink";
import { NfQueue, type Packet } from "@nlring/nfqueue";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { LoopbackDatagrams } from "./loopback-datagrams.js";
import { requireRules } from "./require-rules.js";

const QUEUE = 81;
const PORT = 5381;

requireRules();
let datagrams: LoopbackDatagrams;
beforeEach(async () => {
  datagrams = await LoopbackDatagrams.open(PORT);
});
afterEach(() => datagrams[Symbol.asyncDispose]());

function sockets(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("socket:");
      } catch {
        // The one that the folder was listed with.
        return false;
      }
    });
}

/** What an opening function opened, and the descriptor of its one socket. */
async function withDescriptor<T>(open: () => Promise<T>): Promise<{ opened: T; descriptor: number }> {
  const before = new Set(sockets());
  const opened = await open();
  const [descriptor = -1, ...more] = sockets().filter((number) => !before.has(number));
  if (more.length > 0) throw new Error("more than one socket was opened");
  return { opened, descriptor };
}

function share(descriptor: number, ...args: readonly (string | number)[]): ChildProcess {
  return fork(new URL("./fixtures/shared-socket.mjs", import.meta.url), args.map(String), {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", descriptor, "ipc"],
  });
}

test("a queue that is unbound under its owner rejects run when a verdict says so, and its rules go", async (context) => {
  const { opened: queue, descriptor } = await withDescriptor(() => NfQueue.open(QUEUE));
  const isOurs = queue.transport.kind === "user-ring";
  if (!isOurs) await queue.close();
  requireKernel(context, isOurs, "a mapped socket cannot be handed on");
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const held: Packet[] = [];
  let arrived = (): void => {};
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const running = queue.run((packet) => {
    held.push(packet.hold());
    arrived();
  });
  await datagrams.send("dropped by the kernel");
  await first;
  const child = share(descriptor, "unbind", QUEUE);
  const exited = once(child, "exit");
  expect((await once(child, "message"))[0]).toEqual({ done: true });
  await exited;
  held[0]?.accept();
  await expect(running).rejects.toMatchObject({ name: "QueueLostError", code: "ERR_QUEUE_LOST" });
  // The rules are gone: traffic passes by.
  await datagrams.send("afterwards");
  await datagrams.until(1);
  expect(datagrams.texts).toEqual(["afterwards"]);
  await queue.close();
  // And the number is free.
  await (await NfQueue.open(QUEUE)).close();
});

test("a queue listens on a socket that another process opened", async () => {
  const { opened: socket, descriptor } = await withDescriptor(() =>
    NetlinkSocket.open(NETLINK_NETFILTER, { ordered: true }),
  );
  const child = share(descriptor, "listen", QUEUE, PORT);
  expect((await once(child, "message"))[0]).toEqual({ ready: true });
  await datagrams.send("through it");
  expect((await once(child, "message"))[0]).toMatchObject({
    length: 28 + 10,
    transport: { kind: "user-ring", reason: expect.stringContaining("opened elsewhere") },
  });
  await datagrams.until(1);
  const exited = once(child, "exit");
  child.send("close");
  expect(await exited).toEqual([0, null]);
  await socket.close();
});
