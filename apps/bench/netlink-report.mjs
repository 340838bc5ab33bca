// The figures of dumps and of requests as small tables. By itself, in a network namespace of its own: node netlink-report.mjs [--quick]
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { measureAcknowledgements } from "./acknowledgements.mjs";
import { withPrograms } from "./c-programs.mjs";
import { printHeading, printRow, ratios } from "./figures.mjs";
import { bringLoopbackUp } from "./loopback.mjs";
import { addRoutes } from "./routes.mjs";

const ROUTES = 100_000;

/** @typedef {import("./c-programs.mjs").Program} Program */

/**
 * The loopback interface must be up.
 *
 * @param {boolean} quick
 */
export async function printNetlink(quick) {
  await withPrograms(["route-dump", "acknowledge"], async (routeDump, acknowledge) => {
    if (routeDump === undefined) console.log("no C compiler (cc): the comparisons with C are left out");
    await printAcknowledgements(quick, acknowledge);
    await addRoutes(ROUTES, (added) => console.log(`${added} of ${ROUTES} routes added`));
    await printListings(quick, routeDump);
    await printMemory();
  });
}

/**
 * @param {boolean} quick
 * @param {Program | undefined} program
 */
async function printAcknowledgements(quick, program) {
  const result = await measureAcknowledgements(program, {
    runs: quick ? 9 : 31,
    onRun: (done, runs) => console.log(`requests, run ${done} of ${runs}`),
  });
  printHeading("a request and its ACK, nanoseconds");
  printRow("request(), one after another", result.single, 0);
  printRow("request([64])", result.together, 0);
  printRow("64 request() at once", result.concurrent, 0);
  if (program === undefined) return;
  printRow("C, send and recv", result.singleInC, 0);
  printRow("C, send of 64 and 64 recv", result.togetherInC, 0);
  printRow("C, send of 64 and recvmmsg", result.gatheredInC, 0);
  printRow("ratio: one after another to C", ratios(result.single, result.singleInC));
  printRow("ratio: request([64]) to C's 64 recv", ratios(result.together, result.togetherInC));
  printRow("ratio: 64 request() to C's 64 recv", ratios(result.concurrent, result.togetherInC));
  printRow("ratio: request([64]) to C's recvmmsg", ratios(result.together, result.gatheredInC));
}

/**
 * @param {boolean} quick
 * @param {Program | undefined} program
 */
async function printListings(quick, program) {
  const argv = [local("route-runs.mjs"), quick ? "5" : "21"];
  if (program !== undefined) argv.push(program.path);
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await Promise.all([child.stdout.setEncoding("utf8").toArray(), once(child, "close")]);
  const { routes, milliseconds } = JSON.parse(text.join(""));
  const { collected, iterated, npm, ip, c } = milliseconds;
  const counts = new Set(Object.values(routes));
  if (counts.size !== 1) throw new Error(`not all listed the same routes: ${JSON.stringify(routes)}`);
  printHeading(`${[...counts]} IPv4 routes, milliseconds`);
  printRow("dump(), all()", collected);
  printRow("dump(), for await", iterated);
  if (npm === undefined) console.log("  the npm package netlink is not installed: left out");
  else printRow("npm netlink 0.3.0, getRoutes", npm);
  if (ip === undefined) console.log("  the program ip (iproute2) is not installed: left out");
  else printRow("ip -json route show, JSON.parse", ip);
  if (c !== undefined) printRow("C, received only", c);
  if (npm !== undefined) {
    printRow("ratio: npm netlink to all()", ratios(npm, collected));
    printRow("ratio: npm netlink to for await", ratios(npm, iterated));
  }
  if (ip !== undefined) printRow("ratio: ip to all()", ratios(ip, collected));
  if (c !== undefined) printRow("ratio: all() to C", ratios(collected, c));
  if (c !== undefined) printRow("ratio: for await to C", ratios(iterated, c));
}

async function printMemory() {
  const { stdout } = await promisify(execFile)(process.execPath, [local("route-memory.mjs")]);
  const { growth } = JSON.parse(stdout);
  console.log(`peak growth of resident memory, for await: ${(growth / (1 << 20)).toFixed(1)} MiB\n`);
}

/** @param {string} name */
function local(name) {
  return fileURLToPath(new URL(`./${name}`, import.meta.url));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await bringLoopbackUp();
  await printNetlink(process.argv.includes("--quick"));
}
