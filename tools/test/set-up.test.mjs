// What the commands of the root do before and after the programs that they start.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { addReport, emptyTotals } from "../results.mjs";
import { sandbox } from "../sandbox.mjs";
import { assertNode, buildFingerprint, installFingerprint, removeStaleOutputs } from "../setup.mjs";
import { copyCheckout, sourceFiles, temporaryFolder } from "./checkout.mjs";
import { succeed } from "./processes.mjs";

const scratch = temporaryFolder("set-up");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("the version of Node", () => {
  test.each(["18.20.8", "19.9.0", "20.0.0", "20.18.3"])("%s is refused, with what is needed", (version) => {
    expect(() => assertNode(version)).toThrow(`Node ${version} is too old: nlring needs 20.19 or later`);
  });

  test.each(["20.19.0", "20.20.2", "21.0.0", "22.12.0", "24.0.0-nightly"])("%s is taken", (version) => {
    expect(() => assertNode(version)).not.toThrow();
  });

  test("that is refused is the one that the packages declare", () => {
    const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(engines.node).toBe(">=20.19");
  });
});

describe("fingerprints", () => {
  const target = join(scratch, "checkout");
  const source = "packages/netlink/src/abi.ts";
  let built;
  let installed;

  beforeAll(async () => {
    copyCheckout(await sourceFiles(scratch), target);
    built = buildFingerprint(target);
    installed = installFingerprint(target);
  });

  /** Whether a change to a file changes the fingerprints; the file is put back. */
  function changes(file, change) {
    const path = join(target, file);
    const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    mkdirSync(dirname(path), { recursive: true });
    change(path, before);
    const changed = {
      built: buildFingerprint(target) !== built,
      installed: installFingerprint(target) !== installed,
    };
    if (before === undefined) rmSync(path);
    else writeFileSync(path, before);
    return changed;
  }
  const append = (path, before = "") => writeFileSync(path, `${before}\n`);

  test.each([
    source,
    "packages/native/cpp/addon.cc",
    "packages/native/build.mjs",
    "tsconfig.base.json",
    "turbo.json",
  ])("%s is built from", (file) => expect(changes(file, append)).toEqual({ built: true, installed: false }));

  test.each(["pnpm-lock.yaml", "packages/nfqueue/package.json", "apps/bench/package.json"])(
    "%s decides what is installed, and that decides what is built",
    (file) => expect(changes(file, append)).toEqual({ built: true, installed: true }),
  );

  test("a new source is noticed, and one that is gone", () => {
    expect(changes("packages/netlink/src/new.ts", append).built).toBe(true);
    expect(changes(source, (path) => rmSync(path)).built).toBe(true);
  });

  test("a source that only got another name is noticed", () => {
    const renamed = join(target, "packages/netlink/src/abi-renamed.ts");
    const { built: changed } = changes(source, (path) => renameSync(path, renamed));
    rmSync(renamed);
    expect(changed).toBe(true);
  });

  test.each([
    "README.md",
    "packages/netlink/test/new.test.ts",
    "packages/netlink/dist/index.js",
    "tools/run.mjs",
    "biome.json",
  ])("%s is neither built from nor installed", (file) =>
    expect(changes(file, append)).toEqual({ built: false, installed: false }),
  );

  test("a source that was only touched is no change", () => {
    expect(changes(source, (path) => utimesSync(path, 1, 1))).toEqual({ built: false, installed: false });
  });
});

test("what was compiled from sources that are gone is removed, and nothing else", () => {
  const base = join(scratch, "stale");
  const folder = join(base, "packages", "one");
  const current = [
    "index.js",
    "index.d.ts",
    "index.js.map",
    "index.d.ts.map",
    "part/deep.js",
    "tsconfig.tsbuildinfo",
  ];
  const gone = ["old.js", "old.d.ts", "old.js.map", "part/old.d.ts.map"];
  mkdirSync(join(base, "apps"), { recursive: true });
  for (const file of [
    "src/index.ts",
    "src/part/deep.ts",
    ...[...current, ...gone].map((output) => `dist/${output}`),
  ]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), "");
  }
  expect(removeStaleOutputs(base).toSorted()).toEqual(
    gone.map((output) => `packages/one/dist/${output}`).toSorted(),
  );
  expect(current.filter((output) => !existsSync(join(folder, "dist", output)))).toEqual([]);
  expect(removeStaleOutputs(base)).toEqual([]);
});

describe("the sandbox", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("is a network namespace of its own, or a reason why there is none", async () => {
    const where = sandbox();
    if (where.command === undefined) {
      expect(where.reason).toContain("run it with sudo");
      return;
    }
    const { output } = await succeed(where.command, [...where.args, "readlink", "/proc/self/ns/net"]);
    expect(output).toMatch(/^net:\[\d+\]\n$/);
    expect(output.trim()).not.toBe(readlinkSync("/proc/self/ns/net"));
  });

  test("is not had without unshare, and the reason says so", () => {
    vi.stubEnv("PATH", scratch);
    expect(sandbox()).toEqual({ reason: expect.stringContaining("unshare: spawnSync unshare ENOENT") });
  });

  test("is not had where the kernel refuses, and the reason is the kernel's", () => {
    const folder = join(scratch, "refusing");
    mkdirSync(folder);
    writeFileSync(
      join(folder, "unshare"),
      "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n",
    );
    chmodSync(join(folder, "unshare"), 0o755);
    vi.stubEnv("PATH", folder);
    expect(sandbox()).toEqual({ reason: expect.stringContaining("Operation not permitted") });
  });
});

describe("the sum of the results", () => {
  const report = join(scratch, "report.json");
  const passed = { status: "passed", fullName: "works" };

  beforeEach(() => vi.spyOn(console, "error").mockImplementation(() => {}));
  afterEach(() => vi.restoreAllMocks());

  /** Adds up a report of the given suites, counted as vitest counts them. */
  function add(...suites) {
    const tests = suites.flatMap(({ assertionResults }) => assertionResults);
    const count = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
    const contents = {
      numPassedTests: count("passed"),
      numFailedTests: count("failed"),
      numPendingTests: count("skipped", "pending"),
      numTodoTests: count("todo"),
      testResults: suites,
    };
    writeFileSync(report, JSON.stringify(contents));
    return addReport(emptyTotals(), report, "part");
  }

  test("has what passed, failed and was skipped, and names what was skipped", () => {
    const failed = { status: "failed", fullName: "breaks" };
    const skipped = { status: "skipped", fullName: "waits for a kernel" };
    const totals = add({ status: "failed", assertionResults: [passed, passed, failed, skipped] });
    expect(totals).toEqual({ passed: 2, failed: 1, skipped: 1, skips: ["part: waits for a kernel"] });
  });

  test("grows with every report", () => {
    const totals = add({ status: "passed", assertionResults: [passed] });
    expect(addReport(totals, report, "another")).toMatchObject({ passed: 2, failed: 0 });
  });

  test("counts a missing report as a failure, and says whose it is", () => {
    const totals = addReport(emptyTotals(), join(scratch, "none.json"), "part");
    expect(totals).toMatchObject({ passed: 0, failed: 1 });
    expect(console.error).toHaveBeenCalledWith("part: no test report, so its tests did not run");
  });

  test("counts a file that failed before its first test as a failure", () => {
    expect(
      add({ status: "failed", assertionResults: [] }, { status: "passed", assertionResults: [passed] }),
    ).toMatchObject({
      passed: 1,
      failed: 1,
    });
  });
});
