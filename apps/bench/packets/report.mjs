// Results as a table, and the ratios between consumers of one row, round by round.
import { median } from "./suite.mjs";

/**
 * @typedef {import("./suite.mjs").Result} Result
 *
 * @typedef {object} Ratio of two consumers' packets per second, round by round
 * @property {string} workload
 * @property {string} work
 * @property {boolean} gso
 * @property {string} consumer
 * @property {string} to
 * @property {number} median
 * @property {number} lowest
 * @property {number} highest
 * @property {number} processorTime the same of packets per second of the consumer's processor time, which other programs on the machine
 * disturb less; the median
 */

const NAME_WIDTH = 38;
/** From here on a consumer counts as the slowest part. */
const SATURATED = 0.9;
const RINGS = ["nlring-run", "nlring-iterate"];

/**
 * A consumer's name, with what is not as usual.
 *
 * @param {Result} result
 */
export function labelOf(result) {
  const remarks = remarksOf(result);
  if (result.queues > 1) remarks.push(`${result.queues} queues`);
  return [result.consumer, ...remarks].join(", ");
}

/** @param {import("./rows.mjs").Consumer} consumer */
export function labelOfConsumer(consumer) {
  return [consumer.name, ...remarksOf(consumer)].join(", ");
}

/** @param {Pick<Result, "coalesce" | "conntrack" | "frames" | "held" | "transport">} consumer */
function remarksOf({ coalesce, conntrack, frames, held, transport }) {
  const remarks = [];
  if (!coalesce) remarks.push("coalesce off");
  if (transport !== undefined) remarks.push(transport);
  if (conntrack === true) remarks.push("conntrack");
  if (frames !== undefined) remarks.push(`${frames} frames`);
  if (held !== undefined) remarks.push(`${held} held`);
  return remarks;
}

/** @param {readonly Result[]} results */
export function printResults(results) {
  let heading = "";
  for (const result of results) {
    const title = titleOf(result);
    if (title !== heading) printHeading(title, result.latency !== undefined);
    heading = title;
    console.log(lineOf(result));
  }
  if (results.some(({ busy, latency }) => latency === undefined && busy < SATURATED))
    console.log(
      "\nWhere busy is below 0.9 the sender, or something else on the machine, was slower than the consumer: compare the processor's time.",
    );
}

/** @param {Result} result */
function titleOf({ gso, work, workload }) {
  return `${workload}, ${work}, GSO ${gso ? "on" : "off"}`;
}

/**
 * @param {string} title
 * @param {boolean} isLatency
 */
function printHeading(title, isLatency) {
  const columns = isLatency
    ? "packets/s    p50 us    p99 us"
    : "packets/s    lowest   highest   Gbit/s  user ns   sys ns  busy  calls  bytes  GC ns";
  console.log(`\n${title.padEnd(NAME_WIDTH)}${columns}`);
}

/** @param {Result} result */
function lineOf(result) {
  const number = (/** @type {number | undefined} */ figure, /** @type {number} */ width, digits = 0) =>
    (figure === undefined ? "-" : figure.toFixed(digits)).padStart(width);
  const { cpuNsPerPacket, latency, spread } = result;
  const name = `  ${labelOf(result)}`.padEnd(NAME_WIDTH - 1) + number(result.packetsPerSecond, 10);
  if (latency !== undefined) return name + number(latency.p50, 10, 1) + number(latency.p99, 10, 1);
  return [
    name,
    number(spread.lowest, 10),
    number(spread.highest, 10),
    number(result.bitsPerSecond / 1e9, 9, 2),
    number(cpuNsPerPacket.user, 9),
    number(cpuNsPerPacket.system, 9),
    number(result.busy, 6, 2),
    number(result.syscallsPerPacket, 7, 3),
    number(result.bytesAllocatedPerPacket, 7),
    number(result.gcNsPerPacket, 7, 1),
  ].join("");
}

/**
 * What gains are quoted from: nlring's ways beside every other program in the same row, and regular socket I/O from JavaScript beside that in
 * C, which says whether it is written well enough to be compared with.
 *
 * @param {readonly Result[]} results
 * @returns {Ratio[]}
 */
export function ratiosOf(results) {
  const ratios = [];
  for (const result of results) {
    if (result.latency !== undefined) continue;
    for (const other of results) {
      if (titleOf(other) !== titleOf(result) || !areCompared(result, other)) continue;
      if (other.queues !== result.queues) continue;
      ratios.push(ratioOf(result, other));
    }
  }
  return ratios;
}

/**
 * True of a consumer as it is, with none of the levers that rows of their own measure.
 *
 * @param {Result} result
 */
export function isPlain({ conntrack, frames, held, transport }) {
  return frames === undefined && held === undefined && conntrack === undefined && transport === undefined;
}

/**
 * @param {Result} result
 * @param {Result} other
 */
function areCompared(result, other) {
  if (!isPlain(result) || !isPlain(other)) return false;
  if (result.consumer === "nlring-socket") return other.consumer === "c-classic";
  if (!RINGS.includes(result.consumer)) return false;
  return (
    !RINGS.includes(other.consumer) ||
    (result.consumer === "nlring-run" && result.coalesce && !other.coalesce)
  );
}

/**
 * @param {Result} result
 * @param {Result} other
 * @returns {Ratio}
 */
function ratioOf(result, other) {
  const pairs = pairwise(result.runs, other.runs);
  return {
    workload: result.workload,
    work: result.work,
    gso: result.gso,
    consumer: labelOf(result),
    to: labelOf(other),
    median: median(pairs),
    lowest: Math.min(...pairs),
    highest: Math.max(...pairs),
    processorTime: median(pairwise(other.cpuRuns, result.cpuRuns)),
  };
}

/**
 * @param {readonly number[]} figures
 * @param {readonly number[]} others
 */
function pairwise(figures, others) {
  return figures.map((figure, round) => figure / (others[round] ?? Number.NaN));
}

/** @param {readonly Ratio[]} ratios */
export function printRatios(ratios) {
  const heading = "times as many packets/s, round by round; and packets per second of processor time";
  console.log(`\n${heading.padEnd(86)}  median  lowest highest   processor`);
  for (const {
    consumer,
    gso,
    highest,
    lowest,
    median: middle,
    processorTime,
    to,
    work,
    workload,
  } of ratios) {
    const name = `  ${workload}, ${work}, GSO ${gso ? "on" : "off"}: ${consumer} / ${to}`.padEnd(86);
    const columns = [middle, lowest, highest].map((figure) => figure.toFixed(2).padStart(8)).join("");
    console.log(`${name}${columns}${processorTime.toFixed(2).padStart(12)}`);
  }
}
