import { NfQueue, type Packet, PacketDecidedError } from "@nlring/nfqueue";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { bringLoopbackUp, Echo, type TestFamily, waitingInKernel } from "./sandbox.js";

const QUEUE = 11;
const PORT = 5311;
const FAMILIES: readonly TestFamily[] = ["ip", "ip6"];

let echo: Echo;
beforeAll(async () => {
  await bringLoopbackUp();
  echo = await Echo.start();
  for (const family of FAMILIES) await echo.receive(family, PORT);
});
afterAll(() => echo[Symbol.asyncDispose]());

const send = (family: TestFamily, count: number): ReturnType<Echo["send"]> =>
  echo.send({ family, port: PORT, count, sizes: [32] });

const opened: NfQueue[] = [];
// A test that fails must not leave its queue to the next.
afterEach(async () => {
  for (const queue of opened.splice(0)) await queue.close();
});

async function intercepted(options = {}, number = QUEUE): Promise<NfQueue> {
  const queue = await NfQueue.open(number, options);
  opened.push(queue);
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  return queue;
}

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
  expect(waitingInKernel(QUEUE) ?? 0).toBe(0);
});

test("packets decided later, in any order, arrive, and the ring goes on meanwhile", async () => {
  const queue = await intercepted({ ring: { frameSize: 4096, frameCount: 16 } });
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
  const queue = await intercepted({ ring: { frameSize: 4096, frameCount: 2 } });
  const kept: Packet[] = [];
  const broken: string[] = [];
  const running = queue.run((packet) => {
    for (const old of kept.slice(-4)) {
      try {
        old.drop();
        broken.push("a late drop was taken");
      } catch (error) {
        if (!(error instanceof PacketDecidedError)) broken.push(String(error));
      }
    }
    kept.push(packet);
    packet.accept();
  });
  expect(await send("ip", 100)).toMatchObject({ echoed: 100 });
  expect(broken).toEqual([]);
  await queue.close();
  await running;
});

test("the mark that a verdict sets is on the packet, 0 included", async () => {
  // Of two rules on one hook the later one sees a packet first, so the first queue hands it on to the second with the mark it set.
  const second = await intercepted({}, QUEUE + 1);
  const first = await intercepted();
  const marks: number[] = [];
  const runningFirst = first.run((packet) =>
    packet.accept({ mark: packet.id === 2 ? 0 : 0xdead0000 + packet.id }),
  );
  const runningSecond = second.run((packet) => {
    marks.push(packet.mark);
    packet.accept();
  });
  expect(await send("ip", 3)).toMatchObject({ echoed: 3 });
  expect(marks).toEqual([0xdead0001, 0, 0xdead0003]);
  await Promise.all([first.close(), second.close()]);
  await Promise.all([runningFirst, runningSecond]);
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
  const stop = await echo.flood({ family, port: PORT, rate: 64 });
  while (queue.statistics.received < 2000) await new Promise((resolve) => setImmediate(resolve));
  await queue.close();
  await running;
  const { sent, echoed } = await stop();
  expect(echoed).toBe(sent);
  expect(queue.statistics.undecided).toBe(0);
  expect(waitingInKernel(QUEUE) ?? 0).toBe(0);
});
