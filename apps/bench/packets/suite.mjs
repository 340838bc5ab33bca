// The runs: the consumers of a row are there at once and take turns, so that what else the machine does meets all of them alike.
import { setSegmentation, withRules } from "./network.mjs";
import { runTrial } from "./trial.mjs";

/**
 * @typedef {import("./rows.mjs").Consumer} Consumer
 * @typedef {import("./rows.mjs").Row} Row
 * @typedef {import("./trial.mjs").Programs} Programs
 * @typedef {import("./trial.mjs").Trial} Trial
 * @typedef {import("./trial.mjs").Timing & { rounds: number, countCalls: boolean }} Plan how often all of it is done with new processes, and
 * whether it is done once more to count system calls
 *
 * @typedef {object} Result of one consumer in one row; medians over its turns
 * @property {string} workload
 * @property {string} work
 * @property {string} consumer
 * @property {boolean} gso
 * @property {boolean} coalesce
 * @property {number} [frames]
 * @property {true} [conntrack]
 * @property {"user-ring" | "kernel-ring"} [transport]
 * @property {number} [held]
 * @property {number} queues
 * @property {number} packetsPerSecond packets as the consumer gets them: one with many segments counts once
 * @property {number} bitsPerSecond bits of payload that were handled
 * @property {{ user: number, system: number }} cpuNsPerPacket the consumer's
 * @property {{ lowest: number, highest: number }} spread of the packets per second
 * @property {number} busy part of its processor's time that the consumer took: where it is below 1 the sender or the machine was slower
 * @property {number[]} runs packets per second, turn by turn: the same place is the same turn of every consumer of the row
 * @property {number[]} cpuRuns nanoseconds of processor time per packet, of all turns of a round
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
    results.push(
      ...(await withRules(row.consumers.length, row.queues, () => measureRow(row, programs, options))),
    );
  }
  return results;
}

/**
 * @param {Row} row
 * @param {Programs} programs
 * @param {Plan} plan
 */
async function measureRow(row, programs, { countCalls, rounds, ...timing }) {
  const { consumers } = row;
  /** @type {Trial[][]} */
  const trials = [];
  for (let round = 0; round < rounds; round++) trials.push(await runTrial(row, consumers, programs, timing));
  const results = consumers.map((consumer, lane) =>
    summarize(
      row,
      consumer,
      trials.flatMap((round) => round[lane] ?? []),
    ),
  );
  // What runs in an event loop is counted in a run of its own, since counting costs a little; those of npm cannot be counted.
  const counted = consumers.filter(({ way }) => way === "run" || way === "iterate");
  if (!countCalls || row.kind === "latency" || counted.length === 0) return results;
  const readings = await runTrial(row, counted, programs, { ...timing, turns: 1, countCalls: true });
  for (const [place, { reading }] of readings.entries()) {
    const result = results[consumers.indexOf(/** @type {Consumer} */ (counted[place]))];
    if (result !== undefined) result.syscallsPerPacket = callsOf(reading);
  }
  return results;
}

/**
 * @param {Row} row
 * @param {Consumer} consumer
 * @param {readonly Trial[]} trials
 * @returns {Result}
 */
function summarize({ gso, kind, queues, work, workload }, consumer, trials) {
  const middle = (/** @type {(trial: Trial) => number} */ figure) => median(trials.map(figure));
  // Only all turns together say how many packets carried the bytes.
  const runs = trials.flatMap(({ counts, reading }) =>
    counts.turns.map(({ bytes, seconds }) => (bytes / counts.bytes) * (reading.packets / seconds)),
  );
  /** @type {Result} */
  const result = {
    workload,
    work,
    consumer: consumer.name,
    gso,
    coalesce: consumer.coalesce,
    queues,
    packetsPerSecond: median(runs),
    bitsPerSecond:
      median(trials.flatMap(({ counts }) => counts.turns.map(({ bytes, seconds }) => bytes / seconds))) * 8,
    cpuNsPerPacket: {
      user: middle(({ reading }) => (reading.user * 1e9) / reading.packets),
      system: middle(({ reading }) => (reading.system * 1e9) / reading.packets),
    },
    spread: { lowest: Math.min(...runs), highest: Math.max(...runs) },
    busy: median(runs) * middle(({ reading }) => (reading.user + reading.system) / reading.packets),
    runs,
    cpuRuns: trials.map(({ reading }) => ((reading.user + reading.system) * 1e9) / reading.packets),
  };
  const { conntrack, frames, held, transport } = consumer;
  if (frames !== undefined) result.frames = frames;
  if (held !== undefined) result.held = held;
  if (conntrack !== undefined) result.conntrack = conntrack;
  if (transport !== undefined) result.transport = transport;
  if (trials.every(({ reading }) => reading.allocatedBytes !== undefined)) {
    result.bytesAllocatedPerPacket = middle(({ reading }) => (reading.allocatedBytes ?? 0) / reading.packets);
    result.gcNsPerPacket = middle(({ reading }) => ((reading.gcSeconds ?? 0) * 1e9) / reading.packets);
  }
  if (trials.every(({ reading }) => reading.syscalls !== undefined))
    result.syscallsPerPacket = middle(({ reading }) => callsOf(reading));
  if (kind === "latency")
    result.latency = {
      p50: middle(({ counts }) => counts.p50 ?? 0),
      p99: middle(({ counts }) => counts.p99 ?? 0),
    };
  return result;
}

/** @param {import("./meter.mjs").Reading} reading */
function callsOf({ packets, syscalls = 0 }) {
  return syscalls / packets;
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
