// Runs the kernel tests of the package in the current folder (or its soak tests) in a sandbox. Writes nothing into the checkout.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sandbox } from "./sandbox.mjs";
import { environment, root, run } from "./setup.mjs";

const soak = process.argv.includes("--soak");
const report = process.argv.find((argument) => argument.startsWith("--report="))?.slice("--report=".length);

const where = sandbox();
if (where.command === undefined) {
  const required = process.env.KERNEL_TESTS === "required";
  console.log(`kernel tests ${required ? "failed" : "skipped"}: ${where.reason}`);
  if (report !== undefined) writeFileSync(report, JSON.stringify(withoutSandbox(required, where.reason)));
  process.exitCode = required ? 1 : 0;
} else {
  const reporters = [
    "--reporter=default",
    ...(report === undefined ? [] : ["--reporter=json", `--outputFile=${report}`]),
  ];
  process.exitCode = await run(
    where.command,
    [
      ...where.args,
      process.execPath,
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--configLoader=runner",
      `--config=${join(root, "tools", "vitest.kernel.mjs")}`,
      `--root=${process.cwd()}`,
      ...reporters,
    ],
    { cwd: process.cwd(), env: environment(soak ? { NLRING_SOAK: "1" } : {}) },
  );
}

/** What vitest would report of one test that stands for all of them. */
function withoutSandbox(required, reason) {
  return {
    numPassedTests: 0,
    numFailedTests: required ? 1 : 0,
    numPendingTests: required ? 0 : 1,
    numTodoTests: 0,
    testResults: [
      {
        status: required ? "failed" : "passed",
        assertionResults: [
          { status: required ? "failed" : "skipped", fullName: `every kernel test: ${reason}` },
        ],
      },
    ],
  };
}
