// Compiles cpp/ into prebuilds/<platform>-<architecture>-<libc>/nlring.node with the C++ compiler alone.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));

/** The folder name of this machine's prebuild; src/load.ts looks for the same. */
export function target() {
  process.report.excludeNetwork = true;
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  return `${process.platform}-${process.arch}-${libc}`;
}

/** Where the headers of the running Node are: beside its program, unless they were not installed with it. */
export function installedHeaders(execPath = process.execPath) {
  return join(dirname(dirname(realpathSync(execPath))), "include", "node");
}

/** Where node-gyp keeps the headers that it downloaded. */
export function downloadedHeaders(version = process.versions.node, home = homedir()) {
  return join(home, ".cache", "node-gyp", version, "include", "node");
}

const hasHeaders = (folder) => existsSync(join(folder, "node_api.h")) && existsSync(join(folder, "uv.h"));

/** The folder of Node's headers. `download` is called where this machine has none. */
export function findHeaders({
  installed = installedHeaders(),
  downloaded = downloadedHeaders(),
  download = runDownload,
} = {}) {
  if (hasHeaders(installed)) return installed;
  if (!hasHeaders(downloaded)) download();
  if (hasHeaders(downloaded)) return downloaded;
  throw new Error(
    `Node's headers are neither in ${installed} nor, after node-gyp's download, in ${downloaded}. ` +
      "Install Node with its headers (the official archives have them), or let node-gyp reach its download server.",
  );
}

function runDownload() {
  console.log("native: this Node came without headers; node-gyp downloads them");
  // npm's own settings must not lead node-gyp to headers of another Node.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package_)?config_/i.test(name)),
  );
  spawnSync(
    process.execPath,
    [
      require.resolve("node-gyp/bin/node-gyp.js"),
      "install",
      "--ensure",
      `--devdir=${join(homedir(), ".cache", "node-gyp")}`,
    ],
    {
      stdio: "inherit",
      env,
    },
  );
}

const words = (text = "") => text.split(/\s+/).filter(Boolean);

/** The compiler's command in words: CXX may hold more than one, such as "ccache g++". */
export function findCompiler(named = process.env.CXX) {
  const candidates = named ? [named] : ["g++", "c++", "clang++"];
  for (const candidate of candidates) {
    const [program = "", ...rest] = words(candidate);
    if (spawnSync(program, [...rest, "--version"], { stdio: "ignore" }).status === 0)
      return [program, ...rest];
  }
  throw new Error(
    `no C++ compiler: tried ${candidates.join(", ")}. Install g++ (Debian: apt-get install g++) or set CXX.`,
  );
}

function compile([program, ...first], args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} failed (exit code ${code})`)),
    );
  });
}

async function build() {
  if (process.platform !== "linux") {
    console.log("native: nothing to build, netlink exists on Linux only");
    return;
  }
  const compiler = findCompiler();
  const headers = findHeaders();
  const addonApi = dirname(require.resolve("node-addon-api/package.json"));
  const output = join(here, "prebuilds", target());
  mkdirSync(output, { recursive: true });
  // In the same file system, so that the finished addon is moved in place whole: a running process keeps the old one.
  const objects = mkdtempSync(join(output, "build-"));
  try {
    const sources = readdirSync(join(here, "cpp")).filter((name) => name.endsWith(".cc"));
    const flags = [
      ...["-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-pthread"],
      ...["-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type", "-Wno-unused-parameter"],
      ...[
        "-DNAPI_VERSION=8",
        "-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "-DNODE_ADDON_API_DISABLE_DEPRECATED",
      ],
      // Where an error can no longer be thrown because the thread ends, node-addon-api ends the process otherwise.
      "-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      ...["-DNODE_GYP_MODULE_NAME=nlring", "-isystem", headers, "-isystem", addonApi],
      ...words(process.env.CXXFLAGS),
    ];
    let done = 0;
    const waiting = [...sources];
    const work = async () => {
      for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
        await compile(compiler, [
          ...flags,
          "-c",
          join(here, "cpp", source),
          "-o",
          join(objects, `${source}.o`),
        ]);
        console.log(`native: compiled ${source} (${++done} of ${sources.length})`);
      }
    };
    await Promise.all([work(), work()]);
    await compile(compiler, [
      ...["-shared", "-pthread", "-static-libstdc++", "-static-libgcc", "-s"],
      ...sources.map((source) => join(objects, `${source}.o`)),
      // Behind the objects, which is where a linker looks for what they lack.
      ...words(process.env.LDFLAGS),
      ...["-o", join(objects, "nlring.node")],
    ]);
    renameSync(join(objects, "nlring.node"), join(output, "nlring.node"));
    console.log(`native: built prebuilds/${target()}/nlring.node`);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await build().catch((error) => {
    console.error(`native: ${error.message}`);
    process.exitCode = 1;
  });
}
