// The packages as their users get them: packed, then installed into projects outside the workspace, without a network.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup.mjs";
import { LAYERS } from "./layers.mjs";
import { plainEnvironment, succeed } from "./processes.mjs";

export const PACKAGES = Object.keys(LAYERS);

/** Packs every package into `folder`; resolves with the tarballs' paths by the packages' names. */
export async function packAll(folder) {
  const tarballs = {};
  for (const name of PACKAGES) {
    const { output } = await succeed("pnpm", ["pack", "--json", `--pack-destination=${folder}`], {
      cwd: join(root, "packages", name),
    });
    tarballs[name] = JSON.parse(output).filename;
  }
  return tarballs;
}

/** Unpacks a tarball; resolves with the folder of the package. */
export async function unpack(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  await succeed("tar", ["-xzf", tarball, "-C", folder]);
  return join(folder, "package");
}

/** Makes a project that depends on the given packages, and installs them with npm. */
export async function installWithNpm(folder, tarballs) {
  await writeManifest(folder, tarballs);
  const options = [
    "--ignore-scripts",
    "--offline",
    "--no-audit",
    "--no-fund",
    `--cache=${join(folder, "..", "npm-cache")}`,
  ];
  await succeed("npm", ["install", ...options], { cwd: folder, env: plainEnvironment() });
  return folder;
}

/** The same with pnpm, which asks the registry about dependencies of dependencies unless they are overridden. */
export async function installWithPnpm(folder, tarballs) {
  await writeManifest(folder, tarballs);
  const overrides = Object.entries(tarballs).map(
    ([name, file]) => `  "@nlring/${name}": ${JSON.stringify(`file:${file}`)}`,
  );
  const settings = ["packages: []", "pmOnFail: ignore", "overrides:", ...overrides];
  writeFileSync(join(folder, "pnpm-workspace.yaml"), `${settings.join("\n")}\n`);
  const scratch = join(folder, "..");
  const options = ["--ignore-scripts", "--offline", `--store-dir=${join(scratch, "pnpm-store")}`];
  const places = { XDG_CACHE_HOME: join(scratch, "pnpm-cache"), XDG_STATE_HOME: join(scratch, "pnpm-state") };
  const pnpm = join(root, "node_modules", ".bin", "pnpm");
  await succeed(pnpm, ["install", ...options], { cwd: folder, env: plainEnvironment(places) });
  return folder;
}

async function writeManifest(folder, tarballs) {
  mkdirSync(folder, { recursive: true });
  const dependencies = Object.fromEntries(
    Object.entries(tarballs).map(([name, file]) => [`@nlring/${name}`, `file:${file}`]),
  );
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "consumer", private: true, dependencies }),
  );
}

/** The first example in the README, as a user copies it. */
export function firstExample() {
  const example = /^```js\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1];
  if (example === undefined) throw new Error("README.md has no example in a js block");
  return example;
}

/** Paths of all files below `folder`, relative to it. */
export function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}
