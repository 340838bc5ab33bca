import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type LossReport, NfQueue, type Packet } from "../src/index.js";
import { parseKernelStatistics } from "../src/kernel-statistics.js";
import { receiveBufferWarning } from "../src/queue-warnings.js";
import { FakeQueueKernel } from "../src/testing/index.js";

let kernel: FakeQueueKernel;
beforeEach(() => {
  kernel = new FakeQueueKernel();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const open = (options = {}): Promise<NfQueue> => NfQueue.open(3, { transport: kernel, ...options });

/** A queue whose packets are all held, and one that is. */
async function holding(queue: NfQueue): Promise<{ packet: Packet; running: Promise<unknown> }> {
  const held: Packet[] = [];
  const running = queue
    .run((packet) => {
      held.push(packet.hold());
    })
    .catch((error: unknown) => error);
  void kernel.enqueue(3, { payload: bytes(1) });
  while (held.length === 0) await nextTurn();
  const [packet] = held;
  if (packet === undefined) throw new Error("no packet is held");
  return { packet, running };
}

describe("a queue that is lost", () => {
  test("because it was unbound rejects run, and takes no verdicts", async () => {
    const queue = await open();
    const { packet, running } = await holding(queue);
    kernel.unbind(3);
    packet.accept();
    expect(await running).toMatchObject({ name: "QueueLostError", code: "ERR_QUEUE_LOST" });
    await expect(queue.intercept({ hook: "input" })).rejects.toMatchObject({ code: "ERR_QUEUE_CLOSED" });
    await queue.close();
  });

  test("because another socket has it says so", async () => {
    const queue = await open();
    const { packet, running } = await holding(queue);
    kernel.unbind(3);
    const other = await open();
    packet.accept();
    expect(await running).toMatchObject({
      code: "ERR_QUEUE_LOST",
      message: expect.stringContaining("another socket"),
    });
    expect(kernel.listening(3)).toBe(true);
    await other.close();
  });

  test("ends the loop over its packets as well, and packets kept from it cannot be decided", async () => {
    const queue = await open();
    const kept: Packet[] = [];
    for (let value = 0; value < 2; value++) void kernel.enqueue(3, { payload: bytes(value) });
    const loop = (async () => {
      for await (const packet of queue) {
        if (packet.id === 1) kept.push(packet.hold());
        else {
          kernel.unbind(3);
          packet.accept();
        }
      }
    })();
    await expect(loop).rejects.toMatchObject({ code: "ERR_QUEUE_LOST" });
    expect(() => kept[0]?.accept()).toThrow(expect.objectContaining({ code: "ERR_QUEUE_CLOSED" }));
  });
});

describe("losses", () => {
  test("of verdicts are told at most once a second, with what came since", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const queue = await open();
    const losses: LossReport[] = [];
    queue.on("loss", (loss) => losses.push(loss));
    const held: Packet[] = [];
    const running = queue.run((packet) => {
      held.push(packet.hold());
    });
    const lose = async (count: number): Promise<void> => {
      const known = queue.statistics.unknownVerdicts;
      for (let i = 0; i < count; i++) void kernel.enqueue(3, { payload: bytes(1) });
      while (held.length < count) await nextTurn();
      kernel.forget(3);
      for (const packet of held.splice(0).reverse()) packet.accept();
      while (queue.statistics.unknownVerdicts < known + count) await nextTurn();
    };
    await lose(5);
    await lose(3);
    expect(losses).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(losses).toEqual([{ receiveDrops: 0, unknownVerdicts: 8, refusedVerdicts: 0, unread: 0 }]);
    await lose(2);
    // What came last is told when the queue closes, if not before.
    await queue.close();
    await running;
    expect(losses).toHaveLength(2);
    expect(losses[1]).toMatchObject({ unknownVerdicts: 2 });
  });

  test("for want of room in the receive buffer are counted and told", async () => {
    const queue = await open({ receiveBuffer: 10_000, defaultVerdict: "accept" });
    const losses: LossReport[] = [];
    queue.on("loss", (loss) => losses.push(loss));
    const verdicts = Array.from({ length: 50 }, () => kernel.enqueue(3, { payload: bytes(1) }));
    const running = queue.run((packet) => packet.accept());
    const fates = (await Promise.all(verdicts)).map(({ verdict }) => verdict);
    const dropped = fates.filter((verdict) => verdict === "drop").length;
    expect(dropped).toBeGreaterThan(30);
    expect(queue.statistics).toMatchObject({
      receiveDrops: dropped,
      passedUnseen: 0,
      received: 50 - dropped,
    });
    await queue.close();
    await running;
    expect(losses).toEqual([{ receiveDrops: dropped, unknownVerdicts: 0, refusedVerdicts: 0, unread: 0 }]);
  });

  test("that fail open pass unseen, and are counted as that", async () => {
    const queue = await open({ receiveBuffer: 10_000, failOpen: true });
    queue.on("loss", () => {});
    const verdicts = Array.from({ length: 50 }, () => kernel.enqueue(3, { payload: bytes(1) }));
    const running = queue.run((packet) => packet.drop());
    const fates = (await Promise.all(verdicts)).map(({ verdict }) => verdict);
    const passed = fates.filter((verdict) => verdict === "accept").length;
    expect(queue.statistics).toMatchObject({ passedUnseen: passed, dropped: 50 - passed });
    expect(passed).toBeGreaterThan(30);
    await queue.close();
    await running;
  });

  test("make one process warning where nobody listens", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const queue = await open({ receiveBuffer: 2000 });
    const verdicts = Array.from({ length: 5 }, () => kernel.enqueue(3, { payload: bytes(1) }));
    const running = queue.run((packet) => packet.accept());
    await Promise.all(verdicts);
    await queue.close();
    await running;
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toMatch(/queue 3 lost .*receiveDrops \d/);
    expect(warn.mock.calls[0]?.[1]).toEqual({ code: "NLRING_LOSS" });
  });
});

test("while the kernel has no memory for verdicts, they wait, in order, and leave when it has", async () => {
  let refusing = true;
  const provider = {
    open: (request: Parameters<FakeQueueKernel["open"]>[0]) => {
      const transport = kernel.open(request);
      const { drain } = transport;
      transport.drain = () => (refusing ? -105 : drain.call(transport));
      return transport;
    },
  };
  const queue = await NfQueue.open(3, {
    transport: provider,
    coalesce: false,
    queueMaxLength: 20_000,
    receiveBuffer: 1 << 26,
  });
  // More than the send frames hold: 8 of 32 KiB, and a verdict takes 32 bytes.
  const count = 10_000;
  const order: number[] = [];
  const verdicts = Array.from({ length: count }, async (_, value) => {
    await kernel.enqueue(3, { payload: bytes(value >> 8, value) });
    order.push(value);
  });
  const running = queue.run((packet) => packet.accept());
  while (queue.statistics.accepted < count) await nextTurn();
  expect(queue.statistics.sendRetries).toBeGreaterThan(0);
  expect(kernel.waiting(3)).toBe(count);
  refusing = false;
  await Promise.all(verdicts);
  expect(order).toEqual(Array.from({ length: count }, (_, value) => value));
  expect(queue.statistics).toMatchObject({ accepted: count, unknownVerdicts: 0 });
  await queue.close();
  await running;
});

describe("the kernel's own counts", () => {
  const text = `    3 4195  12 2 65531     7     9      120  1
   30  815   0 1     0     0     0        0  1
`;
  test("are read from its line", () => {
    expect(parseKernelStatistics(text, 3)).toEqual({
      portId: 4195,
      waiting: 12,
      copyRange: 65_531,
      queueDropped: 7,
      userDropped: 9,
      lastId: 120,
    });
    expect(parseKernelStatistics(text, 30)).toMatchObject({ portId: 815, copyRange: 0 });
  });

  test("are undefined where the queue has no line", async () => {
    expect(parseKernelStatistics(text, 4)).toBeUndefined();
    expect(parseKernelStatistics("", 3)).toBeUndefined();
    expect(parseKernelStatistics("3 1 2", 3)).toBeUndefined();
    const queue = await open();
    expect(queue.kernelStatistics()).toBeUndefined();
    await queue.close();
  });
});

test("a receive buffer that holds fewer packets than the queue is told in figures", () => {
  const configuration = {
    copyRange: 0xffff,
    queueMaxLength: 1024,
    gso: true,
    failOpen: false,
    conntrack: false,
    uidGid: false,
    securityContext: false,
  };
  const warning = receiveBufferWarning(212_992, configuration);
  for (const figure of ["212,992", "92 packets", "2,304", "1,024", "1,179,648"])
    expect(warning).toContain(figure);
  expect(receiveBufferWarning(212_992, { ...configuration, queueMaxLength: 92 })).toBeUndefined();
  expect(
    receiveBufferWarning(212_992, { ...configuration, copyRange: 0, queueMaxLength: 256 }),
  ).toBeUndefined();
});
