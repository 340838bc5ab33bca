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

  /** What a turn handles, each packet in so many milliseconds, and after how many of them it sent. */
  function spend(milliseconds: number): { packets: number; sent: number[] } {
    let packets = 0;
    const sent: number[] = [];
    const budget = new TurnBudget(() => sent.push(packets));
    budget.renew();
    do {
      vi.advanceTimersByTime(milliseconds);
      packets++;
    } while (budget.spend());
    return { packets, sent };
  }

  test("ends after 4 ms, and sends what was decided after each 256 packets", () => {
    expect(spend(0.0125)).toEqual({ packets: 336, sent: [256] });
    expect(spend(0.005)).toEqual({ packets: 816, sent: [256, 512, 768] });
  });

  test("the next one has as long", () => {
    const budget = new TurnBudget(() => {});
    const turn = (): number => {
      let packets = 0;
      budget.renew();
      do {
        vi.advanceTimersByTime(0.0125);
        packets++;
      } while (budget.spend());
      return packets;
    };
    expect([turn(), turn()]).toEqual([336, 336]);
  });

  test("takes no clock for a lone packet", () => {
    const now = vi.spyOn(performance, "now");
    const budget = new TurnBudget(() => {});
    budget.renew();
    expect(budget.spend()).toBe(true);
    expect(now).not.toHaveBeenCalled();
    budget.spend();
    expect(now).toHaveBeenCalledOnce();
  });

  test("ends early where packets take long, and has one at the least", () => {
    expect(spend(1)).toEqual({ packets: 16, sent: [] });
    expect(spend(1000)).toEqual({ packets: 16, sent: [] });
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

describe("after the verdict of the packets that were there", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a reader sleeps at once, unless packets follow each other closely: then it looks for more", async () => {
    const kernel = new FakeQueueKernel();
    const calls: string[] = [];
    const queue = await NfQueue.open(3, {
      transport: {
        open(request) {
          const transport = kernel.open(request);
          const fill = transport.fill.bind(transport);
          const drain = transport.drain.bind(transport);
          return Object.assign(transport, {
            fill: (limit: number, rewound: boolean) => {
              calls.push("look");
              return fill(limit, rewound);
            },
            drain: () => {
              calls.push("send");
              return drain();
            },
          });
        },
      },
    });
    const running = queue.run((packet) => packet.accept());
    const callsAfter = async (milliseconds: number): Promise<string[]> => {
      vi.advanceTimersByTime(milliseconds);
      calls.length = 0;
      await kernel.enqueue(3, { payload: PAYLOAD });
      await nextTurn();
      return calls;
    };
    expect(await callsAfter(1)).toEqual(["look", "send"]);
    expect(await callsAfter(1)).toEqual(["look", "send"]);
    expect(await callsAfter(0)).toEqual(["look", "send", ...Array<string>(16).fill("look")]);
    await queue.close();
    await running;
  });
});
