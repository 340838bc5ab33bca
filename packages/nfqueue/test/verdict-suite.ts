import type { NfQueue, Packet, QueueOptions } from "@nlring/nfqueue";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { datagramOffset, type FloodResult, type SendResult, type TestFamily } from "./traffic.js";

/** Where packets come from and go to: the kernel with real datagrams, or the queue in memory. */
export interface World {
  /** Frames that a ring needs at the least: what is in flight, where a mapped kernel has no other place for it; 2 elsewhere. */
  readonly fewestFrames: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Opens a queue that this world's datagrams are led into. */
  open(options: QueueOptions): Promise<NfQueue>;
  /** Sends datagrams and waits for their echoes, a bounded number in flight. */
  send(order: {
    readonly family: TestFamily;
    readonly count: number;
    readonly sizes: readonly number[];
    readonly dropEvery?: number;
  }): Promise<SendResult>;
  /** Starts to send without waiting; the returned function ends it and tells what came of it. */
  flood(order: { readonly family: TestFamily; readonly rate: number }): Promise<() => Promise<FloodResult>>;
  /** Packets that wait for a verdict where they are queued; 0 where that cannot be asked. */
  waiting(queue: NfQueue): number;
}

const FAMILIES: readonly TestFamily[] = ["ip", "ip6"];

/** The packet's part after the UDP header is what the sender wrote, byte for byte. */
function isWhole(packet: Packet): boolean {
  const start = datagramOffset(packet.family);
  const sequence = packet.readUint32(start);
  const bytes = packet.payload;
  for (let at = 5; start + at < bytes.length; at++) {
    if (bytes[start + at] !== ((sequence + at) & 255)) return false;
  }
  return true;
}

/** What a queue does with packets, whoever queues them. `packets` is how many the long run takes. */
export function verdictSuite(world: World, packets: number): void {
  const opened: NfQueue[] = [];
  beforeAll(() => world.start());
  afterAll(() => world.stop());
  // A test that fails must not leave its queue to the next.
  afterEach(async () => {
    for (const queue of opened.splice(0)) await queue.close();
  });

  const intercepted = async (options: QueueOptions = {}): Promise<NfQueue> => {
    const queue = await world.open(options);
    opened.push(queue);
    return queue;
  };
  const send = (family: TestFamily, count: number): Promise<SendResult> =>
    world.send({ family, count, sizes: [32] });

  test("a handler that throws loses no packet: each gets the default verdict", async () => {
    const queue = await intercepted({ defaultVerdict: "accept" });
    const failures: unknown[] = [];
    queue.on("handlerError", (error) => failures.push(error));
    const running = queue.run((packet) => {
      if (packet.id % 3 === 0) throw new Error("every third");
      packet.accept();
    });
    const result = await send("ip", 300);
    expect(result).toMatchObject({ sent: 300, echoed: 300 });
    expect(failures).toHaveLength(100);
    expect(queue.statistics).toMatchObject({
      received: 300,
      accepted: 300,
      defaulted: 100,
      unknownVerdicts: 0,
    });
    await queue.close();
    await running;
  });

  test("packets left undecided get the default verdict", async () => {
    const queue = await intercepted({ defaultVerdict: "accept" });
    const running = queue.run(() => {});
    expect(await send("ip6", 200)).toMatchObject({ echoed: 200 });
    expect(queue.statistics).toMatchObject({ accepted: 200, defaulted: 200 });
    await queue.close();
    await running;
  });

  test("an iterator that is left early loses no packet, and the traffic goes on without the queue", async () => {
    const queue = await intercepted({ defaultVerdict: "accept" });
    const sent = send("ip", 300);
    let seen = 0;
    for await (const packet of queue) {
      packet.accept();
      if (++seen === 50) break;
    }
    expect(await sent).toMatchObject({ sent: 300, echoed: 300 });
    expect(world.waiting(queue)).toBe(0);
  });

  test("packets decided later, in any order, arrive, and the ring goes on meanwhile", async () => {
    const queue = await intercepted({
      ring: { frameSize: 4096, frameCount: Math.max(16, world.fewestFrames) },
    });
    const running = queue.run(async (packet) => {
      const { id } = packet;
      const first = packet.payload[0];
      // Another turn of the event loop for most, several for some.
      for (let turns = id % 7; turns >= 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      expect(packet.payload[0]).toBe(first);
      packet.accept();
    });
    expect(await send("ip", 2000)).toMatchObject({ echoed: 2000, doubled: 0 });
    expect(queue.statistics).toMatchObject({
      received: 2000,
      accepted: 2000,
      defaulted: 0,
      unknownVerdicts: 0,
      handlerErrors: 0,
    });
    await queue.close();
    await running;
  });

  test("a packet kept after its verdict throws when touched, while its frame holds another", async () => {
    const queue = await intercepted({ ring: { frameSize: 4096, frameCount: world.fewestFrames } });
    const count = 50 * world.fewestFrames;
    const kept: Packet[] = [];
    const broken: string[] = [];
    const running = queue.run((packet) => {
      for (const old of kept.slice(-4)) {
        try {
          old.drop();
          broken.push("a late drop was taken");
        } catch (error) {
          if (!(error instanceof Error && "code" in error && error.code === "ERR_PACKET_DECIDED"))
            broken.push(String(error));
        }
      }
      kept.push(packet);
      packet.accept();
    });
    expect(await send("ip", count)).toMatchObject({ echoed: count });
    expect(broken).toEqual([]);
    await queue.close();
    await running;
  });

  test("metadata alone is copied where the copy range is 0, and the first bytes where it is small", async () => {
    for (const [copyRange, lengths] of [
      [0, [0, 0]],
      [30, [30, 60]],
    ] as const) {
      const queue = await intercepted({ copyRange });
      const seen: number[][] = [];
      const running = queue.run((packet) => {
        seen.push([packet.length, packet.originalLength]);
        packet.accept();
      });
      expect(await send("ip", 1)).toMatchObject({ echoed: 1 });
      expect(seen).toEqual([lengths]);
      await queue.close();
      await running;
    }
  });

  test.each(FAMILIES)("closing during a flood of %s with default accept loses no packet", async (family) => {
    const queue = await intercepted({ defaultVerdict: "accept" });
    const running = queue.run((packet) => {
      if (packet.id % 5 === 0) packet.hold();
      else packet.accept();
    });
    const stop = await world.flood({ family, rate: 64 });
    while (queue.statistics.received < 2000) await new Promise((resolve) => setImmediate(resolve));
    await queue.close();
    await running;
    const { sent, echoed } = await stop();
    expect(echoed).toBe(sent);
    expect(queue.statistics.undecided).toBe(0);
    expect(world.waiting(queue)).toBe(0);
  });

  test(`${packets.toLocaleString("en")} packets of both families: each is whole, comes once, and gets its verdict`, async () => {
    const queue = await intercepted();
    const ids = new Set<number>();
    let broken = 0;
    let accepted = 0;
    let dropped = 0;
    const running = queue.run((packet) => {
      ids.add(packet.id);
      if (!isWhole(packet)) broken++;
      if (packet.readUint8(datagramOffset(packet.family) + 4) === 1) {
        dropped++;
        packet.drop();
      } else {
        accepted++;
        packet.accept();
      }
    });

    const results = await Promise.all(
      FAMILIES.map((family) =>
        world.send({ family, count: packets / 2, sizes: [5, 64, 257, 1400], dropEvery: 5 }),
      ),
    );
    const sent = results.reduce((sum, result) => sum + result.sent, 0);
    const toDrop = results.reduce((sum, result) => sum + result.toDrop, 0);
    const echoed = results.reduce((sum, result) => sum + result.echoed, 0);

    expect(sent).toBe(packets);
    expect(broken).toBe(0);
    expect(accepted + dropped).toBe(sent);
    expect(dropped).toBe(toDrop);
    expect(echoed).toBe(accepted);
    expect(results.map((result) => result.doubled)).toEqual([0, 0]);
    expect(ids.size).toBe(sent);
    expect(queue.statistics).toMatchObject({
      received: sent,
      undecided: 0,
      defaulted: 0,
      unknownVerdicts: 0,
      refusedVerdicts: 0,
      malformed: 0,
    });
    expect(world.waiting(queue)).toBe(0);
    await queue.close();
    await running;
  });
}
