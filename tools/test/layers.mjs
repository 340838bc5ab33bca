// The layers of the workspace, and what its manifests have to say about them.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { memberFolders } from "./checkout.mjs";

/** The workspace packages that each package depends on; whatever is not named here it must not see. */
export const LAYERS = {
  "ring-core": [],
  native: [],
  netlink: ["ring-core", "native"],
  nfqueue: ["netlink"],
};

/** What the programs may depend on, at most; only the examples use another program's parts. */
const PROGRAMS = {
  bench: Object.keys(LAYERS),
  examples: [...Object.keys(LAYERS), "bench"],
};

const SCOPE = "@nlring/";
const KEPT_BY_USERS = ["dependencies", "optionalDependencies", "peerDependencies"];

/** What breaks the layers in the manifests and compiler settings below `base`, in words. */
export function manifestViolations(base) {
  const violations = [];
  const packages = Object.keys(LAYERS);
  const expect = (place, what, found, wanted) => {
    if (found.toSorted().join() !== wanted.toSorted().join()) {
      violations.push(`${place}: ${what} are [${found.toSorted()}], and should be [${wanted.toSorted()}]`);
    }
  };
  for (const folder of memberFolders(base)) {
    const name = basename(folder);
    const manifest = readJson(join(base, folder, "package.json"));
    const used = KEPT_BY_USERS.flatMap((field) => workspaceNames(manifest[field]));
    if (folder.startsWith("packages")) {
      expect(folder, "dependencies", used, LAYERS[name] ?? []);
      expect(folder, "dependencies for development", workspaceNames(manifest.devDependencies), []);
      const references = readJson(join(base, folder, "tsconfig.json")).references ?? [];
      expect(
        folder,
        "references",
        references.map(({ path }) => path),
        (LAYERS[name] ?? []).map((lower) => `../${lower}`),
      );
    } else {
      const others = used.filter((lower) => !(PROGRAMS[name] ?? []).includes(lower));
      expect(folder, "dependencies on other programs", others, []);
      if (manifest.private !== true) violations.push(`${folder}: is not private, and could be published`);
    }
    for (const [dependency, version] of KEPT_BY_USERS.flatMap((field) =>
      Object.entries(manifest[field] ?? {}),
    )) {
      if (dependency.startsWith(SCOPE) && !version.startsWith("workspace:")) {
        violations.push(`${folder}: ${dependency} is ${version}, which need not be the workspace's own`);
      }
    }
  }
  const ownRoot = readJson(join(base, "package.json"));
  expect(
    "the root",
    "dependencies",
    workspaceNames({ ...ownRoot.dependencies, ...ownRoot.devDependencies }),
    [],
  );
  expect(
    "the root",
    "references",
    readJson(join(base, "tsconfig.json")).references.map(({ path }) => path),
    packages.map((name) => `packages/${name}`),
  );
  expect(
    "packages",
    "folders",
    memberFolders(base).filter((folder) => folder.startsWith("packages")),
    packages.map((name) => `packages/${name}`),
  );
  return violations;
}

function workspaceNames(dependencies = {}) {
  return Object.keys(dependencies)
    .filter((name) => name.startsWith(SCOPE))
    .map((name) => name.slice(SCOPE.length));
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
