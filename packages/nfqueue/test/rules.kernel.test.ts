import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { NETLINK_NETFILTER, NetlinkSocket } from "@nlring/netlink";
import { NfQueue, type Packet } from "@nlring/nfqueue";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { requireRules } from "./require-rules.js";
import { Echo } from "./sandbox.js";
import type { TestFamily } from "./traffic.js";

const QUEUE = 21;
const PORT = 5321;
const OTHER_PORT = 5322;
const NFT_MSG_GETTABLE = (10 << 8) | 1;
const NFTA_TABLE_NAME = 1;

requireRules();

let echo: Echo;
beforeAll(async () => {
  echo = await Echo.start();
  for (const family of ["ip", "ip6"] as const) {
    for (const port of [PORT, OTHER_PORT]) await echo.receive(family, port);
  }
});
afterAll(() => echo[Symbol.asyncDispose]());

const send = (family: TestFamily, port: number): ReturnType<Echo["send"]> =>
  echo.send({ family, port, count: 10, sizes: [16] });

/** True where a table of that name is in any family that we make tables in. */
async function tableExists(name: string): Promise<boolean> {
  const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { transport: "user-ring" });
  try {
    for (const family of [1, 2, 10]) {
      const found = await socket
        .request({
          type: NFT_MSG_GETTABLE,
          write: (writer) =>
            writer.uint8(family).uint8(0).uint16Network(0).attributeString(NFTA_TABLE_NAME, name),
        })
        .then(
          () => true,
          () => false,
        );
      if (found) return true;
    }
    return false;
  } finally {
    await socket.close();
  }
}

test("a rule queues its protocol and port of both families, and nothing else", async () => {
  const queue = await NfQueue.open(QUEUE);
  const seen = new Map<string, number>();
  const running = queue.run((packet) => {
    seen.set(packet.family, (seen.get(packet.family) ?? 0) + 1);
    packet.accept();
  });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  for (const family of ["ip", "ip6"] as const) {
    for (const port of [PORT, OTHER_PORT]) expect(await send(family, port)).toMatchObject({ echoed: 10 });
  }
  expect(Object.fromEntries(seen)).toEqual({ ip: 10, ip6: 10 });
  await queue.close();
  await running;
});

test("a disposed rule lets traffic pass by, what it had queued waits for its verdict, and the table goes with the queue", async () => {
  const queue = await NfQueue.open(QUEUE, { defaultVerdict: "accept" });
  const rule = await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const held: Packet[] = [];
  const running = queue.run((packet) => {
    held.push(packet.hold());
  });
  const sent = send("ip", PORT);
  while (held.length < 10) await new Promise((resolve) => setImmediate(resolve));
  await rule.dispose();
  expect(await send("ip6", PORT)).toMatchObject({ echoed: 10 });
  expect(queue.statistics).toMatchObject({ received: 10, undecided: 10 });
  for (const packet of held) packet.accept();
  expect(await sent).toMatchObject({ echoed: 10 });
  expect(await tableExists(rule.table)).toBe(true);
  await queue.close();
  await running;
  expect(await tableExists(rule.table)).toBe(false);
});

test("a rule that goes leaves the queue's other rule in force", async () => {
  const queue = await NfQueue.open(QUEUE);
  const running = queue.run((packet) => packet.accept());
  const first = await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: OTHER_PORT });
  await first.dispose();
  await send("ip", PORT);
  expect(queue.statistics.received).toBe(0);
  await send("ip", OTHER_PORT);
  expect(queue.statistics.received).toBe(10);
  await queue.close();
  await running;
  expect(await tableExists(first.table)).toBe(false);
});

test("a rule can be made again after the last one went", async () => {
  const queue = await NfQueue.open(QUEUE);
  const running = queue.run((packet) => packet.accept());
  await (await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT })).dispose();
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  expect(await send("ip", PORT)).toMatchObject({ echoed: 10 });
  expect(queue.statistics.received).toBe(10);
  await queue.close();
  await running;
});

test("after SIGKILL of the process that holds the queue, its rule is gone and traffic flows", async (context) => {
  const child: ChildProcess = fork(
    new URL("./fixtures/holder.mjs", import.meta.url),
    [String(QUEUE), String(PORT)],
    {
      execArgv: [],
    },
  );
  const [ready] = (await once(child, "message")) as [{ crashSafe: boolean }];
  if (!ready.crashSafe) child.kill();
  requireKernel(context, ready.crashSafe, "owner tables came with Linux 5.12");
  const held = once(child, "message");
  const lost = send("ip", PORT);
  await held;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  // The packets that waited went with the process; what is sent from now on arrives.
  void lost;
  const fresh = await Echo.start();
  expect(await fresh.send({ family: "ip", port: PORT, count: 10, sizes: [16] })).toMatchObject({
    echoed: 10,
  });
  expect(await fresh.send({ family: "ip6", port: PORT, count: 10, sizes: [16] })).toMatchObject({
    echoed: 10,
  });
  await fresh[Symbol.asyncDispose]();
});

test.each([
  [true, 10],
  [false, 4],
])(
  "with failOpen %s, what a full queue has no room for passes by or is dropped",
  async (failOpen, wanted) => {
    const queue = await NfQueue.open(QUEUE, { queueMaxLength: 4, failOpen, defaultVerdict: "accept" });
    const before = await echo.arrived("ip");
    await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
    // Nobody reads: four wait in the queue, and the other six meet it full.
    const sent = echo.send({ family: "ip", port: PORT, count: 10, sizes: [16], lost: 10 - wanted });
    if (failOpen)
      while ((await echo.arrived("ip")) < before + 6) await new Promise((resolve) => setImmediate(resolve));
    else await send("ip", OTHER_PORT);
    await queue.close();
    expect(await sent).toMatchObject({ sent: 10, echoed: wanted });
    expect(queue.statistics).toMatchObject({ received: 4, defaulted: 4 });
    // Nor did any come behind those: what is sent now arrives after them.
    await send("ip", OTHER_PORT);
    expect((await echo.arrived("ip")) - before).toBe(wanted + (failOpen ? 10 : 20));
  },
);

test.each([
  [{ hook: "ingress" }, "hook"],
  [{ hook: "input", protocol: "icmpp" }, "protocol"],
  [{ hook: "input", protocol: 300 }, "protocol"],
  [{ hook: "input", destinationPort: 53 }, "protocol"],
  [{ hook: "input", protocol: "udp", destinationPort: 70_000 }, "port"],
  [{ hook: "input", sourcePorts: 5 }, "sourcePorts"],
])("the match %j is refused and says why", async (match, word) => {
  const queue = await NfQueue.open(QUEUE);
  await expect(queue.intercept(match as never)).rejects.toMatchObject({
    code: "ERR_RULE",
    message: expect.stringContaining(word),
  });
  await queue.close();
});
