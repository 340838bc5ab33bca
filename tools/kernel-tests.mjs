// Runs the kernel tests of the package in the current folder (or its soak tests) in a sandbox. Writes nothing into the checkout.
import { join } from "node:path";
import { sandbox } from "./sandbox.mjs";
import { environment, root, run } from "./setup.mjs";

const soak = process.argv.includes("--soak");
const report = process.argv.find((argument) => argument.startsWith("--report="))?.slice("--report=".length);

const where = sandbox();
if (where.command === undefined) {
  console.log(`kernel tests skipped: ${where.reason}`);
  process.exitCode = process.env.KERNEL_TESTS === "required" ? 1 : 0;
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
