// The workspace's commands, as the root's npm scripts call them: each does the set-up that it needs first.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addReport, emptyTotals, printTotals } from "./results.mjs";
import { sandbox } from "./sandbox.mjs";
import { environment, root, run, setUp } from "./setup.mjs";

const packages = readdirSync(join(root, "packages"));
const rest = process.argv.slice(3);

const commands = {
  async demo() {
    return run(process.execPath, [join(root, "apps", "examples", "demo.mjs"), ...rest]);
  },

  async build() {
    return 0;
  },

  async lint() {
    return Math.max(await run("turbo", ["run", "lint"]), await lintRoot());
  },

  async format() {
    const native = join(root, "packages", "native", "cpp");
    const sources = readdirSync(native).filter((name) => /\.(cc|h)$/.test(name));
    const codes = [
      await run("biome", ["check", "--write", "."]),
      await run("clang-format", ["-i", ...sources], { cwd: native }),
    ];
    return Math.max(...codes);
  },

  async test() {
    const totals = emptyTotals();
    const codes = [
      await run("turbo", ["run", "lint", "typecheck", "test", "--continue", "--output-logs=new-only"]),
      await lintRoot(),
    ];
    for (const name of packages) {
      addReport(totals, join(root, "packages", name, "test-results", "unit.json"), name);
    }
    codes.push(
      await withReports(totals, async (reports) => [
        await workspaceTests(reports),
        await kernelTests(reports),
      ]),
    );
    printTotals(totals);
    return Math.max(totals.failed > 0 ? 1 : 0, ...codes);
  },

  async "test:kernel"() {
    const totals = emptyTotals();
    const code = await withReports(totals, async (reports) => [await kernelTests(reports)]);
    printTotals(totals);
    return Math.max(totals.failed > 0 ? 1 : 0, code);
  },

  async soak() {
    const totals = emptyTotals();
    const code = await withReports(totals, async (reports) => [
      await longTests(reports),
      await kernelTests(reports, ["--soak"]),
    ]);
    printTotals(totals);
    return Math.max(totals.failed > 0 ? 1 : 0, code);
  },

  async bench() {
    const where = sandbox();
    if (where.command === undefined) throw new Error(where.reason);
    return run(where.command, [
      ...where.args,
      process.execPath,
      join(root, "apps", "bench", "main.mjs"),
      ...rest,
    ]);
  },
};

/** The files that belong to no package, which turbo therefore passes over. */
function lintRoot() {
  return run("biome", [
    "check",
    "--error-on-warnings",
    "tools",
    "biome.json",
    "turbo.json",
    "package.json",
    "tsconfig.json",
  ]);
}

/** Reports go outside the checkout, which may be read-only. */
async function withReports(totals, action) {
  const folder = mkdtempSync(join(tmpdir(), "nlring-reports-"));
  try {
    const codes = await action(folder);
    for (const file of readdirSync(folder).toSorted()) {
      addReport(totals, join(folder, file), file.replace(".json", ""));
    }
    return Math.max(...codes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Tests of the workspace itself: its layers, its packages as users get them, its set-up. */
function workspaceTests(reports) {
  return run("vitest", [
    "run",
    "--configLoader=runner",
    `--config=${join(root, "tools", "vitest.workspace.mjs")}`,
    "--reporter=default",
    "--reporter=json",
    `--outputFile=${join(reports, "workspace.json")}`,
  ]);
}

/** The long runs that need no kernel: test/*.soak.test.ts of every package. */
async function longTests(reports) {
  const codes = [];
  for (const name of packages) {
    const folder = join(root, "packages", name);
    if (!hasTests(folder, ".soak.test.ts")) continue;
    console.log(`long tests of ${name}`);
    codes.push(
      await run(
        "vitest",
        [
          "run",
          "--configLoader=runner",
          `--config=${join(root, "tools", "vitest.unit.mjs")}`,
          `--root=${folder}`,
          "--reporter=default",
          "--reporter=json",
          `--outputFile=${join(reports, `${name}-soak.json`)}`,
        ],
        { cwd: folder, env: environment({ NLRING_SOAK: "1" }) },
      ),
    );
  }
  return Math.max(0, ...codes);
}

function hasTests(folder, ending) {
  const tests = join(folder, "test");
  return existsSync(tests) && readdirSync(tests).some((file) => file.endsWith(ending));
}

async function kernelTests(reports, options = []) {
  const codes = [];
  for (const name of packages) {
    const folder = join(root, "packages", name);
    if (!hasTests(folder, ".kernel.test.ts")) continue;
    console.log(`kernel tests of ${name}`);
    const report = `--report=${join(reports, `${name}-kernel.json`)}`;
    const runner = join(root, "tools", "kernel-tests.mjs");
    codes.push(
      await run(process.execPath, [runner, report, ...options], { cwd: folder, env: environment() }),
    );
  }
  return Math.max(0, ...codes);
}

const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error(`usage: node tools/run.mjs ${Object.keys(commands).join(" | ")}`);
  process.exitCode = 2;
} else {
  try {
    await setUp();
    process.exitCode = await command();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
