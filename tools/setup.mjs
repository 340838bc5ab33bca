// Brings a checkout to where its programs run: dependencies installed, everything built. What is done already is skipped, without
// a network and without a write, so that a finished checkout also runs where it is read-only.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = join(root, "node_modules", ".nlring-setup.json");
const bin = join(root, "node_modules", ".bin");

/** Environment of everything that runs here: the workspace's own programs first, and no calls home. */
export function environment(extra = {}) {
  return {
    ...process.env,
    PATH: `${bin}:${process.env.PATH ?? ""}`,
    TURBO_TELEMETRY_DISABLED: "1",
    TURBO_NO_UPDATE_NOTIFIER: "1",
    NLRING_TARGET: `${process.platform}-${process.arch}-${libc()}`,
    ...extra,
  };
}

/** Runs a program in the foreground; resolves with its exit code. */
export function run(command, args, { cwd = root, env = environment() } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: "inherit" });
    child.on("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.on("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

/** Installs and builds what is missing. Throws with what to do where a step fails. */
export async function setUp() {
  assertNode();
  await step("installed", installFingerprint(), "installing the dependencies", install);
  await step("built", buildFingerprint(), "building", build, outputs().every(existsSync));
}

/** What a finished build has left: the entry of every package, and this machine's addon. */
function outputs() {
  const entries = readdirSync(join(root, "packages")).map((name) =>
    join(root, "packages", name, "dist", "index.js"),
  );
  const addon = join(
    root,
    "packages",
    "native",
    "prebuilds",
    `${process.platform}-${process.arch}-${libc()}`,
    "nlring.node",
  );
  return process.platform === "linux" ? [...entries, addon] : entries;
}

/** Throws where the given Node, or the running one, is older than what the packages support. */
export function assertNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Node ${version} is too old: nlring needs 20.19 or later`);
  }
}

async function step(name, fingerprint, doing, action, intact = true) {
  if (intact && readStamp()[name] === fingerprint) return;
  console.log(`set-up: ${doing}`);
  const started = Date.now();
  await action();
  writeFileSync(stampFile, `${JSON.stringify({ ...readStamp(), [name]: fingerprint }, undefined, 2)}\n`);
  console.log(`set-up: ${name} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

async function install() {
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const arguments_ = ["install", "--frozen-lockfile", "--reporter=append-only"];
  const own = join(root, "node_modules", "pnpm", "package.json");
  const hasOwn = existsSync(own) && JSON.parse(readFileSync(own, "utf8")).version === devDependencies.pnpm;
  const code = hasOwn
    ? await run("pnpm", arguments_)
    : await run("npx", ["--yes", `pnpm@${devDependencies.pnpm}`, ...arguments_]);
  if (code !== 0) {
    throw new Error(
      "the dependencies could not be installed: see above; the first set-up needs the npm registry",
    );
  }
}

async function build() {
  removeStaleOutputs();
  const code = await run("turbo", ["run", "build", "build:native", "--output-logs=new-only"]);
  if (code !== 0) throw new Error("the build failed: see above");
}

/**
 * Removes what was compiled from sources that are gone, which the compiler leaves in place and a package would be published with;
 * returns what it removed, relative to `base`.
 */
export function removeStaleOutputs(base = root) {
  const stale = workspaceFiles(base, ["dist"]).filter((file) => {
    const [, folder, output] = /^(.+?)\/dist\/(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file) ?? [];
    return output !== undefined && !existsSync(join(base, folder, "src", `${output}.ts`));
  });
  for (const file of stale) rmSync(join(base, file));
  return stale;
}

/** Tells one state of the dependencies from another. */
export function installFingerprint(base = root) {
  return hash(base, [
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "package.json",
    ...workspaceFiles(base, ["package.json"]),
  ]);
}

/** Tells one state of what is built from another: the sources, and through the lock file the compiler. */
export function buildFingerprint(base = root) {
  const sources = workspaceFiles(base, ["package.json", "tsconfig.json", "build.mjs", "src", "cpp"]);
  return hash(base, ["pnpm-lock.yaml", "tsconfig.base.json", "turbo.json", ...sources]);
}

/** The named files, and what is below the named folders, of every package. */
function workspaceFiles(base, names) {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(base, group)).flatMap((folder) =>
      names.flatMap((name) => filesBelow(base, join(group, folder, name))),
    ),
  );
}

function filesBelow(base, path) {
  const absolute = join(base, path);
  if (!existsSync(absolute)) return [];
  if (statSync(absolute).isFile()) return [path];
  return readdirSync(absolute).flatMap((name) => filesBelow(base, join(path, name)));
}

function hash(base, files) {
  const sum = createHash("sha256").update(`${process.platform} ${process.arch} ${libc()}\n`);
  for (const file of files.toSorted()) sum.update(`${file}\n`).update(readFileSync(join(base, file)));
  return sum.digest("hex");
}

function readStamp() {
  return existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : {};
}

function libc() {
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}
