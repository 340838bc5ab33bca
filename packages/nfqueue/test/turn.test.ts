import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NfQueue } from "../src/index.js";
import { FakeQueueKernel } from "../src/testing/index.js";
import { TurnBudget } from "../src/turn.js";

const PAYLOAD = Uint8Array.of(0x45);

describe("a turn", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function spent(budget: TurnBudget, milliseconds: number): number {
    let packets = 0;
    for (budget.renew(); budget.spend(); packets++) vi.advanceTimersByTime(milliseconds);
    return packets;
  }

  test("ends after 512 packets, and the next one has as many", () => {
    const budget = new TurnBudget();
    expect([spent(budget, 0), spent(budget, 0)]).toEqual([512, 512]);
  });

  test("ends early where packets take long, and has one at the least", () => {
    const budget = new TurnBudget();
    expect(spent(budget, 1)).toBe(16);
    expect(spent(budget, 1000)).toBe(16);
  });

  test("leaves the verdicts of slow handlers to the kernel before all packets were handled", async () => {
    const kernel = new FakeQueueKernel();
    const queue = await NfQueue.open(3, { transport: kernel });
    const verdicts = Array.from({ length: 100 }, () => kernel.enqueue(3, { payload: PAYLOAD }));
    let handled = 0;
    const running = queue.run((packet) => {
      vi.advanceTimersByTime(1);
      handled++;
      packet.accept();
    });
    await verdicts[0];
    expect(handled).toBeLessThan(40);
    await Promise.all(verdicts);
    await queue.close();
    await running;
  });
});

test("handlers run in the async context of the call of run, whoever wakes them", async () => {
  const kernel = new FakeQueueKernel();
  const queue = await NfQueue.open(3, { transport: kernel });
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const running = context.run("of run", () =>
    queue.run((packet) => {
      seen.push(context.getStore());
      packet.accept();
    }),
  );
  await context.run("of the packet", () => kernel.enqueue(3, { payload: PAYLOAD }));
  await nextTurn();
  await context.run("of another", () => kernel.enqueue(3, { payload: PAYLOAD }));
  expect(seen).toEqual(["of run", "of run"]);
  await queue.close();
  await running;
});
