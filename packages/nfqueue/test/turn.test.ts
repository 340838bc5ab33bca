import { AsyncLocalStorage } from "node:async_hooks";
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NfQueue } from "../src/index.js";
import { FakeQueueKernel } from "../src/testing/index.js";
import { TurnBudget } from "../src/turn.js";

const PAYLOAD = Uint8Array.of(0x45);

/** What the clock shows, in milliseconds. */
let time = 0;

beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => time);
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("a turn", () => {
  /** What a turn handles, each packet in so many milliseconds, and after how many of them it sent. */
  function spend(milliseconds: number): { packets: number; sent: number[] } {
    let packets = 0;
    const sent: number[] = [];
    const budget = new TurnBudget(() => sent.push(packets));
    budget.renew();
    do {
      time += milliseconds;
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
        time += 0.0125;
        packets++;
      } while (budget.spend());
      return packets;
    };
    expect([turn(), turn()]).toEqual([336, 336]);
  });

  test("takes no clock for a lone packet", () => {
    const now = vi.mocked(performance.now);
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
      time += 1;
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
  // The transport in memory wakes a reader once more that reads in a microtask.
  const readers: readonly [string, (queue: NfQueue) => Promise<void>, readonly string[]][] = [
    ["run", (queue) => queue.run((packet) => packet.accept()), []],
    [
      "for await",
      async (queue) => {
        for await (const packet of queue) packet.accept();
      },
      ["look"],
    ],
  ];

  test.each(readers)(
    "%s sleeps at once, unless packets follow each other closely: then it looks for more",
    async (_name, read, woken) => {
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
      const running = read(queue);
      const callsAfter = async (milliseconds: number): Promise<string[]> => {
        time += milliseconds;
        calls.length = 0;
        await kernel.enqueue(3, { payload: PAYLOAD });
        await nextTurn();
        return calls;
      };
      const sixteen = Array<string>(16).fill("look");
      expect(await callsAfter(1)).toEqual(["look", "send", ...woken]);
      expect(await callsAfter(1)).toEqual(["look", "send", ...woken]);
      expect(await callsAfter(0)).toEqual(["look", "send", ...sixteen, ...woken]);
      await queue.close();
      await running;
    },
  );
});
