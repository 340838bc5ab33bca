import { createSocket } from "node:dgram";
import { cpus } from "node:os";
import {
  type MessageWriter,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_CREATE,
  type Outgoing,
} from "@nlring/netlink";
import { listRules, type Match, NfQueue, type Packet, QueueRules } from "@nlring/nfqueue";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { type Flow, Network } from "./network.js";
import { bringLoopbackUp, rulesUnavailable } from "./sandbox.js";

const QUEUE = 41;
const V4: Flow = { from: "10.9.1.2", fromPort: 4001, to: "10.9.2.2", port: 5001 };
const V6: Flow = { from: "fd09:1::2", fromPort: 4001, to: "fd09:2::2", port: 5001 };
/** Datagrams of each family: what a match counted tells which it took. */
const [IN_V4, IN_V6] = [3, 50];
const BOTH = IN_V4 + IN_V6;

let lacking: string | undefined;
beforeAll(async () => {
  lacking = (await rulesUnavailable()) ?? Network.unavailable();
});
beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));

let network: Network | undefined;
beforeAll(async () => {
  if (lacking !== undefined) return;
  await bringLoopbackUp();
  network = await Network.start();
  for (const { to, port } of [V4, V6]) await network.server.ask("listen", { address: to, port });
});
afterAll(() => network?.stop());

const open: NfQueue[] = [];
afterEach(async () => {
  for (const queue of open.splice(0)) await queue.close();
});

/** Opens a queue that accepts what comes, or does as told. */
async function openQueue(
  number: number = QUEUE,
  handler: (packet: Packet) => void = (packet) => packet.accept(),
): Promise<NfQueue> {
  const queue = await NfQueue.open(number, { defaultVerdict: "accept" });
  open.push(queue);
  void queue.run(handler);
  return queue;
}

async function sendBoth(): Promise<void> {
  await network?.send(V4, IN_V4);
  await network?.send(V6, IN_V6);
}

const UDP = { protocol: "udp" } as const;

test.each<[Match, number]>([
  [{ hook: "prerouting", ...UDP }, BOTH],
  [{ hook: "forward", ...UDP }, BOTH],
  [{ hook: "postrouting", ...UDP }, BOTH],
  [{ hook: "input", ...UDP }, 0],
  [{ hook: "output", ...UDP }, 0],
  [{ hook: "forward", ...UDP, family: "ip" }, IN_V4],
  [{ hook: "forward", ...UDP, family: "ip6" }, IN_V6],
  [{ hook: "forward", ...UDP, family: "inet" }, BOTH],
  [{ hook: "forward", protocol: "tcp" }, 0],
  [{ hook: "forward", protocol: 17 }, BOTH],
  [{ hook: "forward", ...UDP, not: { protocol: "tcp" } }, BOTH],
  [{ hook: "forward", source: "10.9.1.2" }, IN_V4],
  [{ hook: "forward", source: "10.9.1.3" }, 0],
  [{ hook: "forward", source: "10.8.0.0/15" }, IN_V4],
  [{ hook: "forward", source: "10.9.2.0/24" }, 0],
  [{ hook: "forward", destination: "10.9.2.0/24" }, IN_V4],
  [{ hook: "forward", source: ["10.9.0.255", "10.9.1.2"] }, IN_V4],
  [{ hook: "forward", source: ["10.9.1.3", "10.9.1.9"] }, 0],
  [{ hook: "forward", not: { source: "10.9.2.0/24" } }, IN_V4],
  [{ hook: "forward", not: { source: "10.9.0.0/16" } }, 0],
  [{ hook: "forward", source: "fd09:1::2", ...UDP }, IN_V6],
  [{ hook: "forward", destination: "fd09:2::/32", ...UDP }, IN_V6],
  [{ hook: "forward", destination: ["fd09:2::1", "fd09:2::ffff"], ...UDP }, IN_V6],
  [{ hook: "forward", destination: "fd09:3::/64", ...UDP }, 0],
  [{ hook: "forward", ...UDP, sourcePort: 4001 }, BOTH],
  [{ hook: "forward", ...UDP, sourcePort: 5001 }, 0],
  [{ hook: "forward", ...UDP, destinationPort: [5000, 5001] }, BOTH],
  [{ hook: "forward", ...UDP, destinationPort: [5002, 6000] }, 0],
  [{ hook: "forward", ...UDP, not: { destinationPort: [5002, 6000] } }, BOTH],
  [{ hook: "forward", ...UDP, inputInterface: "left0" }, BOTH],
  [{ hook: "forward", ...UDP, inputInterface: "left" }, 0],
  [{ hook: "forward", ...UDP, inputInterface: "lef*" }, BOTH],
  [{ hook: "forward", ...UDP, inputInterface: "right0" }, 0],
  [{ hook: "forward", ...UDP, not: { inputInterface: "right*" } }, BOTH],
  [{ hook: "forward", ...UDP, outputInterface: "right0" }, BOTH],
  [{ hook: "postrouting", ...UDP, outputInterface: "left0" }, 0],
  [{ hook: "forward", ...UDP, inputInterface: 1 }, 0],
  [{ hook: "forward", ...UDP, not: { inputInterface: 1, outputInterface: 1 } }, BOTH],
  [{ hook: "forward", ...UDP, mark: 0 }, BOTH],
  [{ hook: "forward", ...UDP, mark: 1 }, 0],
  [{ hook: "forward", ...UDP, conntrackMark: 0 }, BOTH],
  [{ hook: "forward", ...UDP, not: { conntrackMark: 0 } }, 0],
])("%j queues what it says", async (match, count) => {
  const queue = await openQueue();
  const rule = await queue.intercept(match);
  await sendBoth();
  expect((await rule.counters())?.map(({ packets }) => packets)).toEqual([count]);
  expect(queue.statistics.received).toBe(count);
});

test("a packet that several matches fit is queued once, and counted by the first", async () => {
  const queue = await openQueue();
  const rule = await queue.intercept(
    { hook: "forward", ...UDP, source: "10.9.1.2" },
    { hook: "forward", ...UDP },
    { hook: "postrouting", ...UDP, source: "10.9.1.2" },
  );
  await sendBoth();
  expect((await rule.counters())?.map(({ packets }) => packets)).toEqual([IN_V4, IN_V6, IN_V4]);
});

test("input and output take what the host itself receives and sends", async () => {
  const queue = await openQueue();
  const ports = { protocol: "udp", destinationPort: 5009 } as const;
  const rule = await queue.intercept(
    { hook: "input", ...ports },
    { hook: "output", ...ports, outputInterface: "lo" },
  );
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(5009, "127.0.0.1", resolve));
  const received = new Promise((resolve) => socket.once("message", resolve));
  socket.send("x", 5009, "127.0.0.1");
  await received;
  socket.close();
  expect((await rule.counters())?.map(({ packets }) => packets)).toEqual([1, 1]);
});

test("a mark that one queue sets is what a later rule asks for, in the order of their priorities", async () => {
  const marks: number[] = [];
  const marking = await openQueue(QUEUE, (packet) => packet.accept({ mark: 0x105 }));
  const asking = await openQueue(QUEUE + 1, (packet) => {
    marks.push(packet.mark);
    packet.accept();
  });
  // Made first, and later in order: it is the priority that counts.
  const rule = await asking.intercept({
    hook: "forward",
    ...UDP,
    mark: { value: 5, mask: 0xff },
    priority: 10,
  });
  const early = await asking.intercept({
    hook: "forward",
    ...UDP,
    mark: { value: 5, mask: 0xff },
    priority: -10,
  });
  await marking.intercept({ hook: "forward", ...UDP, family: "ip" });
  await sendBoth();
  expect(await rule.counters()).toMatchObject([{ packets: IN_V4 }]);
  expect(await early.counters()).toMatchObject([{ packets: 0 }]);
  expect(marks).toEqual(new Array(IN_V4).fill(0x105));
});

test("conntrack's state tells a flow's first packets from those after an answer", async () => {
  const queue = await openQueue();
  const flow = { ...V4, fromPort: 4100, port: 5100 };
  await network?.server.ask("listen", { address: flow.to, port: flow.port });
  await network?.client.ask("listen", { address: flow.from, port: flow.fromPort });
  const match = { hook: "forward", ...UDP, destinationPort: flow.port } as const;
  const rule = await queue.intercept(
    { ...match, conntrackState: "new" },
    { ...match, conntrackState: ["established", "related"] },
    { ...match, not: { conntrackState: ["new", "established"] } },
  );
  await network?.send(flow, 2);
  await network?.client.ask("send", { ...flow, count: 1, answer: true });
  const here = { address: flow.from, port: flow.fromPort };
  while (Number(await network?.client.ask("received", here)) < 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await network?.send(flow, 4);
  expect((await rule.counters())?.map(({ packets }) => packets)).toEqual([3, 4, 0]);
});

/** What `nft add rule … meta mark != 0 ct mark set meta mark` does, in a chain behind the queue's; removed when its socket closes. */
async function saveMarks(): Promise<NetlinkSocket> {
  const [NEWTABLE, NEWCHAIN, NEWRULE] = [0xa00, 0xa03, 0xa06];
  const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { transport: "user-ring" });
  const end = (type: number): Outgoing => ({
    type,
    acknowledge: false,
    write: (writer) => writer.uint8(0).uint8(0).uint16Network(10),
  });
  const change = (type: number, write: (writer: MessageWriter) => void): Outgoing => ({
    type,
    flags: NLM_F_CREATE,
    write: (writer) => write(writer.uint8(1).uint8(0).uint16Network(0)),
  });
  const expression = (writer: MessageWriter, name: string, write: () => void): void => {
    const element = writer.openNested(1);
    writer.attributeString(1, name);
    const data = writer.openNested(2);
    write();
    writer.closeNested(data).closeNested(element);
  };
  const load = (writer: MessageWriter): void =>
    expression(writer, "meta", () => writer.attributeUint32Network(2, 3).attributeUint32Network(1, 1));
  await socket.request([
    end(0x10),
    change(NEWTABLE, (writer) => writer.attributeString(1, "save-marks").attributeUint32Network(2, 2)),
    change(NEWCHAIN, (writer) => {
      writer.attributeString(1, "save-marks").attributeString(3, "forward");
      const hook = writer.openNested(4);
      writer.attributeUint32Network(1, 2).attributeUint32Network(2, 10).closeNested(hook);
      writer.attributeString(7, "filter");
    }),
    change(NEWRULE, (writer) => {
      writer.attributeString(1, "save-marks").attributeString(2, "forward");
      const list = writer.openNested(4);
      load(writer);
      expression(writer, "cmp", () => {
        writer.attributeUint32Network(1, 1).attributeUint32Network(2, 1);
        const zero = writer.openNested(3);
        writer.attributeUint32(1, 0).closeNested(zero);
      });
      load(writer);
      expression(writer, "ct", () => writer.attributeUint32Network(2, 3).attributeUint32Network(4, 1));
      writer.closeNested(list);
    }),
    end(0x11),
  ]);
  return socket;
}

test("a flow that was decided leaves the queue, by the mark of its connection", async () => {
  const queue = await openQueue(QUEUE, (packet) => packet.accept({ mark: 1 }));
  const flow = { ...V4, fromPort: 4200 };
  const match = { hook: "forward", ...UDP, sourcePort: flow.fromPort } as const;
  const undecided = await queue.intercept({ ...match, conntrackMark: 0 });
  const marks = await saveMarks();
  await network?.send(flow, 1);
  await network?.send(flow, 30);
  expect(await undecided.counters()).toMatchObject([{ packets: 1 }]);
  expect(queue.statistics.received).toBe(1);
  await queue.close();
  await marks.close();
});

test("rules of another namespace are made, listed and removed there", async () => {
  const namespace = `/proc/${network?.server.processId}/ns/net`;
  const here = new QueueRules(QUEUE);
  const there = new QueueRules(QUEUE, { namespace });
  await there.intercept({ hook: "input", ...UDP, bypass: true });
  const mine = await here.intercept({ hook: "forward", ...UDP, bypass: true });
  expect((await listRules()).map(({ match }) => match.hook)).toEqual(["forward"]);
  expect((await listRules({ namespace })).map(({ match }) => match.hook)).toEqual(["input"]);
  await here.close();
  await sendBoth();
  expect(await listRules({ namespace })).toMatchObject([{ counters: { packets: BOTH } }]);
  expect(await listRules()).toEqual([]);
  await expect(mine.counters()).rejects.toMatchObject({ code: "ERR_RULE" });
  await there.close();
  expect(await listRules({ namespace })).toEqual([]);
});

describe("where nobody listens", () => {
  test.each([
    [true, 5],
    [false, 0],
  ])("with bypass %s, of five packets %i arrive", async (bypass, arriving) => {
    const rules = new QueueRules(QUEUE);
    const rule = await rules.intercept({ hook: "forward", ...UDP, destination: V4.to, bypass });
    const there = { address: V4.to, port: V4.port };
    const before = Number(await network?.server.ask("received", there));
    await network?.client.ask("send", { ...V4, count: 5, answer: false });
    // What comes behind them on the same way has overtaken none.
    await network?.send(V6, 1);
    expect(Number(await network?.server.ask("received", there)) - before).toBe(arriving);
    expect(await rule.counters()).toMatchObject([{ packets: 5 }]);
    await rules.close();
  });
});

describe("packets are shared out over four queues", () => {
  const flows = Array.from({ length: 16 }, (_, at) => ({ ...V4, from: `10.9.1.${100 + at}` }));
  const queues = [QUEUE, QUEUE + 3] as const;
  beforeAll(async () => {
    if (network === undefined) return;
    const commands = flows.map(({ from }) => `addr add ${from}/24 dev host0`);
    await network.client.ask("ip", { commands });
  });

  test("by their addresses, each pair of which stays with one", async () => {
    const takers = flows.map(() => new Set<number>());
    const four = [0, 1, 2, 3].map((at) =>
      openQueue(QUEUE + at, (packet) => {
        takers[packet.readUint8(15) - 100]?.add(QUEUE + at);
        packet.accept();
      }),
    );
    const [first] = await Promise.all(four);
    const rule = await first?.intercept({
      hook: "forward",
      ...UDP,
      source: ["10.9.1.100", "10.9.1.115"],
      queues,
    });
    for (const flow of flows) await network?.send(flow, 3);
    expect(await rule?.counters()).toMatchObject([{ packets: flows.length * 3 }]);
    expect(takers.map(({ size }) => size)).toEqual(flows.map(() => 1));
    const used = new Set(takers.flatMap((taker) => [...taker]));
    expect(used.size).toBeGreaterThan(1);
  });

  test("or by the processor that they come on", async () => {
    const received = [0, 0, 0, 0];
    const four = received.map((_, at) =>
      openQueue(QUEUE + at, (packet) => {
        received[at] = (received[at] ?? 0) + 1;
        packet.accept();
      }),
    );
    const [first] = await Promise.all(four);
    await first?.intercept({ hook: "forward", ...UDP, source: "10.9.1.0/24", queues, fanout: true });
    for (const flow of flows) await network?.send(flow, 3);
    expect(received.reduce((sum, count) => sum + count, 0)).toBe(flows.length * 3);
    // One queue for each processor, of which the sender uses those that it runs on.
    expect(received.slice(cpus().length).every((count) => count === 0)).toBe(true);
  });
});
