import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type LossReport, NfQueue, type Packet } from "@nlring/nfqueue";
import { expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { hookQueue } from "./hooked-queue.js";
import { LoopbackDatagrams } from "./loopback-datagrams.js";
import { requireRules } from "./require-rules.js";

const QUEUE = 71;
const PORT = 5371;
const IS_SOAK = process.env["NLRING_SOAK"] === "1";
const PACKETS = IS_SOAK ? 10_000_000 : 200_000;
/** A protocol that no test sends. */
const IPPROTO_SCTP = 132;
const MEBIBYTE = 1024 * 1024;
/** The default of net.core.rmem_default: it holds some 256 small packets, so that bursts overrun it. */
const SMALL_RECEIVE_BUFFER = 212_992;
/** Milliseconds for which a packet is held at the most. */
const LONGEST_HOLD = 50;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

requireRules();

interface Memory {
  readonly heap: number;
  readonly resident: number;
}

function memory(): Memory {
  collectGarbage();
  const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed + arrayBuffers, resident: rss };
}

/** Repeatable random numbers, 32 bits (xorshift). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** The packet's bytes without a UDP checksum, which is what a program that changes them may do in IPv4. */
function changed(packet: Packet): Uint8Array {
  const bytes = packet.copy();
  bytes[26] = 0;
  bytes[27] = 0;
  bytes[bytes.length - 1] = 0xff;
  return bytes;
}

test(`${PACKETS.toLocaleString("en")} packets with random verdicts, holds, new payloads and overruns: each is decided once or counted as lost, and memory stays flat`, async (context) => {
  // Nobody reads it: what it has no room for was delivered all the same.
  const receiver = createSocket("udp4");
  receiver.bind(PORT, "127.0.0.1");
  await once(receiver, "listening");
  const queue = await NfQueue.open(QUEUE, {
    receiveBuffer: SMALL_RECEIVE_BUFFER,
    queueMaxLength: 65_536,
    defaultVerdict: "accept",
  });
  requireKernel(
    context,
    queue.transport.kind === "user-ring",
    "a mapped ring loses packets that nothing counts",
  );
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const losses: LossReport[] = [];
  queue.on("loss", (loss) => losses.push(loss));

  const random = randomNumbers(20_261_122);
  const decide = (packet: Packet): void => {
    const choice = random() % 100;
    if (choice < 60) packet.accept();
    else if (choice < 80) packet.drop();
    else if (choice < 90) packet.accept({ mark: choice });
    else if (choice < 95) packet.accept({ payload: changed(packet) });
    else if (choice < 97 && packet.mark === 0) packet.repeat({ mark: 1 });
    else if (choice < 99) packet.requeue(QUEUE + 1, { bypass: true });
    // Else the default verdict, where the handler has it still.
    else if (packet.held) packet.drop();
  };
  let warm: Memory | undefined;
  let seen = 0;
  const running = queue.run((packet) => {
    seen++;
    if (seen === PACKETS / 20) warm = memory();
    if (random() % 20 === 0) {
      packet.hold();
      setTimeout(decide, random() % LONGEST_HOLD, packet);
      return;
    }
    decide(packet);
    // Nobody reads for a while, and the receive buffer overruns.
    if (seen % 20_000 === 0) for (const until = performance.now() + 10; performance.now() < until; );
  });

  const sender = fork(new URL("./fixtures/flood.mjs", import.meta.url), [String(PORT), String(PACKETS)], {
    execArgv: [],
  });
  const [{ sent }] = (await once(sender, "message")) as [{ sent: number }];
  const isSettled = (): boolean => {
    const { received, receiveDrops = 0, repeated, undecided } = queue.statistics;
    return undecided === 0 && received + receiveDrops === sent + repeated;
  };
  while (!isSettled()) await nextTurn();
  // The verdicts of this turn leave before the next.
  await nextTurn();
  const end = memory();
  const waiting = queue.kernelStatistics()?.waiting ?? 0;
  const statistics = queue.statistics;
  await queue.close();
  await running;
  receiver.close();

  const { accepted, dropped, repeated, requeued, received, receiveDrops = 0 } = statistics;
  if (warm === undefined) throw new Error("too few packets came for a warm-up");
  // What a long run is for: its figures are kept, not only that it passed.
  if (IS_SOAK) console.log({ sent, ...statistics, lossReports: losses.length, waiting, warm, end });
  expect(sent).toBe(PACKETS);
  expect(received).toBe(accepted + dropped + repeated + requeued);
  expect(received + receiveDrops).toBe(sent + repeated);
  expect(receiveDrops).toBeGreaterThan(0);
  expect(statistics).toMatchObject({
    unknownVerdicts: 0,
    refusedVerdicts: 0,
    malformed: 0,
    handlerErrors: 0,
  });
  expect(statistics.defaulted).toBeGreaterThan(0);
  expect(waiting).toBe(0);
  expect(losses.reduce((sum, loss) => sum + loss.receiveDrops, 0)).toBe(receiveDrops);
  expect(end.heap - warm.heap).toBeLessThan(8 * MEBIBYTE);
  expect(end.resident - warm.resident).toBeLessThan(64 * MEBIBYTE);
});

test("packets that the kernel forgot are told from lost ones: their verdicts are unknown to it", async () => {
  const datagrams = await LoopbackDatagrams.open(PORT);
  const queue = await NfQueue.open(QUEUE, { defaultVerdict: "accept" });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const losses: LossReport[] = [];
  queue.on("loss", (loss) => losses.push(loss));
  const held: Packet[] = [];
  const running = queue.run((packet) => {
    held.push(packet.hold());
  });
  for (let i = 0; i < 20; i++) await datagrams.send("forgotten");
  while (held.length < 20) await nextTurn();
  // The end of any base chain of the namespace has the kernel drop what waits in any queue. Rules of this thread share a table that
  // stays as long as the queue: only another program's can go.
  const others = await hookQueue({ queue: QUEUE + 1, hook: "input", protocol: IPPROTO_SCTP });
  await others.close();
  // One verdict each: the last comes first, so that none can be joined.
  for (const packet of held.reverse()) packet.accept();
  while (queue.statistics.unknownVerdicts < 20) await nextTurn();
  expect(queue.statistics).toMatchObject({ received: 20, accepted: 20, receiveDrops: 0, refusedVerdicts: 0 });
  expect(datagrams.arrived).toEqual([]);
  await queue.close();
  await running;
  expect(losses).toEqual([{ receiveDrops: 0, unknownVerdicts: 20, refusedVerdicts: 0, unread: 0 }]);
  await datagrams[Symbol.asyncDispose]();
});
