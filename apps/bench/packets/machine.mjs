// Where results come from: part of every file of results.
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Origin
 * @property {string} machine
 * @property {string} kernel
 * @property {string} node
 * @property {string} commit with "+" where the checkout had changes
 * @property {string} date
 * @property {string} [note] what a reader must know of the figures, such as that the machine was busy
 */

/** @returns {Origin} */
export function originOf() {
  const processors = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return {
    machine: `${processors.length} x ${processors[0]?.model.trim() ?? "unknown"}, ${gibibytes} GiB`,
    kernel: `${type()} ${release()}`,
    node: process.version,
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function commit() {
  const git = (/** @type {string[]} */ ...argv) =>
    execFileSync("git", argv, {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    return git("rev-parse", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}
