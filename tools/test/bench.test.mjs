// The benchmark of packets: a run of a second or so shows that its consumers do what they claim and what its file of results is made of. And
// README.md and docs say what the committed results say.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { quoteCount, withQuotes } from "../../apps/bench/packets/quotes.mjs";
import { checkRows } from "../../apps/bench/packets/rows.mjs";
import { check } from "../../apps/bench/packets/trial.mjs";
import { requireKernel } from "../kernel-requirement.ts";
import { sandbox } from "../sandbox.mjs";
import { root } from "../setup.mjs";
import { temporaryFolder } from "./checkout.mjs";

const BENCHMARKS = join(root, "docs", "benchmarks");
const RESULTS = join(BENCHMARKS, "packets.json");

const ORIGIN = {
  machine: expect.stringMatching(/^\d+ x .+ GiB$/),
  kernel: expect.stringMatching(/^Linux \d/),
  node: expect.stringMatching(/^v\d/),
  commit: expect.stringMatching(/^([0-9a-f]{40}\+?|unknown)$/),
  date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
};

/** Everything that a result has at least. */
const RESULT = {
  workload: expect.stringMatching(/^(udp-\d+|udp-segment|tcp-bulk|latency-\w+)$/),
  work: expect.stringMatching(/^(accept|inspect|drop-half|rewrite)$/),
  consumer: expect.stringMatching(/^(nlring-(run|iterate|socket)|npm-nfqueue|c-(classic|gathered|batch))$/),
  gso: expect.any(Boolean),
  coalesce: expect.any(Boolean),
  packetsPerSecond: expect.any(Number),
  bitsPerSecond: expect.any(Number),
  cpuNsPerPacket: { user: expect.any(Number), system: expect.any(Number) },
  spread: { lowest: expect.any(Number), highest: expect.any(Number) },
  runs: expect.any(Array),
};

function expectSchema(file) {
  expect(file).toMatchObject(ORIGIN);
  expect(file.results.length).toBeGreaterThan(0);
  for (const result of file.results) {
    expect(result).toMatchObject(RESULT);
    expect(result.runs.every((figure) => Number.isFinite(figure) && figure > 0)).toBe(true);
    expect(result.spread.lowest).toBeLessThanOrEqual(result.packetsPerSecond);
    expect(result.spread.highest).toBeGreaterThanOrEqual(result.packetsPerSecond);
  }
}

describe("a run of the benchmark", () => {
  const folder = temporaryFolder("bench");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("every consumer handles what was sent, at every work", async (context) => {
    const { command, args, reason } = sandbox();
    requireKernel(context, command !== undefined, String(reason));
    const json = join(folder, "check.json");
    const main = join(root, "apps", "bench", "main.mjs");
    await promisify(execFile)(command, [...args, process.execPath, main, "--check", "--json", json]);
    const file = JSON.parse(readFileSync(json, "utf8"));
    expectSchema(file);
    const claims = checkRows().flatMap(({ consumers, work }) =>
      consumers.map(({ coalesce, name }) => `${work}: ${name}, coalesce ${coalesce}`),
    );
    const done = file.results.map(
      ({ coalesce, consumer, work }) => `${work}: ${consumer}, coalesce ${coalesce}`,
    );
    // The npm package is where somebody installed it.
    const isOurs = (claim) => !claim.includes("npm-nfqueue");
    expect(done.filter(isOurs)).toEqual(claims.filter(isOurs));
  });
});

describe("counts of both ends", () => {
  const [row] = checkRows().filter(({ work, workload }) => workload === "udp-64" && work === "inspect");
  const reading = { packets: 10, bytes: 920, dropped: 0, digest: 7, seconds: 1, user: 0, system: 0 };
  const counts = { bytes: 640, seconds: 1, sent: 10, back: 10, rewritten: 0, digest: 7 };

  test("that agree are taken", () => {
    expect(() => check(row, reading, counts)).not.toThrow();
  });

  test.each([
    ["a packet that came back without the consumer", { packets: 9, bytes: 828 }, {}],
    ["a packet that did not come back", {}, { back: 9 }],
    ["bytes that were not those sent", { bytes: 921 }, {}],
    ["a payload that was not read", { digest: 6 }, {}],
    ["a drop that nobody asked for", { dropped: 1 }, {}],
  ])("are an error where they disagree: %s", (_, wrongReading, wrongCounts) => {
    expect(() => check(row, { ...reading, ...wrongReading }, { ...counts, ...wrongCounts })).toThrow(
      /the consumer's count says/,
    );
  });

  test("a packet that was not rewritten is an error", () => {
    const work = { ...row, work: "rewrite" };
    expect(() => check(work, reading, { ...counts, rewritten: 9 })).toThrow(/packets rewritten/);
    expect(() => check(work, reading, { ...counts, rewritten: 10 })).not.toThrow();
  });
});

describe("committed results", () => {
  test("have the schema", () => {
    const files = readdirSync(BENCHMARKS).filter((name) => name.endsWith(".json"));
    expect(files).toContain("packets.json");
    for (const name of files) expectSchema(JSON.parse(readFileSync(join(BENCHMARKS, name), "utf8")));
  });

  test("are what README.md and docs quote", () => {
    const file = JSON.parse(readFileSync(RESULTS, "utf8"));
    let quotes = 0;
    for (const name of ["README.md", join("docs", "performance.md")]) {
      const text = readFileSync(join(root, name), "utf8");
      expect(withQuotes(text, file), name).toBe(text);
      quotes += quoteCount(text);
    }
    expect(quotes).toBeGreaterThan(0);
  });

  test("are what the charts beside them show", () => {
    const { commit, date } = JSON.parse(readFileSync(RESULTS, "utf8"));
    const charts = readdirSync(BENCHMARKS).filter((name) => name.endsWith(".svg"));
    expect(charts.length).toBeGreaterThan(0);
    for (const name of charts) {
      const svg = readFileSync(join(BENCHMARKS, name), "utf8");
      expect(svg, name).toContain(`commit ${commit.slice(0, 12)}; ${date}`);
    }
  });
});
