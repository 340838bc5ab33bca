import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { rulesUnavailable } from "./sandbox.js";

const run = promisify(execFile);
const folder = fileURLToPath(new URL("..", import.meta.url));

let lacking: string | undefined;
beforeAll(async () => {
  lacking = await rulesUnavailable();
});
beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));

/** The programs of the README's section on rules, each of which ends by itself. */
function rulesExamples(): string[] {
  const readme = readFileSync(`${folder}/README.md`, "utf8");
  const section = /^## Rules\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
  return [...section.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, program]) => program ?? "");
}

test("the README's section on rules has programs", () => {
  expect(rulesExamples()).toHaveLength(3);
});

test.each(rulesExamples().map((program, at) => [at + 1, program] as const))(
  "program %i of the README's section on rules runs to its end and says what its comments say",
  async (_number, program) => {
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: folder,
    });
    const promised = [...program.matchAll(/console\.log\(.*\); \/\/ (.*[\d\]'])$/gm)].map(([, said]) => said);
    // How a rule queues, and whether it outlives its process, is the kernel's matter.
    const said = stdout
      .trimEnd()
      .replace(/^(true|false) (queue expression|NFQUEUE target)$/m, "true 'queue expression'");
    if (promised.length > 0) expect(said.split("\n")).toEqual(promised);
  },
);
