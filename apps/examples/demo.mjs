// npm run demo: real packets through a ring, counted at both ends; then its speed beside regular socket I/O.
import { fork, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { measureBacklog, median } from "@nlring/bench/backlog";
import { bringLoopbackUp } from "@nlring/bench/loopback";
import { NfQueue } from "@nlring/nfqueue";
import { FakeQueueKernel } from "@nlring/nfqueue/testing";
import { sandbox } from "../../tools/sandbox.mjs";

const PORT = 5300;
const PER_FAMILY = 50_000;
const SENDERS = /** @type {const} */ ([
  { family: "ip", port: PORT, count: PER_FAMILY },
  { family: "ip6", port: PORT, count: PER_FAMILY },
]);
const EXCLAMATION_MARK = 0x21;

/**
 * The filter, as any program would write it: whoever shouts is dropped.
 *
 * @param {import("@nlring/nfqueue").Packet} packet
 */
function filter(packet) {
  const text = packet.payload.subarray(packet.family === "ip6" ? 48 : 28);
  if (text.includes(EXCLAMATION_MARK)) packet.drop();
  else packet.accept();
}

/**
 * Shows a line that the next one replaces; on a pipe, where that cannot be, lines of their own.
 *
 * @param {string} text
 */
function progress(text) {
  process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

function endProgress() {
  if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
}

/** @param {number} figure */
const figure = (figure) => Math.round(figure).toLocaleString("en");

/** Sends the packets and filters them; the numbers of both ends. */
async function filterTraffic() {
  const queue = await NfQueue.open(0);
  const running = queue.run(filter);
  const rule = await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const traffic = fork(new URL("./traffic.mjs", import.meta.url), { execArgv: [] });
  const started = process.hrtime.bigint();
  /** @type {{ sent: number, received: number, done: boolean }} */
  const ends = await new Promise((resolve, reject) => {
    traffic.on("message", (/** @type {{ sent: number, received: number, done: boolean }} */ message) => {
      progress(
        `filtering: ${figure(message.sent)} of ${figure(2 * PER_FAMILY)} packets sent, ${figure(message.received)} received`,
      );
      if (message.done) resolve(message);
    });
    traffic.on("error", reject);
    traffic.on("exit", (code) => reject(new Error(`the traffic ended early, with exit code ${code}`)));
    traffic.send(SENDERS);
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  endProgress();
  const { transport, statistics } = queue;
  await queue.close();
  await running;
  return { transport, rule, statistics, ends, seconds };
}

/**
 * Prints the numbers and tells whether they add up exactly.
 *
 * @param {import("@nlring/nfqueue").QueueStatistics} statistics
 * @param {{ sent: number, received: number }} ends
 */
function printSums(statistics, ends) {
  const { received: seen, accepted, dropped } = statistics;
  console.log(
    `packets     sent ${figure(ends.sent)}, seen ${figure(seen)}, accepted ${figure(accepted)}, dropped ${figure(dropped)}, received ${figure(ends.received)}`,
  );
  const sums = ends.sent === seen && seen === accepted + dropped && accepted === ends.received && dropped > 0;
  console.log(sums ? "            every packet is accounted for" : "            THE NUMBERS DO NOT ADD UP");
  return sums;
}

async function demonstrate() {
  await bringLoopbackUp();
  console.log(
    'nlring: UDP over IPv4 and IPv6 on loopback, filtered by 4 lines of JavaScript; a packet with a "!" is dropped\n',
  );
  const { transport, rule, statistics, ends, seconds } = await filterTraffic();
  const speeds = await measureBacklog({
    onBlock: (done, blocks) => progress(`measuring: block ${done} of ${blocks}`),
  });
  endProgress();
  console.log(`transport   ${transport.kind}: ${transport.reason}`);
  console.log(
    `rule        ${rule.statement}, in table ${rule.table}${rule.crashSafe ? ", which goes with this process" : ""}`,
  );
  const sums = printSums(statistics, ends);
  console.log(`            in ${seconds.toFixed(1)} s, each with an echo that the sender waited for`);
  const ring = median(speeds.ring);
  const socket = median(speeds.socket);
  console.log(
    `speed       ${figure(ring)} packets/s through the ring: many packets in one call, many verdicts in one send`,
  );
  console.log(
    `            ${figure(socket)} packets/s by regular socket I/O: one recv and one send per packet, same addon`,
  );
  console.log(
    `            ${(ring / socket).toFixed(2)} times as many (a backlog of small packets, median of ${speeds.ring.length} blocks each)`,
  );
  process.exitCode = sums ? 0 : 1;
}

/**
 * The same filter where this machine lets nobody have a network namespace.
 *
 * @param {string} reason
 */
async function demonstrateInMemory(reason) {
  console.log(`The demo needs a network namespace of its own, and ${reason}:\n\n    sudo npm run demo\n`);
  console.log("Meanwhile, the same filter over the memory transport, which needs no kernel:\n");
  const kernel = new FakeQueueKernel();
  const queue = await NfQueue.open(0, { transport: kernel });
  const running = queue.run(filter);
  const headers = new Uint8Array(28);
  const ends = { sent: 0, received: 0 };
  const encoder = new TextEncoder();
  while (ends.sent < PER_FAMILY) {
    const verdicts = Array.from({ length: 100 }, () => {
      const text = encoder.encode(ends.sent % 4 === 3 ? "hello!" : "hello");
      ends.sent++;
      return kernel.enqueue(0, { payload: Uint8Array.of(...headers, ...text) });
    });
    for (const { verdict } of await Promise.all(verdicts)) if (verdict === "accept") ends.received++;
    if (ends.sent % 10_000 === 0)
      progress(`filtering: ${figure(ends.sent)} of ${figure(PER_FAMILY)} packets`);
  }
  endProgress();
  const { transport, statistics } = queue;
  await queue.close();
  await running;
  console.log(`transport   ${transport.kind}: ${transport.reason}`);
  process.exitCode = printSums(statistics, ends) ? 0 : 1;
}

if (process.argv.includes("--inside")) {
  await demonstrate();
} else {
  const where = sandbox();
  if (where.command === undefined) {
    await demonstrateInMemory(where.reason);
  } else {
    const self = fileURLToPath(import.meta.url);
    const child = spawnSync(where.command, [...where.args, process.execPath, self, "--inside"], {
      stdio: "inherit",
    });
    process.exitCode = child.status ?? 1;
  }
}
