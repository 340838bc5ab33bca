// The programs in C that the library is compared with, compiled where there is a compiler.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A program that prints one JSON value. */
export class Program {
  /** @param {string} path */
  constructor(path) {
    this.path = path;
  }

  /** @param {readonly (string | number)[]} argv */
  async run(...argv) {
    const { stdout } = await run(this.path, argv.map(String));
    return JSON.parse(stdout);
  }
}

/**
 * Compiles the sources of these names into a temporary folder, lets `use` run them, and removes them. They are undefined where there is no
 * C compiler.
 *
 * @template T
 * @param {readonly string[]} names
 * @param {(...programs: (Program | undefined)[]) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withPrograms(names, use) {
  const folder = await mkdtemp(join(tmpdir(), "nlring-bench-"));
  try {
    return await use(...(await Promise.all(names.map((name) => compile(name, folder)))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} name
 * @param {string} folder
 */
async function compile(name, folder) {
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
  const program = join(folder, basename(name));
  try {
    await run("cc", ["-O2", "-o", program, source]);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return new Program(program);
}
