import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { requireKernel, type SkippableContext } from "../../../tools/kernel-requirement.js";
import { setLoopback } from "./links.js";

const example = fileURLToPath(new URL("../../../apps/examples/nflog.mjs", import.meta.url));
const children = new Set<ChildProcess>();

beforeAll(async () => {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await setLoopback(socket, true);
  await socket.close();
});

afterEach(async () => {
  for (const child of children) await kill(child);
});

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Starts the example, and gives its lines once its rule is in force. */
async function start(
  context: SkippableContext,
): Promise<{ child: ChildProcess; lines: AsyncIterator<string> }> {
  const child = spawn(process.execPath, [example], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) {
    await (child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined);
    // A kernel without NFLOG or nftables refuses; anything else is the example's fault.
    const isRefused = /code: 'E(NOENT|OPNOTSUPP|PROTONOSUPPORT|INVAL)'/.test(complaint);
    requireKernel(context, !isRefused, `no packet can be logged: ${complaint}`);
    throw new Error(`the example ended: ${complaint}`);
  }
  expect(first.value).toBe("logging group 5");
  return { child, lines };
}

async function send(type: "udp4" | "udp6", text: string): Promise<void> {
  const socket = createSocket(type);
  await new Promise<void>((resolve, reject) => {
    socket.send(text, 5300, type === "udp4" ? "127.0.0.1" : "::1", (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  socket.close();
}

async function lineWith(lines: AsyncIterator<string>, text: string): Promise<string> {
  for (;;) {
    const { done, value } = await lines.next();
    if (done === true) throw new Error(`the example ended before it printed ${text}`);
    if (value.includes(text)) return value;
  }
}

describe("the NFLOG example", () => {
  test("prints the prefix of its rule and the text of every packet, in order", async (context) => {
    const { lines } = await start(context);
    for (const number of [1, 2, 3]) await send("udp4", `datagram-${number}.`);
    for (const number of [1, 2, 3]) {
      const line = await lineWith(lines, `datagram-${number}.`);
      // The IPv4 header begins with 0x45.
      expect(line).toMatch(new RegExp(`^in: E.*datagram-${number}\\.$`));
    }
  });

  test("prints packets of IPv6 too, where the kernel has it", async (context) => {
    requireKernel(context, existsSync("/proc/net/if_inet6"), "this kernel has no IPv6");
    const { lines } = await start(context);
    await send("udp6", "six-of-them");
    expect(await lineWith(lines, "six-of-them")).toMatch(/^in: `.*six-of-them$/);
  });

  test("leaves nothing behind when it is killed: it starts again", async (context) => {
    const first = await start(context);
    await kill(first.child);
    const second = await start(context);
    await send("udp4", "again.");
    expect(await lineWith(second.lines, "again.")).toMatch(/^in: /);
  });
});
