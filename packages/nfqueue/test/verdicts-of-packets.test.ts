import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { NfQueue, type Packet, type QueueOptions, type VerdictOptions } from "../src/index.js";
import { FakeQueueKernel, type FakeVerdict } from "../src/testing/index.js";

let kernel: FakeQueueKernel;
beforeEach(() => {
  kernel = new FakeQueueKernel();
});

/** A packet of some bytes, long enough for an IPv6 header. */
const bytes = (first: number, length = 48): Uint8Array => new Uint8Array(length).fill(first);

/** Decides one packet and tells what became of it. */
async function decide(
  act: (packet: Packet) => void,
  options: QueueOptions = {},
  packet: Parameters<FakeQueueKernel["enqueue"]>[1] = { payload: bytes(1) },
): Promise<FakeVerdict> {
  const queue = await NfQueue.open(3, { transport: kernel, ...options });
  const running = queue.run(act);
  const verdict = await kernel.enqueue(3, packet);
  await queue.close();
  await running;
  return verdict;
}

/** What the verdict throws, and whether the packet could be decided after it. */
async function refusal(
  options: VerdictOptions,
  queueOptions: QueueOptions = {},
  packet?: Parameters<FakeQueueKernel["enqueue"]>[1],
): Promise<{ code: unknown; verdict: FakeVerdict }> {
  let code: unknown;
  const verdict = await decide(
    (one) => {
      try {
        one.accept(options);
      } catch (error) {
        code = error instanceof Error && "code" in error ? error.code : error;
        expect(one.decided).toBe(false);
        one.drop();
      }
    },
    queueOptions,
    packet,
  );
  return { code, verdict };
}

describe("a verdict", () => {
  test("sets mark, priority, payload and connection in one message", async () => {
    const payload = bytes(9, 60);
    const labels = Uint8Array.of(1, 2, 3, 4);
    const mask = Uint8Array.of(255, 0, 0, 0);
    const verdict = await decide(
      (packet) =>
        packet.accept({
          mark: 0,
          priority: 0x10002,
          payload,
          conntrackMark: 0xfeedbeef,
          conntrackLabels: labels,
          conntrackLabelsMask: mask,
        }),
      { conntrack: true },
    );
    expect(verdict).toEqual({
      verdict: "accept",
      mark: 0,
      priority: 0x10002,
      payload,
      conntrackMark: 0xfeedbeef,
      conntrackLabels: labels,
      conntrackLabelsMask: mask,
    });
  });

  test("takes the packet's own bytes, edited in place, as its payload", async () => {
    const { payload } = await decide((packet) => {
      packet.payload[3] = 77;
      packet.accept({ payload: packet.payload });
    });
    expect(payload).toEqual(bytes(1).with(3, 77));
  });

  test("takes a payload larger than a send frame, and the ones around it keep their order", async () => {
    const queue = await NfQueue.open(3, { transport: kernel });
    const order: number[] = [];
    const running = queue.run((packet) => {
      if (packet.id === 2) packet.accept({ payload: bytes(5, 60_000) });
      else packet.accept();
    });
    const verdicts = await Promise.all(
      [1, 2, 3].map(async (value) => {
        const verdict = await kernel.enqueue(3, { payload: bytes(value) });
        order.push(value);
        return verdict;
      }),
    );
    expect(verdicts[1]?.payload).toEqual(bytes(5, 60_000));
    expect(order).toEqual([1, 2, 3]);
    await queue.close();
    await running;
  });

  test("tags a packet of a bridge", async () => {
    const { vlan } = await decide(
      (packet) => packet.accept({ vlan: { id: 5, priority: 3, dropEligible: true, protocol: 0x88a8 } }),
      {},
      { payload: bytes(1), family: "bridge" },
    );
    expect(vlan).toEqual({ protocol: 0x88a8, tci: (3 << 13) | (1 << 12) | 5 });
  });

  test.each<[string, VerdictOptions, QueueOptions?]>([
    ["a mark below 0", { mark: -1 }],
    ["a mark beyond 32 bits", { mark: 2 ** 32 }],
    ["a mark that is no number", { mark: Number.NaN }],
    ["a fraction of a priority", { priority: 1.5 }],
    ["a payload without a network header", { payload: bytes(1, 19) }],
    ["a payload beyond an attribute", { payload: bytes(1, 65_532) }],
    ["a VLAN tag outside a bridge", { vlan: { id: 5 } }],
    ["a conntrack mark on a queue without conntrack", { conntrackMark: 1 }],
    ["labels of three bytes", { conntrackLabels: new Uint8Array(3) }, { conntrack: true }],
    ["a mask without labels", { conntrackLabelsMask: new Uint8Array(4) }, { conntrack: true }],
  ])("with %s throws, and the packet can be decided still", async (_, options, queueOptions = {}) => {
    expect(await refusal(options, queueOptions)).toMatchObject({
      code: "ERR_VERDICT_OPTION",
      verdict: { verdict: "drop" },
    });
  });

  test.each([0, 20])(
    "refuses a new payload where the copy range of %i bytes cut the packet",
    async (copyRange) => {
      const { code, verdict } = await refusal({ payload: bytes(2) }, { copyRange });
      expect(code).toBe("ERR_PACKET_CUT");
      expect(verdict.verdict).toBe("drop");
    },
  );
});

describe("requeue", () => {
  test("hands the packet to another queue, with what was changed", async () => {
    const second = await NfQueue.open(4, { transport: kernel });
    const seen: object[] = [];
    const running = second.run((packet) => {
      seen.push({ mark: packet.mark, first: packet.readUint8(0) });
      packet.accept();
    });
    const verdict = await decide((packet) => packet.requeue(4, { mark: 8, payload: bytes(6) }));
    expect(seen).toEqual([{ mark: 8, first: 6 }]);
    expect(verdict).toMatchObject({ verdict: "accept", mark: 8, path: [4] });
    await second.close();
    await running;
  });

  test("drops where nobody listens, and lets pass with bypass", async () => {
    expect(await decide((packet) => packet.requeue(9))).toMatchObject({ verdict: "drop" });
    expect(await decide((packet) => packet.requeue(9, { bypass: true }))).toMatchObject({
      verdict: "accept",
    });
  });

  test.each([-1, 65_536, 0.5])("refuses the number %d", async (number) => {
    let code: unknown;
    await decide((packet) => {
      try {
        packet.requeue(number);
      } catch (error) {
        code = (error as { code: string }).code;
      }
    });
    expect(code).toBe("ERR_VERDICT_OPTION");
  });
});

describe("repeat", () => {
  test("meets the same rule again, unless the mark changes", async () => {
    let rounds = 0;
    const verdict = await decide((packet) => {
      rounds++;
      if (rounds < 3) packet.repeat();
      else packet.repeat({ mark: 5 });
    });
    expect(rounds).toBe(3);
    expect(verdict).toMatchObject({ verdict: "accept", mark: 5, path: [3, 3] });
  });

  test("and requeue are counted", async () => {
    const queue = await NfQueue.open(3, { transport: kernel });
    const running = queue.run((packet) => {
      if (packet.id === 1) packet.repeat({ mark: 1 });
      else packet.requeue(9);
    });
    await Promise.all([1, 2].map(() => kernel.enqueue(3, { payload: bytes(1) })));
    expect(queue.statistics).toMatchObject({ received: 2, repeated: 1, requeued: 1, undecided: 0 });
    await queue.close();
    await running;
  });
});

describe("while it runs", () => {
  test("the copy range and the maximum length can be changed", async () => {
    const queue = await NfQueue.open(3, { transport: kernel });
    const lengths: number[][] = [];
    const running = queue.run((packet) => {
      lengths.push([packet.length, packet.originalLength]);
      packet.hold();
    });
    void kernel.enqueue(3, { payload: bytes(1) });
    await queue.setCopyRange(10);
    void kernel.enqueue(3, { payload: bytes(1) });
    await queue.setMaxLength(2);
    expect(await kernel.enqueue(3, { payload: bytes(1) })).toMatchObject({ verdict: "drop" });
    while (lengths.length < 2) await nextTurn();
    expect(lengths).toEqual([
      [48, 48],
      [10, 48],
    ]);
    await expect(queue.setCopyRange(-1)).rejects.toThrow(RangeError);
    await expect(queue.setMaxLength(0)).rejects.toThrow(RangeError);
    await queue.close();
    await running;
    await expect(queue.setMaxLength(1)).rejects.toMatchObject({ code: "ERR_QUEUE_CLOSED" });
  });
});

test("an option that the kernel cannot do is named, with what the kernel lacks", async () => {
  kernel = new FakeQueueKernel({ conntrack: false });
  const options = { transport: kernel, conntrack: true, failOpen: true };
  await expect(NfQueue.open(3, options)).rejects.toMatchObject({
    name: "QueueOptionError",
    code: "EOPNOTSUPP",
    option: "conntrack",
    message: expect.stringContaining("CONFIG_NETFILTER_NETLINK_GLUE_CT"),
  });
  expect(kernel.listening(3)).toBe(false);
});
