import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { NfQueue } from "@nlring/nfqueue";
import { expect, test } from "vitest";
import { requireRules } from "./require-rules.js";

const QUEUE = 46;
const PORT = 5346;
const SENDERS = 3;
const PACKETS = 10_000;

requireRules();

async function flood(): Promise<number> {
  const child = fork(new URL("./fixtures/flood.mjs", import.meta.url), [String(PORT), String(PACKETS)], {
    execArgv: [],
  });
  const [{ sent }] = (await once(child, "message")) as [{ sent: number }];
  return sent;
}

test("an ordered queue has the packets of several processes in the order of their ids, and each sender's in that of its sending", async () => {
  // Nobody reads it: what it has no room for was delivered all the same.
  const receiver = createSocket("udp4");
  receiver.bind(PORT, "127.0.0.1");
  await once(receiver, "listening");
  const queue = await NfQueue.open(QUEUE, { ordered: true, queueMaxLength: 65_536 });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  // The receive buffer overruns, which is counted; what comes is in order all the same.
  queue.on("loss", () => {});
  let last = 0;
  let outOfOrder = 0;
  /** The number of the last datagram from each source port. */
  const numbers = new Map<number, number>();
  const running = queue.run((packet) => {
    const from = packet.readUint16(20);
    const number = packet.readUint32(28);
    if (packet.id <= last || number <= (numbers.get(from) ?? -1)) outOfOrder++;
    last = packet.id;
    numbers.set(from, number);
    packet.accept();
  });
  const sent = await Promise.all(Array.from({ length: SENDERS }, flood));
  const isThere = (): boolean => {
    const { received, receiveDrops = 0 } = queue.statistics;
    return received + receiveDrops === SENDERS * PACKETS;
  };
  expect(sent).toEqual(Array.from({ length: SENDERS }, () => PACKETS));
  while (!isThere()) await nextTurn();
  expect(numbers.size).toBe(SENDERS);
  expect(queue.statistics.received).toBeGreaterThan(1000);
  expect(outOfOrder).toBe(0);
  await queue.close();
  await running;
  receiver.close();
});
