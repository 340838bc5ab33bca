import { fork } from "node:child_process";
import { once } from "node:events";
import { listRules, type Match, NfQueue, type Packet, QueueRules, removeLeftovers } from "@nlring/nfqueue";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { requireRules } from "./require-rules.js";
import { Echo } from "./sandbox.js";

const HOLDER = 31;
const OTHER = 32;
const HELD_PORT = 5331;
const OTHER_PORT = 5332;
const COUNT = 20;

requireRules();

let echo: Echo;
beforeAll(async () => {
  echo = await Echo.start();
  for (const port of [HELD_PORT, OTHER_PORT]) await echo.receive("ip", port);
});
afterAll(() => echo[Symbol.asyncDispose]());

const send = (port: number): ReturnType<Echo["send"]> =>
  echo.send({ family: "ip", port, count: COUNT, sizes: [16] });

/** Opens a queue that holds every packet, and has it hold some; `release` accepts them and tells what became of them. */
async function holdPackets(
  queue: NfQueue,
): Promise<{ readonly running: Promise<void>; release(): Promise<unknown> }> {
  const held: Packet[] = [];
  const running = queue.run((packet) => {
    held.push(packet.hold());
  });
  const sent = send(HELD_PORT);
  while (held.length < COUNT) await new Promise((resolve) => setImmediate(resolve));
  return {
    running,
    release: async () => {
      for (const packet of held) packet.accept();
      const { echoed } = await sent;
      const { received, unknownVerdicts } = queue.statistics;
      return { echoed, received, unknownVerdicts };
    },
  };
}

const ALL_SURVIVED = { echoed: COUNT, received: COUNT, unknownVerdicts: 0 };

const open: NfQueue[] = [];
afterEach(async () => {
  for (const queue of open.splice(0)) await queue.close();
});

async function openQueue(number: number): Promise<NfQueue> {
  const queue = await NfQueue.open(number, { defaultVerdict: "accept" });
  open.push(queue);
  return queue;
}

test("packets that wait in one queue survive that another closes with its rules", async () => {
  const holder = await openQueue(HOLDER);
  await holder.intercept({ hook: "input", protocol: "udp", destinationPort: HELD_PORT });
  const other = await openQueue(OTHER);
  // On another hook, as a chain in front of theirs would have the packets come twice.
  await other.intercept({ hook: "prerouting", protocol: "udp", destinationPort: OTHER_PORT });
  const { release } = await holdPackets(holder);
  await other.close();
  expect(await send(OTHER_PORT)).toMatchObject({ echoed: COUNT });
  expect(await release()).toEqual(ALL_SURVIVED);
});

test("and that the last rule goes that has connections tracked", async () => {
  const holder = await openQueue(HOLDER);
  await holder.intercept({ hook: "input", protocol: "udp", destinationPort: HELD_PORT });
  const other = await openQueue(OTHER);
  const rule = await other.intercept({ hook: "prerouting", protocol: "tcp", conntrackState: "new" });
  const { release } = await holdPackets(holder);
  await rule.dispose();
  await other.close();
  expect(await release()).toEqual(ALL_SURVIVED);
});

test("and that a rule is refused", async () => {
  const holder = await openQueue(HOLDER);
  await holder.intercept({ hook: "input", protocol: "udp", destinationPort: HELD_PORT });
  const { release } = await holdPackets(holder);
  // A queue expression for bridges is what the kernel may lack; where it has it, nothing is refused.
  const tried = holder.intercept({ hook: "forward", protocol: "tcp" }, { hook: "forward", family: "bridge" });
  await tried.catch((error: unknown) => expect(error).toMatchObject({ name: "RuleError", code: "ENOENT" }));
  expect(await release()).toEqual(ALL_SURVIVED);
});

test("and that the queue closes whose rule led them there", async () => {
  const holder = await openQueue(HOLDER);
  const other = await openQueue(OTHER);
  await other.intercept({
    hook: "input",
    protocol: "udp",
    destinationPort: HELD_PORT,
    queues: [HOLDER, OTHER],
    source: "127.0.0.1",
  });
  // Connections are shared out by their addresses alone, so that all of them are in one of the two queues.
  const first = await new Promise<NfQueue>((resolve) => {
    for (const queue of [holder, other]) {
      void queue.run((packet) => {
        packet.accept();
        resolve(queue);
      });
    }
    void send(HELD_PORT);
  });
  await holder.close();
  await other.close();
  open.length = 0;

  const [taker, maker] = first === holder ? [HOLDER, OTHER] : [OTHER, HOLDER];
  const holding = await openQueue(taker);
  const making = await openQueue(maker);
  await making.intercept({
    hook: "input",
    protocol: "udp",
    destinationPort: HELD_PORT,
    queues: [HOLDER, OTHER],
  });
  const { release } = await holdPackets(holding);
  await making.close();
  expect(await release()).toEqual(ALL_SURVIVED);
});

test("rules are listed with what they match, where they lead, whose they are and what they counted", async () => {
  const queue = await openQueue(HOLDER);
  const running = queue.run((packet) => packet.accept());
  const match = {
    hook: "input",
    family: "ip",
    protocol: "udp",
    source: "127.0.0.0/8",
    destinationPort: [HELD_PORT, HELD_PORT + 1],
    not: { inputInterface: "eth*" },
    priority: 7,
    bypass: true,
  } as const;
  const rule = await queue.intercept(match, { hook: "output", family: "ip6", mark: { value: 1, mask: 3 } });
  expect(await send(HELD_PORT)).toMatchObject({ echoed: COUNT });
  const datagram = 20 + 8 + 16;
  const counters = { packets: COUNT, bytes: COUNT * datagram };
  const nothing = { packets: 0, bytes: 0 };
  const { table, statement, crashSafe } = rule;
  const shared = { table, statement, crashSafe, queue: HOLDER, processId: process.pid, processRunning: true };
  expect(await listRules()).toEqual([
    { ...shared, match, counters },
    {
      ...shared,
      match: { hook: "output", family: "ip6", mark: { value: 1, mask: 3 }, priority: 0 },
      counters: nothing,
    },
  ]);
  expect(await rule.counters()).toEqual([counters, nothing]);
  await rule.dispose();
  expect(await listRules()).toEqual([]);
  await expect(rule.counters()).rejects.toMatchObject({ code: "ERR_RULE" });
  await queue.close();
  await running;
});

test("a transaction of which one match is refused makes no rule", async (context) => {
  const rules = new QueueRules(HOLDER);
  await rules.intercept({ hook: "input", protocol: "udp", destinationPort: OTHER_PORT });
  const before = await listRules();
  const many = Array.from({ length: 40 }, (_, port) => ({
    hook: "input" as const,
    protocol: "udp" as const,
    destinationPort: port,
  }));
  const hasExpression = await rules
    .intercept({ hook: "input", protocol: "tcp" }, ...many, { hook: "forward", family: "bridge" })
    .then(
      (rule) => rule.dispose().then(() => true),
      (error: unknown) => {
        expect(error).toMatchObject({
          name: "RuleError",
          message: expect.stringContaining("CONFIG_NFT_QUEUE"),
        });
        return false;
      },
    );
  requireKernel(context, !hasExpression, "this kernel has the queue expression, and refuses nothing");
  expect(await listRules()).toEqual(before);
  await rules.intercept({ hook: "input", protocol: "tcp" }, ...many);
  expect(await listRules()).toHaveLength(before.length + 1 + many.length);
  await rules.close();
  expect(await listRules()).toEqual([]);
});

test("more matches than a transaction holds are refused, and hundreds are not", async () => {
  const rules = new QueueRules(HOLDER);
  const matches = (count: number): Match[] =>
    Array.from({ length: count }, (_, at) => ({ hook: "input", protocol: "udp", destinationPort: at }));
  await expect(rules.intercept(...matches(5000))).rejects.toMatchObject({
    name: "RuleError",
    code: "EMSGSIZE",
    message: expect.stringContaining("200 at once"),
  });
  expect(await listRules()).toEqual([]);
  const rule = await rules.intercept(...matches(200));
  expect((await listRules()).map(({ match }) => match.destinationPort)).toEqual(
    matches(200).map(({ destinationPort }) => destinationPort),
  );
  expect(await rule.counters()).toHaveLength(200);
  await rules.close();
});

/** A process with a rule that leads to nobody, where no table has an owner; `end` ends it, and tells the rule's table. */
async function makeRule(): Promise<{ end(how: "kill" | "exit"): Promise<string> }> {
  const script = new URL("./fixtures/rule-maker.mjs", import.meta.url);
  const child = fork(script, [String(OTHER), String(OTHER_PORT)], { execArgv: [] });
  const [{ table, crashSafe }] = (await once(child, "message")) as [{ table: string; crashSafe: boolean }];
  expect(crashSafe).toBe(false);
  expect(await listRules()).toMatchObject([{ table, processId: child.pid, processRunning: true }]);
  return {
    end: async (how) => {
      const exited = once(child, "exit");
      if (how === "kill") child.kill("SIGKILL");
      else child.send("exit");
      await exited;
      return table;
    },
  };
}

async function leaveRule(): Promise<string> {
  const { end } = await makeRule();
  const table = await end("kill");
  expect(await listRules()).toMatchObject([{ table, queue: OTHER, crashSafe: false, processRunning: false }]);
  return table;
}

test("without an owner table a rule goes when its process exits", async () => {
  const { end } = await makeRule();
  await end("exit");
  expect(await listRules()).toEqual([]);
  expect(await send(OTHER_PORT)).toMatchObject({ echoed: COUNT });
});

test("a rule that a killed process left goes at the next intercept, and what waits in a queue survives it", async () => {
  await leaveRule();
  const holder = await openQueue(HOLDER);
  await holder.intercept({ hook: "input", protocol: "udp", destinationPort: HELD_PORT });
  const { release } = await holdPackets(holder);
  const next = new QueueRules(OTHER, { ownerTable: false });
  await next.intercept({ hook: "prerouting", protocol: "tcp", destinationPort: 9 });
  expect(await listRules()).toHaveLength(2);
  expect(await send(OTHER_PORT)).toMatchObject({ echoed: COUNT });
  expect(await release()).toEqual(ALL_SURVIVED);
  await next.close();
  await holder.close();
  expect(await removeLeftovers()).toEqual([]);
});

test("or when it is asked for, while rules of running processes stay", async () => {
  const table = await leaveRule();
  const rules = new QueueRules(HOLDER, { ownerTable: false });
  const before = new QueueRules(HOLDER);
  await before.intercept({ hook: "prerouting", protocol: "tcp", destinationPort: 9 });
  expect(await removeLeftovers()).toEqual([table]);
  expect(await listRules()).toHaveLength(1);
  const mine = await rules.intercept({ hook: "prerouting", protocol: "tcp", destinationPort: 10 });
  expect(mine.crashSafe).toBe(false);
  expect(await removeLeftovers()).toEqual([]);
  expect(await listRules()).toHaveLength(2);
  await rules.close();
  await before.close();
  expect(await send(OTHER_PORT)).toMatchObject({ echoed: COUNT });
});
