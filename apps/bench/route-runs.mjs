// Times every way of listing the routes, in turn, and prints JSON. A process of its own, with --expose-gc: what one leaves on the heap is
// cleared away before the next is timed. Usage: node --expose-gc route-runs.mjs RUNS [PROGRAM IN C]
import { Program } from "./c-programs.mjs";
import { collecting, ipProgram, iterating, npmNetlink } from "./route-consumers.mjs";

/** Dumps of which the program in C takes the median, each time. */
const DUMPS_IN_C = 5;

const runs = Number(process.argv[2] ?? 5);
const path = process.argv[3];

const consumers = Object.entries({
  collected: await collecting(),
  iterated: await iterating(),
  npm: await npmNetlink(),
  ip: await ipProgram(),
});

/** @type {{ routes: Record<string, number>, milliseconds: Record<string, number[]> }} */
const result = { routes: {}, milliseconds: {} };
// The first runs are the compiler's.
for (let run = -2; run < runs; run++) {
  // Who goes first changes from run to run.
  for (let place = 0; place < consumers.length; place++) {
    const [name, consumer] = consumers[(place + run + consumers.length) % consumers.length] ?? [];
    if (name === undefined || consumer === undefined) continue;
    global.gc?.();
    const started = process.hrtime.bigint();
    const routes = await consumer.list();
    note(run, name, routes, Number(process.hrtime.bigint() - started));
  }
  if (path !== undefined) {
    const { routes, nanoseconds } = await new Program(path).run(DUMPS_IN_C);
    note(run, "c", routes, nanoseconds);
  }
  if (run >= 0) console.error(`listing, run ${run + 1} of ${runs}`);
}
for (const [, consumer] of consumers) await consumer?.close();
process.stdout.write(JSON.stringify(result));

/**
 * @param {number} run
 * @param {string} name
 * @param {number} routes
 * @param {number} nanoseconds
 */
function note(run, name, routes, nanoseconds) {
  result.routes[name] = routes;
  if (run < 0) return;
  result.milliseconds[name] ??= [];
  result.milliseconds[name].push(nanoseconds / 1e6);
}
