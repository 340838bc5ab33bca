// The runs: consumers take turns, round by round, so that what else the machine does meets all of them alike.
import { setSegmentation, withRules } from "./network.mjs";
import { runTrial } from "./trial.mjs";

/**
 * @typedef {import("./rows.mjs").Consumer} Consumer
 * @typedef {import("./rows.mjs").Row} Row
 * @typedef {import("./trial.mjs").Programs} Programs
 * @typedef {import("./trial.mjs").Trial} Trial
 * @typedef {import("./trial.mjs").Timing & { rounds: number, countCalls: boolean }} Plan how many runs, and whether one more counts system calls
 *
 * @typedef {object} Result of one consumer in one row; medians over its runs
 * @property {string} workload
 * @property {string} work
 * @property {string} consumer
 * @property {boolean} gso
 * @property {boolean} coalesce
 * @property {number} [frames]
 * @property {true} [conntrack]
 * @property {"user-ring" | "kernel-ring"} [transport]
 * @property {number} held
 * @property {number} queues
 * @property {number} packetsPerSecond packets as the consumer gets them: one with many segments counts once
 * @property {number} bitsPerSecond bits of payload that were handled
 * @property {{ user: number, system: number }} cpuNsPerPacket the consumer's
 * @property {{ lowest: number, highest: number }} spread of the packets per second
 * @property {number} busy part of its processor's time that the consumer took: where it is below 1 the sender or the machine was slower
 * @property {number[]} runs packets per second, run by run: the same place is the same round for every consumer of the row
 * @property {number[]} cpuRuns nanoseconds of processor time per packet, run by run
 * @property {number} [syscallsPerPacket] counted in a run of their own
 * @property {number} [bytesAllocatedPerPacket]
 * @property {number} [gcNsPerPacket]
 * @property {{ p50: number, p99: number }} [latency] microseconds
 */

/**
 * @param {readonly Row[]} rows
 * @param {Programs} programs
 * @param {Plan & { onProgress?: (text: string) => void }} options
 * @returns {Promise<Result[]>}
 */
export async function measurePackets(rows, programs, options) {
  const results = [];
  for (const [number, row] of rows.entries()) {
    options.onProgress?.(
      `${row.workload}, ${row.work}, GSO ${row.gso ? "on" : "off"} (${number + 1} of ${rows.length})`,
    );
    await setSegmentation(row.segmented);
    results.push(...(await withRules(row.queues, () => measureRow(row, programs, options))));
  }
  return results;
}

/**
 * @param {Row} row
 * @param {Programs} programs
 * @param {Plan & { onProgress?: (text: string) => void }} options
 */
async function measureRow(row, programs, { countCalls, rounds, prelude, warm, measure, onProgress }) {
  const { consumers } = row;
  /** @type {Map<Consumer, Trial[]>} */
  const trials = new Map(consumers.map((consumer) => [consumer, []]));
  const rates = new Map(await ratesOf(row, programs, { prelude, warm, measure: warm }));
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < consumers.length; place++) {
      // Who goes first changes from round to round.
      const consumer = consumers[(place + round) % consumers.length];
      if (consumer === undefined) continue;
      const rate = rates.get(consumer);
      const timing = { prelude, warm, measure, ...(rate === undefined ? {} : { rate }) };
      const trial = await runTrial(row, consumer, programs, timing);
      trials.get(consumer)?.push(trial);
    }
    onProgress?.(`  round ${round + 1} of ${rounds}`);
  }
  const results = [];
  for (const [consumer, own] of trials) {
    const result = summarize(row, consumer, own);
    results.push(result);
    if (!countCalls) continue;
    const { reading } = await runTrial(
      { ...row, kind: row.kind === "latency" ? "udp" : row.kind },
      consumer,
      programs,
      { prelude, warm, measure: warm, countCalls: true },
    );
    if (reading.syscalls !== undefined) result.syscallsPerPacket = reading.syscalls / reading.packets;
  }
  return results;
}

/**
 * What a consumer is to be loaded with: a part of what it can do.
 *
 * @param {Row} row
 * @param {Programs} programs
 * @param {import("./trial.mjs").Timing} timing
 * @returns {Promise<[Consumer, number][]>}
 */
async function ratesOf(row, programs, timing) {
  if (row.load === 0) return [];
  /** @type {[Consumer, number][]} */
  const rates = [];
  for (const consumer of row.consumers) {
    const { counts, reading } = await runTrial({ ...row, kind: "udp" }, consumer, programs, timing);
    rates.push([consumer, Math.round((row.load * reading.packets) / counts.seconds)]);
  }
  return rates;
}

/**
 * @param {Row} row
 * @param {Consumer} consumer
 * @param {readonly Trial[]} trials
 * @returns {Result}
 */
function summarize({ gso, held, kind, queues, work, workload }, consumer, trials) {
  const middle = (/** @type {(trial: Trial) => number} */ figure) => median(trials.map(figure));
  const runs = trials.map(({ counts, reading }) => reading.packets / counts.seconds);
  /** @type {Result} */
  const result = {
    workload,
    work,
    consumer: consumer.name,
    gso,
    coalesce: consumer.coalesce,
    held,
    queues,
    packetsPerSecond: median(runs),
    bitsPerSecond: middle(({ counts }) => (counts.bytes * 8) / counts.seconds),
    cpuNsPerPacket: {
      user: middle(({ reading }) => (reading.user * 1e9) / reading.packets),
      system: middle(({ reading }) => (reading.system * 1e9) / reading.packets),
    },
    spread: { lowest: Math.min(...runs), highest: Math.max(...runs) },
    busy: middle(({ counts, reading }) => (reading.user + reading.system) / counts.seconds),
    runs,
    cpuRuns: trials.map(({ reading }) => ((reading.user + reading.system) * 1e9) / reading.packets),
  };
  const { conntrack, frames, transport } = consumer;
  if (frames !== undefined) result.frames = frames;
  if (conntrack !== undefined) result.conntrack = conntrack;
  if (transport !== undefined) result.transport = transport;
  if (trials.every(({ reading }) => reading.allocatedBytes !== undefined)) {
    result.bytesAllocatedPerPacket = middle(({ reading }) => (reading.allocatedBytes ?? 0) / reading.packets);
    result.gcNsPerPacket = middle(({ reading }) => ((reading.gcSeconds ?? 0) * 1e9) / reading.packets);
  }
  if (kind === "latency")
    result.latency = {
      p50: middle(({ counts }) => counts.p50 ?? 0),
      p99: middle(({ counts }) => counts.p99 ?? 0),
    };
  return result;
}

/**
 * The middle figure, or the mean of the two in the middle.
 *
 * @param {readonly number[]} figures
 */
export function median(figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 0 ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper;
}
