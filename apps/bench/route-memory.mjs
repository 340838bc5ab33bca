// How far the resident memory of a process grows, at its peak, while it iterates over all routes. Prints JSON. A process of its own, since a
// peak is one of everything that a process ever did.
import { readFileSync, writeFileSync } from "node:fs";
import { iterating } from "./route-consumers.mjs";

/** @param {string} name */
function kibibytes(name) {
  const [, figure] =
    new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(figure);
}

const consumer = await iterating();
// proc(5): 5 sets the peak back to what is resident now.
writeFileSync("/proc/self/clear_refs", "5");
const before = kibibytes("VmRSS");
const routes = await consumer.list();
const growth = kibibytes("VmHWM") - before;
await consumer.close();
process.stdout.write(JSON.stringify({ routes, growth: growth * 1024 }));
