// The figures that README.md and docs quote, written between two comments from the committed results, so that no text says what was not measured:
//
//   <!-- bench:NAME --> … <!-- /bench -->
import { isPlain, labelOf, ratiosOf } from "./report.mjs";

/**
 * @typedef {import("./suite.mjs").Result} Result
 * @typedef {import("./machine.mjs").Origin} Origin
 * @typedef {Origin & { results: Result[] }} ResultFile
 */

const QUOTE = /(<!-- bench:([a-z-]+) -->\n)([\s\S]*?)(<!-- \/bench -->)/g;

/** @type {Record<string, (file: ResultFile) => string>} */
const QUOTES = { origin, packets, ratios, segmentation, latency, levers };

/**
 * The text with every quote as the results have it. Throws where it quotes what is not there.
 *
 * @param {string} text
 * @param {ResultFile} file
 */
export function withQuotes(text, file) {
  return text.replace(QUOTE, (_, begin, name, _old, end) => {
    const quote = QUOTES[name];
    if (quote === undefined)
      throw new Error(`no quote is named ${name}: there are ${Object.keys(QUOTES).join(", ")}`);
    return `${begin}\n${quote(file)}\n\n${end}`;
  });
}

/**
 * How many quotes a text has.
 *
 * @param {string} text
 */
export function quoteCount(text) {
  return [...text.matchAll(QUOTE)].length;
}

/** @param {ResultFile} file */
function origin({ commit, date, kernel, machine, node, note }) {
  const warning = note === undefined ? "" : `**${note}** `;
  return `${warning}Measured on ${machine}, ${kernel}, Node ${node}, at commit ${commit.slice(0, 12)} on ${date}.`;
}

/** @param {ResultFile} file */
function packets({ results }) {
  const rows = plain(results).filter(
    ({ gso, workload }) => !gso && (workload === "udp-64" || workload === "udp-1400"),
  );
  return table(
    [
      "consumer",
      "payload",
      "packets/s",
      "lowest to highest",
      "CPU per packet, user + system",
      "calls per packet",
    ],
    rows.map((result) => [
      labelOf(result),
      `${result.workload.slice("udp-".length)} bytes`,
      thousands(result.packetsPerSecond),
      `${thousands(result.spread.lowest)} to ${thousands(result.spread.highest)}`,
      `${result.cpuNsPerPacket.user.toFixed(0)} + ${result.cpuNsPerPacket.system.toFixed(0)} ns`,
      result.syscallsPerPacket?.toFixed(3) ?? "not counted",
    ]),
  );
}

/** @param {ResultFile} file */
function ratios({ results }) {
  const rows = ratiosOf(plain(results)).filter(
    ({ consumer, gso, workload }) =>
      !gso && consumer.startsWith("nlring-run") && (workload === "udp-64" || workload === "udp-1400"),
  );
  return table(
    ["payload", "consumer", "beside", "times as many packets/s", "per second of processor time"],
    rows.map((ratio) => [
      `${ratio.workload.slice("udp-".length)} bytes`,
      ratio.consumer,
      ratio.to,
      `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)} to ${ratio.highest.toFixed(2)})`,
      ratio.processorTime.toFixed(2),
    ]),
  );
}

/** @param {ResultFile} file */
function segmentation({ results }) {
  const rows = plain(results).filter(({ workload }) => workload === "tcp-bulk" || workload === "udp-segment");
  return table(
    ["workload", "GSO", "consumer", "Gbit/s"],
    rows.map((result) => [
      result.workload,
      result.gso ? "on" : "off",
      labelOf(result),
      (result.bitsPerSecond / 1e9).toFixed(2),
    ]),
  );
}

/** @param {ResultFile} file */
function latency({ results }) {
  return table(
    ["load", "consumer", "p50", "p99"],
    results.flatMap((result) =>
      result.latency === undefined
        ? []
        : [
            [
              result.workload === "latency-low" ? "one packet at a time" : "70 %",
              labelOf(result),
              `${result.latency.p50.toFixed(1)} µs`,
              `${result.latency.p99.toFixed(1)} µs`,
            ],
          ],
    ),
  );
}

/**
 * What is no comparison of consumers: other work, ring sizes, held packets, queues.
 *
 * @param {ResultFile} file
 */
function levers({ results }) {
  const rows = results.filter(
    (result) =>
      result.consumer === "nlring-run" &&
      (!isPlain(result) || result.queues > 1 || result.work !== "inspect"),
  );
  if (rows.length === 0)
    return "Not in this set: a full run has other work, ring sizes, held packets and queues.";
  return table(
    ["workload", "work", "consumer", "packets/s", "CPU per packet, user + system"],
    rows.map((result) => [
      result.workload,
      result.work,
      labelOf(result),
      thousands(result.packetsPerSecond),
      `${result.cpuNsPerPacket.user.toFixed(0)} + ${result.cpuNsPerPacket.system.toFixed(0)} ns`,
    ]),
  );
}

/** @param {readonly Result[]} results */
function plain(results) {
  return results.filter(
    (result) =>
      isPlain(result) && result.queues === 1 && result.work === "inspect" && result.latency === undefined,
  );
}

/** @param {number} figure */
function thousands(figure) {
  return `${(figure / 1000).toFixed(figure < 100_000 ? 1 : 0)}k`;
}

/**
 * A table with its columns aligned, as the formatter of the checkout has them.
 *
 * @param {string[]} heading
 * @param {string[][]} rows
 */
function table(heading, rows) {
  const widths = heading.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (/** @type {string[]} */ cells, filler = " ") =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(" | ")} |`;
  const rule = line(
    heading.map(() => ""),
    "-",
  );
  return [line(heading), rule, ...rows.map((row) => line(row))].join("\n");
}
