import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NfQueue, type Packet } from "../src/index.js";
import { FakeQueueKernel, type FakeQueueKernelOptions } from "../src/testing/index.js";

let kernel: FakeQueueKernel;
beforeEach(() => {
  // A turn ends early where handling takes long, and its verdicts leave: here it never does.
  vi.useFakeTimers({ toFake: ["performance"] });
  kernel = new FakeQueueKernel();
});
afterEach(() => {
  vi.useRealTimers();
});

const open = (options = {}): Promise<NfQueue> => NfQueue.open(3, { transport: kernel, ...options });
const enqueue = (value = 0): ReturnType<FakeQueueKernel["enqueue"]> =>
  kernel.enqueue(3, { payload: Uint8Array.of(0x45, value >> 8, value) });
const many = (count: number): ReturnType<FakeQueueKernel["enqueue"]>[] =>
  Array.from({ length: count }, (_, value) => enqueue(value));

describe("verdicts that say the same", () => {
  test("leave as one message, each counted", async () => {
    const queue = await open();
    const verdicts = many(100);
    const running = queue.run((packet) => packet.accept({ mark: 7 }));
    expect(await Promise.all(verdicts)).toEqual(new Array(100).fill({ verdict: "accept", mark: 7 }));
    expect(queue.statistics).toMatchObject({ accepted: 100, verdictMessages: 1 });
    await queue.close();
    await running;
  });

  test("leave as many messages as there are verdicts where joining is off", async () => {
    const queue = await open({ coalesce: false });
    const verdicts = many(100);
    const running = queue.run((packet) => packet.accept());
    await Promise.all(verdicts);
    expect(queue.statistics).toMatchObject({ accepted: 100, verdictMessages: 100 });
    await queue.close();
    await running;
  });

  test("are joined up to a change of verdict or mark, and no further", async () => {
    const queue = await open();
    const verdicts = many(12);
    const running = queue.run((packet) => {
      if (packet.id <= 3) packet.accept();
      else if (packet.id <= 6) packet.accept({ mark: 0 });
      else if (packet.id <= 9) packet.drop();
      else packet.accept();
    });
    const fates = (await Promise.all(verdicts)).map(({ verdict, mark }) => `${verdict} ${mark}`);
    expect(fates).toEqual([
      ...new Array(3).fill("accept undefined"),
      ...new Array(3).fill("accept 0"),
      ...new Array(3).fill("drop undefined"),
      ...new Array(3).fill("accept undefined"),
    ]);
    expect(queue.statistics.verdictMessages).toBe(4);
    await queue.close();
    await running;
  });

  test("are not joined behind a packet that waits, which gets its own", async () => {
    const queue = await open();
    let held: Packet | undefined;
    const verdicts = many(10);
    const running = queue.run((packet) => {
      if (packet.id === 4) held = packet.hold();
      else packet.accept();
    });
    await Promise.all(verdicts.filter((_, index) => index !== 3));
    expect(kernel.waiting(3)).toBe(1);
    // Three joined, and six of their own.
    expect(queue.statistics.verdictMessages).toBe(7);
    held?.drop();
    expect((await verdicts[3])?.verdict).toBe("drop");
    await queue.close();
    await running;
  });

  test("are joined across a gap of ids, which a lost packet leaves", async () => {
    const queue = await open();
    const verdicts = many(5);
    kernel.setNextId(3, 50);
    verdicts.push(...many(5));
    const running = queue.run((packet) => packet.accept());
    await Promise.all(verdicts);
    expect(queue.statistics).toMatchObject({ accepted: 10, verdictMessages: 1, unknownVerdicts: 0 });
    await queue.close();
    await running;
  });

  test("are joined across the wrap-around of ids", async () => {
    const queue = await open();
    kernel.setNextId(3, 0xffff_fffb);
    const verdicts = many(10);
    const ids: number[] = [];
    const running = queue.run((packet) => {
      ids.push(packet.id);
      packet.accept();
    });
    await Promise.all(verdicts);
    expect(ids.slice(3, 7)).toEqual([0xffff_fffe, 0xffff_ffff, 0, 1]);
    expect(queue.statistics).toMatchObject({ accepted: 10, unknownVerdicts: 0 });
    expect(queue.statistics.verdictMessages).toBe(1);
    await queue.close();
    await running;
  });

  test("are not joined with a packet that waited for 2^31 others", async () => {
    const queue = await open();
    let held: Packet | undefined;
    const running = queue.run((packet) => {
      if (packet.id === 1) held = packet.hold();
      else if (packet.id === 0x8000_0010) {
        held?.accept();
        packet.accept();
      } else packet.accept();
    });
    const first = enqueue();
    while (held === undefined) await nextTurn();
    for (const id of [0x4000_0000, 0x7000_0000]) {
      kernel.setNextId(3, id);
      await enqueue();
    }
    kernel.setNextId(3, 0x8000_0010);
    const last = enqueue();
    expect((await Promise.all([first, last])).map(({ verdict }) => verdict)).toEqual(["accept", "accept"]);
    await nextTurn();
    expect(queue.statistics).toMatchObject({ verdictMessages: 4, unknownVerdicts: 0 });
    await queue.close();
    await running;
  });

  test("leave before those that cannot be joined, in the order in which they were given", async () => {
    const queue = await open();
    const order: number[] = [];
    const fates = Array.from({ length: 9 }, async (_, index) => {
      await enqueue(index);
      order.push(index + 1);
    });
    const running = queue.run((packet) => {
      if (packet.id === 5) packet.accept({ priority: 1 });
      else packet.accept();
    });
    await Promise.all(fates);
    expect(order).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(queue.statistics.verdictMessages).toBe(3);
    await queue.close();
    await running;
  });
});

describe("nothing is joined any more", () => {
  test("once an id came out of order: a batch might mean packets that are still to come", async () => {
    const queue = await open();
    const running = queue.run((packet) => packet.accept());
    await Promise.all(many(10));
    expect(queue.statistics.verdictMessages).toBe(1);
    kernel.setNextId(3, 5);
    await Promise.all(many(10));
    expect(queue.statistics).toMatchObject({ accepted: 20, verdictMessages: 11 });
    await queue.close();
    await running;
  });

  test("once a message was lost above the kernel: its packet waits, unseen, and is nobody's to accept", async () => {
    const queue = await open({ receiveBuffer: 10_000 });
    queue.on("loss", () => {});
    const fates: string[] = [];
    const send = (count: number): void => {
      for (const fate of many(count)) void fate.then(({ verdict }) => fates.push(verdict));
    };
    // Nobody reads while requests are answered: as much as the receive buffer holds is kept, and the rest discarded.
    send(9);
    await queue.setMaxLength(1000);
    send(9);
    await queue.setMaxLength(1000);
    send(1);
    const seen: number[] = [];
    const running = queue.run((packet) => {
      seen.push(packet.id);
      packet.accept();
    });
    while (seen.at(-1) !== 19) await nextTurn();
    await nextTurn();
    const unseen = 19 - seen.length;
    expect(unseen).toBeGreaterThan(0);
    expect(kernel.waiting(3)).toBe(unseen);
    await queue.close();
    await running;
    expect(fates.filter((verdict) => verdict === "drop")).toHaveLength(unseen);
    expect(fates).toHaveLength(19);
  });
});

interface Step {
  readonly verdict: "accept" | "drop" | "repeat" | "requeue" | "payload";
  readonly mark: number | undefined;
  /** After how many more packets it is decided. */
  readonly after: number;
}

/** What the network sees, in order, of packets decided by the plan. */
async function fatesOf(
  steps: readonly Step[],
  coalesce: boolean,
  options: FakeQueueKernelOptions,
): Promise<string[]> {
  const world = new FakeQueueKernel(options);
  const queue = await NfQueue.open(3, { transport: world, coalesce, defaultVerdict: "accept" });
  const due = new Map<number, { packet: Packet; step: Step }[]>();
  const act = (packet: Packet, { verdict, mark }: Step): void => {
    if (verdict === "accept") packet.accept({ mark });
    else if (verdict === "drop") packet.drop();
    else if (verdict === "repeat") packet.repeat({ mark: (mark ?? 0) + 1 });
    else if (verdict === "requeue") packet.requeue(9, { mark, bypass: true });
    else packet.accept({ mark, payload: new Uint8Array(20).fill(7) });
  };
  let count = 0;
  const running = queue.run((packet) => {
    const step = steps[packet.readUint16(1)];
    if (step === undefined) throw new Error("a packet that was not sent");
    if (step.after === 0) act(packet, step);
    else
      due.set(count + step.after, [...(due.get(count + step.after) ?? []), { packet: packet.hold(), step }]);
    for (const one of due.get(count) ?? []) act(one.packet, one.step);
    count++;
  });
  const seen: string[] = [];
  const fates: Promise<void>[] = [];
  for (const [index] of steps.entries()) {
    const payload = Uint8Array.of(0x45, index >> 8, index, ...new Uint8Array(17));
    fates.push(
      world.enqueue(3, { payload }).then(({ verdict, mark, payload: changed }) => {
        seen.push(`${index} ${verdict} ${mark} ${changed?.length}`);
      }),
    );
    // Several turns of the event loop take part.
    if (index % 7 === 6) await nextTurn();
  }
  while (queue.statistics.received < steps.length) await nextTurn();
  await queue.close();
  await running;
  await Promise.all(fates);
  return seen;
}

test.each<[string, FakeQueueKernelOptions]>([
  ["filled from a receive buffer", {}],
  ["mapped by a kernel from 4.3", { mapped: "from-4.3" }],
  ["mapped by a kernel before 4.3", { mapped: "before-4.3" }],
])(
  "the network sees no difference between joined verdicts and single ones, in frames %s",
  async (_, options) => {
    const step = fc.record<Step>({
      verdict: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom("accept" as const, "drop" as const) },
        { weight: 1, arbitrary: fc.constantFrom("repeat" as const, "requeue" as const, "payload" as const) },
      ),
      mark: fc.constantFrom(undefined, undefined, undefined, 0, 5),
      after: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 30 }) },
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 80 }), async (steps) => {
        expect(await fatesOf(steps, true, options)).toEqual(await fatesOf(steps, false, options));
      }),
      { numRuns: 40 },
    );
  },
);
