// One run of a row: its consumers on one processor, the traffic on another, and what both sides counted, which must agree.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { laneOf } from "./network.mjs";

/**
 * @typedef {import("./meter.mjs").Reading} Reading
 * @typedef {import("./rows.mjs").Consumer} Consumer
 * @typedef {import("./rows.mjs").Row} Row
 *
 * @typedef {object} Counts what the sender and receiver counted between the marks
 * @property {number} bytes of payload
 * @property {{ bytes: number, seconds: number }[]} turns what the consumer got through while it had packets all the time, and how long that was
 * @property {number} [sent]
 * @property {number} [back]
 * @property {number} [rewritten]
 * @property {number} [digest]
 * @property {number} [p50] microseconds
 * @property {number} [p99]
 * @property {number} [timed]
 *
 * @typedef {object} Trial
 * @property {Reading} reading
 * @property {Counts} counts
 *
 * @typedef {object} Timing
 * @property {number} prelude single packets for the compiler, which optimizes after some ten thousand, however long they take
 * @property {number} turns of each consumer between its marks
 * @property {number} turn milliseconds of a turn, the filling of the queue included
 *
 * @typedef {{ consumer: string, traffic: string }} Programs the compiled programs' paths
 */

/** Bytes that the kernel charges a waiting packet for, at the most, when its payload is not all in one page. */
const OVERHEAD = 1000;
/** Packets that may wait: fewer than the queues of the consumers keep. */
const WINDOW = 3000;
/** The same where the queue of npm nfqueue keeps 1,024, the kernel's default; and where nobody looks whether the loopback interface drops any. */
const SHORT_WINDOW = 960;
/** With many of them to a packet. */
const WINDOW_OF_SEGMENTS = 2400;
const MOST_IN_A_SEND = 64;
const LARGEST_SEND = 65_000;
/** A run of some seconds that takes longer has failed. */
const TIMEOUT = 120_000;

/**
 * Runs all consumers of a row at once, which take turns.
 *
 * @param {Row} row
 * @param {readonly Consumer[]} consumers
 * @param {Programs} programs
 * @param {Timing & { countCalls?: boolean }} timing
 * @returns {Promise<Trial[]>} in the order of the consumers
 */
export async function runTrial(row, consumers, programs, { countCalls = false, prelude, turn, turns }) {
  const [consumerProcessor, trafficProcessor] = processors();
  const running = consumers.map((consumer, lane) =>
    start(consumerProcessor, commandOf(row, consumer, lane, programs, countCalls)),
  );
  try {
    const buffers = await Promise.all(running.map((each) => each.next()));
    const receiveBuffer = Math.min(...buffers.map((each) => each.receiveBuffer));
    const sending = start(trafficProcessor, [
      programs.traffic,
      ...trafficOf(row, receiveBuffer),
      `prelude=${prelude}`,
      `turn=${turn}`,
      `turns=${turns * row.weight}`,
      ...running.map(
        ({ pid }, lane) =>
          `lane=${laneOf(lane).port}:${pid}:${windowOf(row, consumers[lane], receiveBuffer)}:${consumers[lane]?.held ?? 0}`,
      ),
    ]);
    // A consumer that fails would leave the sender waiting.
    const failed = Promise.race(running.map((each) => each.failed)).then((error) => {
      sending.kill();
      throw error;
    });
    // Whoever fails when all is counted is nobody's business.
    failed.catch(() => {});
    const trials = [];
    for (const each of running) {
      const counts = await Promise.race([sending.next(), failed]);
      const reading = await each.next();
      check(row, reading, counts);
      trials.push({ reading, counts });
    }
    return trials;
  } finally {
    await Promise.all(running.map((each) => each.end()));
  }
}

/**
 * The consumer's processor and the traffic's: two of those that this process may use, or one twice.
 *
 * @returns {[number, number]}
 */
export function processors() {
  const [, list = "0"] = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const numbers = list.split(",").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  const last = numbers.at(-1) ?? 0;
  return [last, availableParallelism() > 1 ? (numbers.at(-2) ?? last) : last];
}

/**
 * @param {Row} row
 * @param {Consumer} consumer
 * @param {number} lane
 * @param {Programs} programs
 * @param {boolean} countCalls
 */
function commandOf(
  { gso, payload, queues, work },
  { way, coalesce, conntrack, frames, transport },
  lane,
  programs,
  countCalls,
) {
  const { queue } = laneOf(lane);
  if (way === "classic" || way === "gathered" || way === "batch")
    return [programs.consumer, way, work, `${queue}`, `${queues}`, gso ? "1" : "0", `${payload}`];
  /** @type {import("./consumer.mjs").ConsumerOptions} */
  const options = { way, work, queue, queues, gso, payload, coalesce, countCalls };
  if (frames !== undefined) options.frames = frames;
  if (conntrack !== undefined) options.conntrack = conntrack;
  if (transport !== undefined) options.transport = transport;
  return [
    process.execPath,
    fileURLToPath(new URL("./consumer.mjs", import.meta.url)),
    JSON.stringify(options),
  ];
}

/**
 * @param {Row} row
 * @param {number} receiveBuffer the smallest of the consumers'
 */
function trafficOf({ gso, kind, load, queues, segmented, size, work }, receiveBuffer) {
  // The receive buffer is what bounds TCP: all that is under way must fit into the consumer's.
  if (kind === "tcp") return ["tcp", `window=${Math.round(receiveBuffer / 8)}`];
  const segments = kind === "latency" ? 1 : Math.min(MOST_IN_A_SEND, Math.floor(LARGEST_SEND / size));
  const room = Math.floor(receiveBuffer / (size + OVERHEAD));
  return [
    kind,
    `size=${size}`,
    `segments=${Math.min(segments, Math.max(1, room >> 1))}`,
    `flows=${queues === 1 ? 1 : 8}`,
    `half=${work === "drop-half" ? 1 : 0}`,
    `grouped=${segmented && gso ? 1 : 0}`,
    `load=${Math.round(load * 100)}`,
  ];
}

/**
 * How many datagrams may wait for a consumer.
 *
 * @param {Row} row
 * @param {Consumer | undefined} consumer
 * @param {number} receiveBuffer
 */
function windowOf({ gso, kind, segmented, size }, consumer, receiveBuffer) {
  const short = kind === "latency" || consumer?.way === "npm";
  const most = segmented && gso ? WINDOW_OF_SEGMENTS : short ? SHORT_WINDOW : WINDOW;
  return Math.min(most, Math.floor(receiveBuffer / (size + OVERHEAD)));
}

/**
 * Throws where what the consumer handled is not what was sent and what came back.
 *
 * @param {Row} row
 * @param {Reading} reading
 * @param {Counts} counts
 */
export function check({ gso, kind, payload, segmented, work }, reading, counts) {
  const carried = reading.bytes - reading.packets * payload;
  /** @type {[string, number, number][]} */
  const pairs = [];
  if (kind === "tcp") {
    // What was lost and sent again was handled twice.
    if (carried < counts.bytes) pairs.push(["bytes of payload", carried, counts.bytes]);
  } else {
    const { back = 0, digest = 0, rewritten = 0, sent = 0 } = counts;
    pairs.push(["bytes of payload", carried, counts.bytes], ["datagrams back", back, sent - reading.dropped]);
    if (!(segmented && gso)) pairs.push(["packets", reading.packets, sent]);
    if (work === "inspect" && kind !== "latency")
      pairs.push(["sum of what was read", reading.digest, digest]);
    if (work === "drop-half") pairs.push(["packets dropped", reading.dropped, Math.floor(sent / 2)]);
    if (work === "rewrite") pairs.push(["packets rewritten", rewritten, sent]);
  }
  for (const [what, handled, expected] of pairs) {
    if (handled !== expected)
      throw new Error(`${what}: the consumer's count says ${handled}, the traffic's ${expected}`);
  }
}

/**
 * Starts a program that prints JSON values, one a line, on a processor.
 *
 * @param {number} processor
 * @param {readonly string[]} command
 */
function start(processor, command) {
  const child = spawn("taskset", ["-c", `${processor}`, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT,
    killSignal: "SIGKILL",
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    complaint += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = once(child, "close");
  /** @returns {Error} */
  const failure = () => new Error(`${command.slice(0, 3).join(" ")} failed: ${complaint.trim()}`);
  /** @type {Promise<Error>} */
  const failed = new Promise((resolve) => {
    child.once("error", resolve);
    child.once("close", (code, signal) => {
      if (code !== 0 && signal !== "SIGTERM") resolve(failure());
    });
  });
  return {
    failed,
    pid: child.pid,
    kill: () => child.kill("SIGKILL"),
    /** The next value. */
    async next() {
      const { value, done } = await Promise.race([
        lines.next(),
        failed.then((error) => {
          throw error;
        }),
      ]);
      if (done !== true) return JSON.parse(value);
      await closed;
      throw failure();
    },
    /** Ends the program, which may have ended. */
    async end() {
      const late = setTimeout(() => child.kill("SIGTERM"), 3000);
      await closed;
      clearTimeout(late);
    },
  };
}
