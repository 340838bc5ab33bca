import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NfQueue, type Packet, PacketDecidedError } from "../src/index.js";
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

test("one slow decision does not hold up the others: 1,000 packets decided while one waits", async () => {
  const queue = await open();
  let finish = (): void => {};
  const running = queue.run(async (packet) => {
    if (packet.id === 1) {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    }
    packet.accept();
  });
  const slow = kernel.enqueue(3, { payload: bytes(1) });
  const others = Array.from({ length: 1000 }, (_, value) =>
    kernel.enqueue(3, { payload: bytes(value & 255) }),
  );
  expect((await Promise.all(others)).every(({ verdict }) => verdict === "accept")).toBe(true);
  expect(kernel.waiting(3)).toBe(1);
  finish();
  expect((await slow).verdict).toBe("accept");
  await queue.close();
  await running;
});

test("no verdict outlives its turn of the event loop: an iterator body that waits for 5 s keeps none back", async () => {
  const queue = await open();
  const verdicts = [1, 2].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
  let waited = false;
  for await (const packet of queue) {
    packet.accept();
    if (packet.id === 2) break;
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const body = new Promise<void>((resolve) => setTimeout(resolve, 5000));
    // Seen outside while the body waits still, though it was the first of verdicts that could be joined.
    expect((await verdicts[0])?.verdict).toBe("accept");
    waited = true;
    vi.advanceTimersByTime(5000);
    await body;
  }
  expect(waited).toBe(true);
});

describe("a verdict timeout", () => {
  const timers = (): void => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  };

  test("gives a packet that its handler, or whoever holds it, is too slow with the default verdict", async () => {
    timers();
    const queue = await open({ verdictTimeout: 100, defaultVerdict: "accept" });
    const taken: Packet[] = [];
    const running = queue.run((packet) => {
      taken.push(packet);
      if (packet.id === 1) return new Promise(() => {});
      packet.hold();
      return undefined;
    });
    const verdicts = [1, 2].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
    while (taken.length < 2) await nextTurn();
    vi.advanceTimersByTime(99);
    await nextTurn();
    expect(kernel.waiting(3)).toBe(2);
    vi.advanceTimersByTime(1);
    expect((await Promise.all(verdicts)).map(({ verdict }) => verdict)).toEqual(["accept", "accept"]);
    expect(() => taken[1]?.drop()).toThrow(PacketDecidedError);
    expect(queue.statistics).toMatchObject({ timedOut: 2, defaulted: 2, undecided: 0 });
    await queue.close();
    await running;
  });

  test("counts from each packet's own arrival, with one timer for all", async () => {
    timers();
    const queue = await open({ verdictTimeout: 100, defaultVerdict: "accept" });
    const running = queue.run((packet) => {
      packet.hold();
    });
    const first = kernel.enqueue(3, { payload: bytes(1) });
    while (queue.statistics.received < 1) await nextTurn();
    const before = vi.getTimerCount();
    vi.advanceTimersByTime(60);
    const second = kernel.enqueue(3, { payload: bytes(2) });
    while (queue.statistics.received < 2) await nextTurn();
    expect(vi.getTimerCount()).toBe(before);
    vi.advanceTimersByTime(40);
    await first;
    expect(kernel.waiting(3)).toBe(1);
    vi.advanceTimersByTime(59);
    await nextTurn();
    expect(kernel.waiting(3)).toBe(1);
    vi.advanceTimersByTime(1);
    await second;
    await queue.close();
    await running;
  });

  test("spares packets that are decided in time, and the one that an iterator's body holds on to is not", async () => {
    timers();
    const queue = await open({ verdictTimeout: 100, defaultVerdict: "accept" });
    const verdicts = [1, 2].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
    for await (const packet of queue) {
      if (packet.id === 1) {
        packet.drop();
        continue;
      }
      vi.advanceTimersByTime(100);
      expect(packet.decided).toBe(true);
      break;
    }
    expect((await Promise.all(verdicts)).map(({ verdict }) => verdict)).toEqual(["drop", "accept"]);
  });

  test("is a whole number of milliseconds that a timer can count", async () => {
    await expect(open({ verdictTimeout: 0 })).rejects.toThrow(RangeError);
    await expect(open({ verdictTimeout: 2 ** 31 })).rejects.toThrow(RangeError);
  });
});

describe("many queues", () => {
  test("have one listener for the end of the process, which goes with the last", async () => {
    const listeners = process.listenerCount("exit");
    const signals = process.listenerCount("SIGTERM");
    const queues = await Promise.all(
      Array.from({ length: 12 }, (_, number) =>
        NfQueue.open(number, { transport: kernel, closeOnSignals: true }),
      ),
    );
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    expect(process.listenerCount("SIGTERM")).toBe(signals + 1);
    for (const queue of queues) await queue.close();
    expect(process.listenerCount("exit")).toBe(listeners);
    expect(process.listenerCount("SIGTERM")).toBe(signals);
  });
});
