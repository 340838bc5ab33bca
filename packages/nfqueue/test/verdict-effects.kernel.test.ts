import { execFile } from "node:child_process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { NfQueue, type Packet, type QueueOptions } from "@nlring/nfqueue";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requireKernel, skipWithoutKernelOption } from "../../../tools/kernel-requirement.js";
import { BridgeRule } from "./bridge-rule.js";
import { LoopbackDatagrams } from "./loopback-datagrams.js";
import { RawQueue } from "./raw-queue.js";
import { requireRules } from "./require-rules.js";

const QUEUE = 51;
const PORT = 5351;
/** IPv4 and UDP headers. */
const HEADERS = 28;

requireRules();
let datagrams: LoopbackDatagrams;
const opened: NfQueue[] = [];
beforeEach(async () => {
  datagrams = await LoopbackDatagrams.open(PORT);
});
afterEach(async () => {
  for (const queue of opened.splice(0)) await queue.close();
  await datagrams[Symbol.asyncDispose]();
});

async function open(options: QueueOptions = {}, number: number = QUEUE): Promise<NfQueue> {
  const queue = await NfQueue.open(number, { defaultVerdict: "accept", ...options });
  opened.push(queue);
  return queue;
}

async function intercepted(options: QueueOptions = {}): Promise<NfQueue> {
  const queue = await open(options);
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  return queue;
}

const text = (packet: Packet): string => Buffer.from(packet.payload.subarray(HEADERS)).toString();

/** The packet with other content: lengths and header checksum right, and no UDP checksum, which IPv4 allows. */
function withContent(packet: Packet, content: string): Uint8Array {
  const bytes = Buffer.concat([packet.payload.subarray(0, HEADERS), Buffer.from(content)]);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(bytes.length - 20, 24);
  bytes.writeUInt16BE(0, 26);
  bytes.writeUInt16BE(0, 10);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += bytes.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >> 16);
  bytes.writeUInt16BE(~(sum + (sum >> 16)) & 0xffff, 10);
  return bytes;
}

test("accepted packets arrive and dropped ones do not, whichever way their verdicts are sent", async () => {
  for (const coalesce of [true, false]) {
    const queue = await intercepted({ coalesce });
    const running = queue.run((packet) => {
      if (text(packet).startsWith("drop")) packet.drop();
      else packet.accept();
    });
    const before = datagrams.arrived.length;
    for (const one of ["a", "drop 1", "b", "drop 2", "c"]) await datagrams.send(one);
    await datagrams.until(before + 3);
    expect(datagrams.texts.slice(before)).toEqual(["a", "b", "c"]);
    await queue.close();
    await running;
  }
});

test("a new payload is what the receiver gets: as long, longer and shorter", async () => {
  const queue = await intercepted();
  const contents = new Map([
    ["same", "SAME"],
    ["grow", "much longer than it was ".repeat(50)],
    ["shrink this one", "less"],
  ]);
  const running = queue.run((packet) =>
    packet.accept({ payload: withContent(packet, contents.get(text(packet)) ?? "?") }),
  );
  for (const content of contents.keys()) await datagrams.send(content);
  await datagrams.until(3);
  expect(datagrams.texts).toEqual([...contents.values()]);
  await queue.close();
  await running;
});

test("a packet that was cut refuses a new payload, and goes on as it came", async () => {
  const queue = await intercepted({ copyRange: 30 });
  const codes: unknown[] = [];
  const running = queue.run((packet) => {
    try {
      packet.accept({ payload: packet.payload });
    } catch (error) {
      codes.push((error as { code: string }).code);
      packet.accept();
    }
  });
  await datagrams.send("not changed");
  await datagrams.until(1);
  expect(codes).toEqual(["ERR_PACKET_CUT"]);
  expect(datagrams.texts).toEqual(["not changed"]);
  await queue.close();
  await running;
});

test("requeue hands the packet to another queue with its mark", async () => {
  const second = await RawQueue.open(QUEUE + 1);
  const queue = await intercepted();
  const running = queue.run((packet) => packet.requeue(QUEUE + 1, { mark: 0xabc }));
  await datagrams.send("one");
  await datagrams.until(1);
  expect(second.seen[0]?.mark).toBe(0xabc);
  expect(second.seen).toHaveLength(1);
  await queue.close();
  await running;
  await second[Symbol.asyncDispose]();
});

test("the priority that a verdict sets is on the packet", async (context) => {
  const second = await RawQueue.open(QUEUE + 1);
  const queue = await intercepted();
  const running = queue.run((packet) => packet.requeue(QUEUE + 1, { priority: 0x10002 }));
  await datagrams.send("one");
  await datagrams.until(1);
  const priority = second.seen[0]?.priority;
  await queue.close();
  await running;
  await second[Symbol.asyncDispose]();
  requireKernel(context, priority !== 0, "NFQA_PRIORITY (Linux 5.18) is not known to this kernel");
  expect(priority).toBe(0x10002);
});

test("requeue to a queue that nobody listens on drops, and lets pass with bypass", async () => {
  const queue = await intercepted();
  const running = queue.run((packet) => packet.requeue(QUEUE + 1, { bypass: text(packet) === "bypass" }));
  for (const one of ["lost", "bypass"]) await datagrams.send(one);
  await datagrams.until(1);
  expect(datagrams.texts).toEqual(["bypass"]);
  expect(queue.statistics).toMatchObject({ requeued: 2, unknownVerdicts: 0 });
  await queue.close();
  await running;
});

test("repeat has the packet meet the rule again, with the mark that was set", async () => {
  const queue = await intercepted();
  const marks: number[] = [];
  const running = queue.run((packet) => {
    marks.push(packet.mark);
    if (packet.mark < 3) packet.repeat({ mark: packet.mark + 1 });
    else packet.accept();
  });
  await datagrams.send("again");
  await datagrams.until(1);
  expect(marks).toEqual([0, 1, 2, 3]);
  expect(queue.statistics).toMatchObject({ repeated: 3, accepted: 1, undecided: 0 });
  await queue.close();
  await running;
});

test("no verdict outlives its turn: a packet arrives while the iterator's body waits for it", async () => {
  const queue = await intercepted();
  await datagrams.send("first");
  for await (const packet of queue) {
    packet.accept();
    await datagrams.until(1);
    break;
  }
  expect(datagrams.texts).toEqual(["first"]);
});

test("one slow decision does not hold up 1,000 others", async () => {
  const queue = await intercepted();
  let finish = (): void => {};
  const running = queue.run(async (packet) => {
    if (text(packet) === "slow") {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    }
    packet.accept();
  });
  await datagrams.send("slow");
  for (let i = 0; i < 1000; i++) {
    await datagrams.send(`packet ${i}`);
    if (i % 50 === 49) await datagrams.until(i + 1);
  }
  await datagrams.until(1000);
  expect(datagrams.texts).not.toContain("slow");
  finish();
  await datagrams.until(1001);
  expect(datagrams.texts.at(-1)).toBe("slow");
  await queue.close();
  await running;
});

test("the network sees no difference between joined verdicts and single ones: the same packets, in the same order", async () => {
  const count = 3000;
  const arrivals: string[][] = [];
  const messages: number[] = [];
  for (const coalesce of [true, false]) {
    const queue = await intercepted({ coalesce });
    const due = new Map<number, Packet[]>();
    let seen = 0;
    const act = (packet: Packet, random: number): void => {
      if (random % 11 === 0) packet.drop();
      else if (random % 13 === 0) packet.accept({ mark: random % 3 });
      else packet.accept();
    };
    const running = queue.run((packet) => {
      // A hash of the number: as good as random, and the same both times.
      const random = Math.imul(seen, 0x9e3779b1) >>> 8;
      if (random % 20 === 0) {
        const after = seen + 1 + (random % 37);
        due.set(after, [...(due.get(after) ?? []), packet.hold()]);
      } else act(packet, random);
      for (const held of due.get(seen) ?? []) act(held, held.id);
      seen++;
    });
    const before = datagrams.arrived.length;
    for (let i = 0; i < count; i++) {
      await datagrams.send(`packet ${i}`);
      if (i % 50 === 49) while (queue.statistics.received < i + 1) await nextTurn();
    }
    await queue.close();
    await running;
    const { accepted, verdictMessages, unknownVerdicts, undecided } = queue.statistics;
    expect({ unknownVerdicts, undecided }).toEqual({ unknownVerdicts: 0, undecided: 0 });
    await datagrams.until(before + accepted);
    arrivals.push(datagrams.texts.slice(before));
    messages.push(verdictMessages);
  }
  expect(arrivals[0]).toEqual(arrivals[1]);
  expect(arrivals[0]?.length).toBeGreaterThan(2000);
  const isMapped = opened[0]?.transport.kind === "kernel-ring";
  if (!isMapped) expect(messages[0]).toBeLessThan((messages[1] ?? 0) * 0.9);
  expect(messages[1]).toBe(count);
});

test("what fails open because the receive buffer is full passes unseen, and is counted", async (context) => {
  const queue = await intercepted({ receiveBuffer: 8192, failOpen: true, defaultVerdict: "drop" });
  requireKernel(
    context,
    queue.transport.kind === "user-ring",
    "a mapped ring takes packets without the receive buffer",
  );
  const losses: unknown[] = [];
  queue.on("loss", (loss) => losses.push(loss));
  for (let i = 0; i < 200; i++) await datagrams.send(`packet ${i}`);
  const { passedUnseen } = queue.statistics;
  requireKernel(context, passedUnseen !== undefined, "SO_MEMINFO (Linux 4.12) is not known to this kernel");
  expect(passedUnseen).toBeGreaterThan(100);
  await datagrams.until(passedUnseen ?? 0);
  await queue.close();
  expect(queue.statistics.received + (passedUnseen ?? 0)).toBe(200);
  expect(datagrams.arrived).toHaveLength(passedUnseen ?? 0);
  expect(losses).toEqual([expect.objectContaining({ receiveDrops: passedUnseen })]);
});

test("maximum length and copy range change while the queue runs, and the kernel says so", async (context) => {
  const queue = await intercepted({ defaultVerdict: "drop" });
  // The kernel lets root of the host read it, and nobody else.
  if (queue.kernelStatistics() === undefined)
    context.skip("/proc/net/netfilter/nfnetlink_queue cannot be read");
  expect(queue.kernelStatistics()).toMatchObject({
    copyRange: 65_531,
    waiting: 0,
    queueDropped: 0,
    lastId: 0,
  });
  await queue.setCopyRange(100);
  await queue.setMaxLength(5);
  const running = queue.run((packet) => {
    packet.hold();
  });
  for (let i = 0; i < 8; i++) await datagrams.send("x".repeat(200)).catch(() => {});
  expect(queue.kernelStatistics()).toMatchObject({ copyRange: 100, waiting: 5, queueDropped: 3, lastId: 5 });
  await queue.setCopyRange(0);
  expect(queue.kernelStatistics()).toMatchObject({ copyRange: 0 });
  await queue.close();
  await running;
});

test("a receive buffer that is smaller than the queue is told in figures", async (context) => {
  const warnings: Error[] = [];
  const listen = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on("warning", listen);
  const queue = await open({ receiveBuffer: 212_992 });
  await nextTurn();
  process.removeListener("warning", listen);
  requireKernel(context, queue.transport.kind === "user-ring", "a mapped ring is no receive buffer");
  expect(warnings).toEqual([expect.objectContaining({ code: "NLRING_RECEIVE_BUFFER" })]);
  expect(warnings[0]?.message).toContain(`${queue.receiveBuffer.toLocaleString("en")} bytes holds some`);
});

test("a verdict sets the mark of the connection where the kernel can, else the queue says what it lacks", async (context) => {
  const refused = await open({ conntrack: true }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (refused !== undefined) {
    expect(refused).toMatchObject({ name: "QueueOptionError", code: "EOPNOTSUPP", option: "conntrack" });
  }
  skipWithoutKernelOption(context, refused === undefined, "CONFIG_NETFILTER_NETLINK_GLUE_CT");
  const queue = opened[0];
  // Asking for the state has connections tracked.
  await queue?.intercept({
    hook: "input",
    protocol: "udp",
    destinationPort: PORT,
    conntrackState: ["new", "established"],
  });
  const marks: unknown[] = [];
  const running = queue?.run((packet) => {
    marks.push(packet.conntrack?.mark);
    packet.accept({ conntrackMark: 7 });
  });
  for (const count of [1, 2]) {
    await datagrams.send("marked");
    await datagrams.until(count);
  }
  expect(marks).toEqual([0, 7]);
  expect(queue?.statistics).toMatchObject({ accepted: 2, unknownVerdicts: 0, refusedVerdicts: 0 });
  await queue?.close();
  await running;
});

test("a verdict tags a packet of a bridge", async (context) => {
  const rule = await BridgeRule.make(QUEUE).catch((error: unknown) => error);
  skipWithoutKernelOption(
    context,
    rule instanceof BridgeRule,
    `CONFIG_NFT_QUEUE, to queue from a bridge: ${String(rule)}`,
  );
  if (!(rule instanceof BridgeRule)) return;
  const second = await RawQueue.open(QUEUE + 1);
  const queue = await open();
  const families = new Set<string>();
  const running = queue.run((packet) => {
    families.add(packet.family);
    packet.requeue(QUEUE + 1, { vlan: { id: 42, priority: 5 } });
  });
  // An interface that comes up says so by multicast, which enters the bridge.
  const run = promisify(execFile);
  const ip = (...words: readonly string[]): Promise<unknown> => run("ip", words);
  await ip("link", "add", "nlring-br", "type", "bridge");
  await ip("link", "add", "nlring-in", "type", "veth", "peer", "name", "nlring-out");
  await ip("link", "set", "nlring-in", "master", "nlring-br");
  for (const name of ["nlring-br", "nlring-in", "nlring-out"]) await ip("link", "set", name, "up");
  while (second.seen.length === 0) await nextTurn();
  expect([...families]).toEqual(["bridge"]);
  expect(second.seen[0]?.vlan).toBe((5 << 13) | 42);
  for (const name of ["nlring-in", "nlring-br"]) await ip("link", "delete", name);
  await queue.close();
  await running;
  await second[Symbol.asyncDispose]();
  await rule[Symbol.asyncDispose]();
});

test("owner and security context can be asked for", async () => {
  await (await open({ uidGid: true })).close();
  const outcome = await open({ securityContext: true }, QUEUE + 1).catch((error: unknown) => error);
  if (!(outcome instanceof NfQueue)) {
    expect(outcome).toMatchObject({ name: "QueueOptionError", option: "securityContext" });
  }
});
