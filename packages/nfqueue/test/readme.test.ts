import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { NfQueue, type Packet } from "../src/index.js";
import { FakeQueueKernel, type FakeVerdict } from "../src/testing/index.js";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The README's filter, as it stands there. */
async function filterOfReadme(): Promise<(packet: Packet) => void> {
  const source = [...README.matchAll(/```js\n([\s\S]*?)```/g)]
    .map(([, code]) => code ?? "")
    .find((code) => code.includes("export function filter"));
  if (source === undefined) throw new Error("the README has no filter");
  const module: { filter(packet: Packet): void } = await import(
    `data:text/javascript,${encodeURIComponent(source)}`
  );
  return module.filter;
}

/** An IPv4 packet of a protocol to a port, with a DSCP. */
function packetTo(protocol: number, port: number): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set([0x45, 0xb8, 0, 40]);
  bytes[9] = protocol;
  bytes.set([port >> 8, port & 255], 22);
  return bytes;
}

/** The one's complement sum of an IPv4 header: 0xffff where its checksum is right. */
function headerSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return (sum & 0xffff) + (sum >> 16);
}

test("the README's filter does with packets what it says", async () => {
  const filter = await filterOfReadme();
  const kernel = new FakeQueueKernel();
  const queue = await NfQueue.open(0, { transport: kernel });
  const running = queue.run(filter);
  const decide = (payload: Uint8Array, mark = 0): Promise<FakeVerdict> =>
    kernel.enqueue(0, { payload, mark });

  expect(await decide(packetTo(17, 53))).toEqual({ verdict: "accept", mark: undefined });
  const dns = await NfQueue.open(1, { transport: kernel });
  const answering = dns.run((packet) => packet.drop());
  expect(await decide(packetTo(17, 53))).toEqual({ verdict: "drop", mark: undefined, path: [1] });
  expect(await decide(packetTo(6, 80))).toEqual({ verdict: "accept", mark: 1 });
  const changed = await decide(packetTo(6, 80), 1);
  expect(changed).toMatchObject({ verdict: "accept", priority: 6 });
  expect(changed.payload?.[1]).toBe(0);
  expect(headerSum(changed.payload ?? new Uint8Array(20))).toBe(0xffff);

  await queue.close();
  await dns.close();
  await Promise.all([running, answering]);
  expect(queue.statistics.handlerErrors).toBe(0);
});
