// Packets through NFQUEUE, consumer by consumer: measured, checked, printed and written.
// By itself, in a network namespace of its own: node packets/packets-report.mjs [--quick] [--json FILE] [--charts FOLDER] [--only TEXT] [--rounds N]
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { withPrograms } from "../c-programs.mjs";
import { availableConsumers } from "./availability.mjs";
import { originOf } from "./machine.mjs";
import { MOST_QUEUES } from "./network.mjs";
import { withQuotes } from "./quotes.mjs";
import { printRatios, printResults, ratiosOf } from "./report.mjs";
import { checkRows, fullRows, quickRows, rowsWith } from "./rows.mjs";
import { measurePackets } from "./suite.mjs";
import { processors } from "./trial.mjs";

const CHECK = { rounds: 1, prelude: 100, turns: 1, turn: 10, countCalls: false };
const QUICK = { rounds: 1, prelude: 40_000, turns: 8, turn: 80, countCalls: true };
const FULL = { rounds: 1, prelude: 60_000, turns: 12, turn: 70, countCalls: true };

/** @param {readonly string[]} argv */
export function packetOptions(argv) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      note: { type: "string" },
      packets: { type: "boolean", default: false },
      json: { type: "string" },
      charts: { type: "string" },
      only: { type: "string" },
      rounds: { type: "string" },
      from: { type: "string" },
      quote: { type: "string", multiple: true },
    },
  });
  return values;
}

/** @param {ReturnType<typeof packetOptions>} options */
export async function reportPackets(options) {
  const file =
    options.from === undefined ? await measure(options) : JSON.parse(readFileSync(options.from, "utf8"));
  if (options.note !== undefined) file.note = options.note;
  printResults(file.results);
  if (!options.check) printRatios(file.ratios);
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(file, undefined, 1)}\n`);
  }
  if (options.charts !== undefined) {
    // Drawn where asked for: the library that draws takes a while to load.
    const { writeCharts } = await import("./charts.mjs");
    for (const chart of writeCharts(file, options.charts)) console.log(`wrote ${chart}`);
  }
  for (const text of options.quote ?? []) writeFileSync(text, withQuotes(readFileSync(text, "utf8"), file));
  return file;
}

/** @param {ReturnType<typeof packetOptions>} options */
async function measure({ check, only, quick, rounds }) {
  const [one, other] = processors();
  if (one === other)
    console.log("one processor for both: the figures are those of a sender and a consumer that take turns");
  return withPrograms(["packets/traffic", "packets/consumer"], async (traffic, consumer) => {
    if (traffic === undefined || consumer === undefined)
      throw new Error(
        "the sender of the benchmark is written in C: install a C compiler (cc), and try again",
      );
    const wanted = (check ? checkRows() : quick ? quickRows() : fullRows()).filter(
      ({ queues, workload }) => queues <= MOST_QUEUES && workload.includes(only ?? ""),
    );
    const available = await availableConsumers(wanted);
    const rows = rowsWith(wanted, (each) => available.has(each));
    const timing = check ? CHECK : quick ? QUICK : FULL;
    const results = await measurePackets(
      rows,
      { traffic: traffic.path, consumer: consumer.path },
      {
        ...timing,
        rounds: Number(rounds ?? timing.rounds),
        onProgress: (text) => console.log(text),
      },
    );
    return { ...originOf(), results, ratios: ratiosOf(results) };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await reportPackets(packetOptions(process.argv.slice(2)));
