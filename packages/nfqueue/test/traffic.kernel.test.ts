import { NfQueue, type Packet } from "@nlring/nfqueue";
import { afterEach, beforeAll, expect, test } from "vitest";
import { bringLoopbackUp, datagramOffset, Echo, type TestFamily, waitingInKernel } from "./sandbox.js";

const PORT = 5301;
const SOAK = process.env["NLRING_SOAK"] === "1";
const PACKETS = SOAK ? 1_000_000 : 200_000;
const FAMILIES: readonly TestFamily[] = ["ip", "ip6"];

let echo: Echo;
beforeAll(bringLoopbackUp);
afterEach(async () => {
  await echo[Symbol.asyncDispose]();
});

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

test(`${PACKETS.toLocaleString("en")} packets of both families: each is whole, comes once, and gets its verdict`, async () => {
  echo = await Echo.start();
  const queue = await NfQueue.open(7);
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
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  for (const family of FAMILIES) await echo.receive(family, PORT);

  const results = await Promise.all(
    FAMILIES.map((family) =>
      echo.send({ family, port: PORT, count: PACKETS / 2, sizes: [5, 64, 257, 1400], dropEvery: 5 }),
    ),
  );
  const sent = results.reduce((sum, result) => sum + result.sent, 0);
  const toDrop = results.reduce((sum, result) => sum + result.toDrop, 0);
  const echoed = results.reduce((sum, result) => sum + result.echoed, 0);

  expect(sent).toBe(PACKETS);
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
  expect(waitingInKernel(7) ?? 0).toBe(0);
  await queue.close();
  await running;
});
