// Programs that the tests start: what they printed and how they ended, without a shell.
import { spawn } from "node:child_process";
import { environment, root } from "../setup.mjs";

/**
 * Runs a program to its end and resolves with `{ code, output, errors }`, whatever the code is; rejects where it cannot be started.
 * The workspace's own programs come first in the PATH. A program that takes longer than `limit` milliseconds hangs, and is told to end.
 */
export function execute(command, args, { cwd = root, env = environment(), limit = 120_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: limit });
    const ended = { code: undefined, output: "", errors: "" };
    child.stdout.setEncoding("utf8").on("data", (text) => {
      ended.output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      ended.errors += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ ...ended, code: code ?? signal }));
  });
}

/** The same for a program that has to succeed: throws what it printed where it does not. */
export async function succeed(command, args, options) {
  const ended = await execute(command, args, options);
  if (ended.code === 0) return ended;
  throw new Error(`${command} ${args.join(" ")} ended with ${ended.code}:\n${ended.output}${ended.errors}`);
}

/**
 * The environment of a user's own terminal: without what npm, pnpm and vitest set for the programs that they start. NODE_PATH above
 * all, through which pnpm's starters let a program find every package of the workspace.
 */
export function plainEnvironment(extra = {}) {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|pnpm_|vitest|vite_|node_|nlring_)/i.test(name),
  );
  return { ...Object.fromEntries(kept), ...extra };
}
