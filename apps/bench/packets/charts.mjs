// The results as SVG: bandwidth by packet size, packets per second by consumer, and latency.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { barX, dot, frame, gridX, gridY, lineY, plot, ruleX, ruleY, text } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { isPlain, labelOf } from "./report.mjs";

/**
 * @typedef {import("./suite.mjs").Result} Result
 * @typedef {import("./machine.mjs").Origin} Origin
 * @typedef {Origin & { results: Result[] }} ResultFile
 */

const WIDTH = 860;
const INK = "#1f2328";
/** Ours, regular socket I/O from JavaScript, and C. */
const COLOURS = new Map([
  ["nlring-run", "#0969da"],
  ["nlring-run, coalesce off", "#54aeff"],
  ["nlring-iterate", "#0a3069"],
  ["nlring-socket", "#bf8700"],
  ["npm-nfqueue", "#cf222e"],
  ["c-classic", "#6e7781"],
  ["c-gathered", "#424a53"],
  ["c-batch", "#8c959f"],
]);

/**
 * Writes the charts that the results have figures for; returns the files' names.
 *
 * @param {ResultFile} file
 * @param {string} folder
 */
export function writeCharts(file, folder) {
  mkdirSync(folder, { recursive: true });
  const written = [];
  for (const [name, draw] of Object.entries({
    "bandwidth-by-size": drawBandwidth,
    "packets-by-consumer": drawPackets,
    latency: drawLatency,
  })) {
    const svg = draw(file);
    if (svg === undefined) continue;
    const target = join(folder, `${name}.svg`);
    writeFileSync(target, `${svg}\n`);
    written.push(target);
  }
  return written;
}

/**
 * Results of plain consumers: none of a lever that is a row of its own.
 *
 * @param {ResultFile} file
 */
function plainResults({ results }) {
  return results.filter((result) => isPlain(result) && result.queues === 1 && result.work === "inspect");
}

/** @param {ResultFile} file */
function drawBandwidth(file) {
  const points = plainResults(file)
    .filter(({ gso, workload }) => !gso && /^udp-\d+$/.test(workload))
    .map((result) => ({
      consumer: labelOf(result),
      size: Number(result.workload.slice("udp-".length)),
      bandwidth: result.bitsPerSecond / 1e9,
    }))
    .toSorted((a, b) => a.size - b.size);
  if (points.length === 0) return undefined;
  const largest = Math.max(...points.map(({ size }) => size));
  const ends = spaced(points.filter(({ size }) => size === largest));
  const channels = { x: "size", y: "bandwidth", stroke: "consumer" };
  return draw(file, "Bandwidth by packet size: accept after reading 64 bytes, GSO off", {
    height: 460,
    marginRight: 170,
    x: { label: "bytes of UDP payload", ticks: [...new Set(points.map(({ size }) => size))] },
    y: { label: null, zero: true },
    marks: [
      gridY({ stroke: "#d0d7de", strokeOpacity: 1 }),
      text(["Gbit/s"], { frameAnchor: "top-left", dx: -30, dy: -18, fill: INK }),
      ruleY([0]),
      lineY(points, { ...channels, strokeWidth: 2 }),
      dot(points, { ...channels, fill: "consumer", r: 2.5 }),
      text(ends, {
        x: "size",
        y: "place",
        text: "consumer",
        fill: "consumer",
        textAnchor: "start",
        dx: 8,
      }),
    ],
  });
}

/**
 * Labels at the ends of the lines, moved apart where they would cover each other.
 *
 * @param {{ consumer: string, size: number, bandwidth: number }[]} points
 */
function spaced(points) {
  const sorted = points.toSorted((a, b) => a.bandwidth - b.bandwidth);
  const least = Math.max(...sorted.map(({ bandwidth }) => bandwidth)) / 26;
  let below = Number.NEGATIVE_INFINITY;
  return sorted.map((point) => {
    below = Math.max(point.bandwidth, below + least);
    return { ...point, place: below };
  });
}

/** @param {ResultFile} file */
function drawPackets(file) {
  const bars = plainResults(file)
    .filter(({ gso, workload }) => !gso && (workload === "udp-64" || workload === "udp-1400"))
    .map((result) => ({
      consumer: labelOf(result),
      workload: `${result.workload.slice("udp-".length)} bytes of payload`,
      packets: result.packetsPerSecond / 1000,
      ...result.spread,
    }));
  if (bars.length === 0) return undefined;
  return draw(file, "Packets per second: accept after reading 64 bytes, GSO off", {
    height: 480,
    marginLeft: 180,
    marginRight: 60,
    fy: { label: null, domain: [...new Set(bars.map(({ workload }) => workload))], axis: null },
    x: { label: "thousand packets/s", insetRight: 60 },
    y: { label: null, domain: COLOURS.keys() },
    marks: [
      gridX({ stroke: "#d0d7de", strokeOpacity: 1 }),
      barX(bars, { x: "packets", y: "consumer", fy: "workload", fill: "consumer" }),
      text(bars, {
        x: "packets",
        y: "consumer",
        fy: "workload",
        text: (/** @type {{ packets: number }} */ { packets }) => packets.toFixed(0),
        textAnchor: "start",
        dx: 5,
        fill: INK,
      }),
      text(bars, {
        fy: "workload",
        text: "workload",
        frameAnchor: "bottom-right",
        dy: -6,
        fontWeight: "bold",
        fill: INK,
        filter: (/** @type {unknown} */ _, /** @type {number} */ index) =>
          bars.findIndex(({ workload }) => workload === bars[index]?.workload) === index,
      }),
      ruleX([0]),
    ],
  });
}

/** @param {ResultFile} file */
function drawLatency(file) {
  const points = plainResults(file).flatMap((result) =>
    result.latency === undefined
      ? []
      : Object.entries(result.latency).map(([quantile, microseconds]) => ({
          consumer: labelOf(result),
          load: result.workload === "latency-low" ? "one packet at a time" : "70 % of what gets through",
          quantile,
          microseconds,
        })),
  );
  if (points.length === 0) return undefined;
  const channels = { x: "microseconds", y: "consumer", fy: "load", stroke: "consumer", strokeWidth: 2, r: 5 };
  return draw(file, "Latency of a 64-byte datagram through the queue (dot: p50, ring: p99)", {
    height: 380,
    marginLeft: 130,
    fy: { label: null, domain: [...new Set(points.map(({ load }) => load))], axis: null },
    x: { label: "microseconds", type: "log", inset: 10 },
    y: { label: null, domain: [...new Set(points.map(({ consumer }) => consumer))] },
    marks: [
      gridX({ stroke: "#d0d7de", strokeOpacity: 1 }),
      frame({ stroke: "#d0d7de" }),
      dot(points, {
        ...channels,
        fill: "consumer",
        filter: (/** @type {{ quantile: string }} */ { quantile }) => quantile === "p50",
      }),
      dot(points, {
        ...channels,
        fill: "white",
        filter: (/** @type {{ quantile: string }} */ { quantile }) => quantile === "p99",
      }),
      text(points, {
        fy: "load",
        text: "load",
        frameAnchor: "top-right",
        dx: -6,
        dy: 6,
        fontWeight: "bold",
        fill: INK,
        filter: (/** @type {unknown} */ _, /** @type {number} */ index) =>
          points.findIndex(({ load }) => load === points[index]?.load) === index,
      }),
    ],
  });
}

/**
 * @param {ResultFile} file
 * @param {string} title
 * @param {import("@observablehq/plot").PlotOptions} options
 */
function draw({ commit, date, kernel, machine, node, note }, title, options) {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const { height = 400, marks = [] } = options;
  const origin = `${machine}; ${kernel}; Node ${node}; commit ${commit.slice(0, 12)}; ${date}`;
  const svg = plot({
    ...options,
    document,
    width: WIDTH,
    height,
    marginTop: 60,
    marginBottom: 70,
    style: { background: "white", color: INK, fontFamily: "system-ui, sans-serif", fontSize: "13px" },
    color: { domain: [...COLOURS.keys()], range: [...COLOURS.values()] },
    marks,
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const label = (/** @type {string} */ words, /** @type {number} */ y, /** @type {string} */ style) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", "text");
    const place = { x: "12", y: `${y}`, fill: INK, "text-anchor": "start", style };
    for (const [name, value] of Object.entries(place)) element.setAttribute(name, value);
    element.textContent = words;
    svg.append(element);
  };
  label(title, 24, "font-size: 16px; font-weight: 600");
  label(origin, height - 10, "font-size: 11px");
  if (note !== undefined) label(note, 44, "font-size: 12px; font-style: italic");
  return svg.outerHTML;
}
