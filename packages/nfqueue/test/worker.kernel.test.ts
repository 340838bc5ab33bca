import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { requireRules } from "./require-rules.js";

const HOST = fileURLToPath(new URL("./fixtures/worker-host.mjs", import.meta.url));

interface Outcome {
  readonly signal: string | null;
  readonly exitCode: number;
  readonly told: { end: string; code?: number; failure?: string };
}

/** Runs the host program and tells how it ended. */
function runHost(end: string, queue: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [HOST, end, String(queue), String(5340 + queue)],
      (error, stdout, stderr) => {
        const signal = child.signalCode;
        const exitCode = child.exitCode ?? -1;
        try {
          resolve({ signal, exitCode, told: JSON.parse(stdout) });
        } catch {
          reject(
            new Error(`${end}: exit code ${exitCode}, signal ${signal}: ${stdout}${stderr}`, {
              cause: error,
            }),
          );
        }
      },
    );
  });
}

requireRules();

test("terminating a worker with an open queue ends it and nothing else", async () => {
  expect(await runHost("terminate", 41)).toMatchObject({ signal: null, exitCode: 0, told: { code: 1 } });
});

test("process.exit in a worker with an open queue ends the worker with its code", async () => {
  expect(await runHost("exit", 42)).toMatchObject({ signal: null, exitCode: 0, told: { code: 7 } });
});

test("a throw in a worker with an open queue is the worker's error", async () => {
  expect(await runHost("throw", 43)).toMatchObject({
    signal: null,
    exitCode: 0,
    told: { code: 1, failure: "thrown in the worker" },
  });
});

test("process.exit of the main thread while a worker has an open queue ends the process with its code", async () => {
  expect(await runHost("main-exit", 44)).toMatchObject({ signal: null, exitCode: 5 });
});
