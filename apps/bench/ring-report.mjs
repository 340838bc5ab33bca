// The figures of rings.mjs as a small table. By itself: node ring-report.mjs [--quick]
import { pathToFileURL } from "node:url";
import { printHeading, printRow, ratios } from "./figures.mjs";
import { measureCost, measureRings } from "./rings.mjs";

/** @param {boolean} quick */
export async function printRings(quick) {
  const cost = await measureCost(quick ? 15 : 51);
  const rings = await measureRings({ runs: quick ? 41 : 201 });
  const millions = (/** @type {number[]} */ figures) => figures.map((figure) => figure / 1e6);
  printHeading("64-byte messages, two threads, million/s");
  printRow("RxFiller to RxRing", millions(rings.ours));
  printRow("ringbuf.js", millions(rings.theirs));
  printRow("ratio, pair by pair", ratios(rings.ours, rings.theirs));
  printHeading("one frame in one thread, nanoseconds");
  printRow("RxRing next, length, release", cost.ring);
  printRow("Atomics.load and Atomics.store", cost.bare);
  printRow("ratio, round by round", ratios(cost.ring, cost.bare));
  console.log(`heap growth over a million frames: ${(cost.heapGrowth / 1024).toFixed(1)} KiB\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await printRings(process.argv.includes("--quick"));
