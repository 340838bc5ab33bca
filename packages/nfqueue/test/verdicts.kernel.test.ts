import { NfQueue } from "@nlring/nfqueue";
import { expect, test } from "vitest";
import { requireRules } from "./require-rules.js";
import { bringLoopbackUp, Echo, waitingInKernel } from "./sandbox.js";
import { verdictSuite, type World } from "./verdict-suite.js";

const QUEUE = 11;
const PORT = 5311;
const SOAK = process.env["NLRING_SOAK"] === "1";

/** Real datagrams over loopback. */
class KernelWorld implements World {
  fewestFrames = 2;
  #echo: Echo | undefined;

  async start(): Promise<void> {
    await bringLoopbackUp();
    const probe = await NfQueue.open(QUEUE);
    if (probe.transport.kind === "kernel-ring") this.fewestFrames = 512;
    await probe.close();
    this.#echo = await Echo.start();
    for (const family of ["ip", "ip6"] as const) await this.#echo.receive(family, PORT);
  }

  async stop(): Promise<void> {
    await this.#echo?.[Symbol.asyncDispose]();
  }

  async open(options: Parameters<World["open"]>[0], number: number = QUEUE): Promise<NfQueue> {
    const queue = await NfQueue.open(number, options);
    await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
    return queue;
  }

  send(order: Parameters<World["send"]>[0]): ReturnType<World["send"]> {
    return this.#started.send({ ...order, port: PORT });
  }

  flood(order: Parameters<World["flood"]>[0]): ReturnType<World["flood"]> {
    return this.#started.flood({ ...order, port: PORT });
  }

  waiting(queue: NfQueue): number {
    return waitingInKernel(queue.number) ?? 0;
  }

  get #started(): Echo {
    if (this.#echo === undefined) throw new Error("the echo was not started");
    return this.#echo;
  }
}

requireRules();

const world = new KernelWorld();
verdictSuite(world, SOAK ? 1_000_000 : 200_000);

test("the mark that a verdict sets is on the packet, 0 included", async () => {
  // Of two rules on one hook the later one sees a packet first, so the first queue hands it on to the second with the mark it set.
  const second = await world.open({}, QUEUE + 1);
  const first = await world.open({});
  const marks: number[] = [];
  const runningFirst = first.run((packet) =>
    packet.accept({ mark: packet.id === 2 ? 0 : 0xdead0000 + packet.id }),
  );
  const runningSecond = second.run((packet) => {
    marks.push(packet.mark);
    packet.accept();
  });
  expect(await world.send({ family: "ip", count: 3, sizes: [32] })).toMatchObject({ echoed: 3 });
  expect(marks).toEqual([0xdead0001, 0, 0xdead0003]);
  await Promise.all([first.close(), second.close()]);
  await Promise.all([runningFirst, runningSecond]);
});
