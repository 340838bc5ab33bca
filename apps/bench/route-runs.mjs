// Times every way of listing the routes, in turn, each in a process of its own, and prints JSON.
// Usage: node route-runs.mjs RUNS [PROGRAM IN C]
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Program } from "./c-programs.mjs";
import { CONSUMERS } from "./route-consumers.mjs";

/** Listings of which each takes the median, every time that it has its turn. */
const LISTINGS = 5;
/** The first runs are the compiler's. */
const WARM_UPS = 2;

const runs = Number(process.argv[2] ?? 5);
const path = process.argv[3];

/** @type {{ name: string, list: () => Promise<{ routes: number, nanoseconds: number }> }[]} */
const consumers = [];
/** @type {import("node:child_process").ChildProcess[]} */
const children = [];
for (const name of Object.keys(CONSUMERS)) {
  const child = fork(fileURLToPath(new URL("./route-consumer.mjs", import.meta.url)), [
    name,
    String(LISTINGS),
  ]);
  const [{ ready }] = await once(child, "message");
  if (!ready) continue;
  children.push(child);
  const list = async () => {
    child.send("list");
    const [answer] = await once(child, "message");
    return answer;
  };
  consumers.push({ name, list });
}
if (path !== undefined) consumers.push({ name: "c", list: () => new Program(path).run(LISTINGS) });

/** @type {{ routes: Record<string, number>, milliseconds: Record<string, number[]> }} */
const result = { routes: {}, milliseconds: {} };
for (let run = -WARM_UPS; run < runs; run++) {
  // Who goes first changes from run to run.
  for (let place = 0; place < consumers.length; place++) {
    const consumer = consumers[(place + run + WARM_UPS) % consumers.length];
    if (consumer === undefined) continue;
    const { routes, nanoseconds } = await consumer.list();
    result.routes[consumer.name] = routes;
    if (run < 0) continue;
    result.milliseconds[consumer.name] ??= [];
    result.milliseconds[consumer.name]?.push(nanoseconds / 1e6);
  }
  if (run >= 0) console.error(`listing, run ${run + 1} of ${runs}`);
}
for (const child of children) child.disconnect();
process.stdout.write(JSON.stringify(result));
