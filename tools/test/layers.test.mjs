// The layers hold, and each mechanism that keeps them does catch what it is there for: a violation of every rule is planted in a copy of
// the checkout, and the tool that guards the rule runs over it as it runs over the checkout.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../setup.mjs";
import { copyCheckout, memberFolders, sourceFiles, temporaryFolder } from "./checkout.mjs";
import { LAYERS, manifestViolations } from "./layers.mjs";
import { execute, plainEnvironment, succeed } from "./processes.mjs";

const scratch = temporaryFolder("layers");
let files = [];

beforeAll(async () => {
  files = await sourceFiles(scratch);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function copy(name) {
  const target = join(scratch, name);
  copyCheckout(files, target);
  return target;
}

function plant(target, file, text) {
  mkdirSync(dirname(join(target, file)), { recursive: true });
  writeFileSync(join(target, file), `${text}\n`);
}

const packages = Object.keys(LAYERS);
const programs = memberFolders()
  .filter((folder) => folder.startsWith("apps"))
  .map((folder) => basename(folder));
/** The one file of netlink that is allowed to see native. */
const NATIVE_SEAM = "packages/netlink/src/transport/native-transport.ts";

const OWN_FILE = "tools/test/layers.test.mjs";

/** What the source of a package may import, besides the seam. */
const visibleToSource = (name) => LAYERS[name].filter((lower) => !(name === "netlink" && lower === "native"));

/** [file, specifier] of one import for each rule, for each package that has to keep it. */
function forbiddenImports() {
  const forbidden = [];
  for (const name of packages) {
    const source = `packages/${name}/src`;
    const tests = `packages/${name}/test`;
    for (const other of [...packages, ...programs]) {
      const below = visibleToSource(name).includes(other);
      if (!below) forbidden.push([source, `@nlring/${other}`]);
      if (!LAYERS[name].includes(other) && other !== name) forbidden.push([tests, `@nlring/${other}`]);
      const group = packages.includes(other) ? "packages" : "apps";
      for (const part of group === "packages" ? ["src", "dist"] : []) {
        forbidden.push(
          [source, `@nlring/${other}/${part}/index.js`],
          [tests, `@nlring/${other}/${part}/index.js`],
        );
      }
      if (other === name) continue;
      const path = group === "packages" ? `${other}/src/index.js` : `../apps/${other}/main.mjs`;
      forbidden.push(
        [source, `../../${path}`],
        [`${source}/folder`, `../../../${path}`],
        [tests, `../../${path}`],
      );
    }
    forbidden.push([source, "../test/fixture.js"], [`${source}/folder`, "../../test/fixture.js"]);
  }
  for (const specifier of ["node:fs", "node:timers/promises"]) {
    forbidden.push(["packages/ring-core/src", specifier]);
  }
  for (const program of programs) {
    const folder = `apps/${program}`;
    forbidden.push(
      [folder, "@nlring/netlink/src/index.js"],
      [folder, "@nlring/nfqueue/dist/index.js"],
      [folder, "../../packages/nfqueue/dist/index.js"],
      ...programs.filter((other) => other !== program).map((other) => [folder, `../${other}/main.mjs`]),
    );
  }
  return forbidden;
}

/** What must stay possible, so that a rule that refuses too much is seen as well. */
function allowedImports() {
  const allowed = [];
  for (const name of packages) {
    for (const lower of visibleToSource(name)) {
      allowed.push(
        [`packages/${name}/src`, `@nlring/${lower}`],
        [`packages/${name}/src`, `@nlring/${lower}/testing`],
      );
      allowed.push([`packages/${name}/test`, `@nlring/${lower}/testing`]);
    }
    // Tests of netlink may use native as another sender, which netlink's own sockets are not.
    for (const lower of LAYERS[name]) allowed.push([`packages/${name}/test`, `@nlring/${lower}`]);
    allowed.push([`packages/${name}/test`, `@nlring/${name}`], [`packages/${name}/test`, "../src/index.js"]);
    allowed.push(
      [`packages/${name}/test/folder`, "../../src/index.js"],
      [`packages/${name}/src/folder`, "../index.js"],
    );
    allowed.push([`packages/${name}/src`, "./testing/index.js"], [`packages/${name}/test`, "./fixture.js"]);
  }
  for (const program of programs) {
    for (const name of packages) allowed.push([`apps/${program}`, `@nlring/${name}`]);
  }
  return allowed;
}

/** Runs the linter as the packages' lint scripts do, with this one rule. */
async function lint(target) {
  const options = ["lint", ".", "--only=style/noRestrictedImports", "--max-diagnostics=none"];
  const report = join(target, "..", `${basename(target)}.json`);
  const ended = await execute("biome", [...options, "--reporter=json", `--reporter-file=${report}`], {
    cwd: target,
  });
  const { output } = await execute("biome", [...options, "--verbose"], { cwd: target });
  const listed = /Files processed:\s*\n([\s\S]*?)\n\s*\n\s*VERBOSE/.exec(output)?.[1] ?? "";
  return {
    code: ended.code,
    diagnostics: JSON.parse(readFileSync(report, "utf8")).diagnostics,
    read: [...listed.matchAll(/^\s*- (.+)$/gm)].map((match) => match[1]),
  };
}

describe("restricted imports", () => {
  const planted = forbiddenImports().map(([folder, specifier], at) => ({
    file: `${folder}/planted-${at}.ts`,
    specifier,
    // Each way to import, in turn.
    text: [
      `import { name } from "${specifier}";\nname();`,
      `import type { Name } from "${specifier}";\nexport type Other = Name;`,
      `export { name } from "${specifier}";`,
      `export const load = (): Promise<unknown> => import("${specifier}");`,
    ][at % 4],
  }));
  const harmless = allowedImports().map(([folder, specifier], at) => ({
    file: `${folder}/harmless-${at}.ts`,
    specifier,
    text: `import { name } from "${specifier}";\nname();`,
  }));
  let clean;
  let spoilt;
  let seam;

  beforeAll(async () => {
    clean = await lint(copy("clean"));
    const target = copy("spoilt");
    for (const { file, text } of [...planted, ...harmless]) plant(target, file, text);
    appendFileSync(join(target, NATIVE_SEAM), 'import "@nlring/nfqueue";\n');
    spoilt = await lint(target);
    seam = spoilt.diagnostics.filter(({ location }) => location.path === NATIVE_SEAM);
  });

  test("the checkout breaks none", () => {
    expect(clean.diagnostics).toEqual([]);
    expect(clean.code).toBe(0);
  });

  test("no comment and no second configuration switches the rule off", () => {
    const suppression = /biome-ignore(-all|-start)? lint(\/style(\/noRestrictedImports)?)?[:\s]/;
    expect(suppression.test("// biome-ignore lint/style/noRestrictedImports: reason")).toBe(true);
    const sources = files.filter((file) => /\.(ts|mjs)$/.test(file) && file !== OWN_FILE);
    expect(sources.filter((file) => suppression.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
    expect(files.filter((file) => /(^|\/)\.?biome\.jsonc?$/.test(file))).toEqual(["biome.json"]);
  });

  test("the linter reads every source", () => {
    const sources = files.filter((file) => /\.(ts|mjs)$/.test(file));
    const read = clean.read.filter((file) => /\.(ts|mjs)$/.test(file));
    expect(sources.length).toBeGreaterThan(0);
    expect(read.toSorted()).toEqual(sources.toSorted());
  });

  test.each(planted)("$file must not import $specifier", ({ file }) => {
    const found = spoilt.diagnostics.filter(({ location }) => location.path === file);
    expect(found.map(({ category, severity }) => `${severity} ${category}`)).toEqual([
      "error lint/style/noRestrictedImports",
    ]);
  });

  test.each(harmless)("$file may import $specifier", ({ file }) => {
    expect(spoilt.read).toContain(file);
    expect(spoilt.diagnostics.filter(({ location }) => location.path === file)).toEqual([]);
  });

  test("the seam to native sees native, and nothing from above", () => {
    expect(readFileSync(join(root, NATIVE_SEAM), "utf8")).toContain('from "@nlring/native"');
    expect(seam.map(({ message }) => message)).toEqual([
      "netlink imports ring-core and native by their entries.",
    ]);
  });

  test("planted imports fail the run", () => {
    expect(spoilt.code).not.toBe(0);
  });
});

describe("the compiler", () => {
  let target;

  beforeAll(() => {
    target = copy("compiled");
  });

  async function compileWith(name, text) {
    const file = `packages/${name}/src/planted.ts`;
    plant(target, file, text);
    const { code, output } = await execute(
      "tsc",
      ["--pretty", "false", "--noEmit", "-p", `packages/${name}`],
      { cwd: target },
    );
    rmSync(join(target, file));
    return { code, errors: output.split("\n").filter((line) => line.startsWith(file)) };
  }

  test("lets the lowest packages pass", async () => {
    expect(await compileWith("ring-core", "export const planted = 1;")).toEqual({ code: 0, errors: [] });
    expect(await compileWith("native", 'export type { Stats } from "node:fs";')).toEqual({
      code: 0,
      errors: [],
    });
  });

  test.each([
    ["a type of Node", "export let planted: Buffer;", /TS25(80|91)/],
    ["a global of Node", "export const planted: string = process.version;", /TS25(80|91)/],
    ["a module of Node", 'export type { Stats } from "node:fs";', /TS(2307|2591)/],
    ["a global of the browser", "export let planted: HTMLElement;", /TS2304/],
  ])("refuses %s in ring-core", async (_, text, error) => {
    const { code, errors } = await compileWith("ring-core", text);
    expect(errors).toEqual([expect.stringMatching(error)]);
    expect(code).not.toBe(0);
  });

  test.each([
    ["ring-core", "netlink"],
    ["native", "netlink"],
    ["netlink", "nfqueue"],
    ["nfqueue", "ring-core"],
    ["nfqueue", "native"],
  ])("finds nothing where %s imports %s by its name", async (name, other) => {
    const { errors } = await compileWith(name, `export type Planted = typeof import("@nlring/${other}");`);
    expect(errors).toEqual([expect.stringContaining("TS2307")]);
  });

  test.each([
    ["ring-core", "native"],
    ["native", "ring-core"],
  ])("refuses a path from %s into %s, which it has no reference to", async (name, other) => {
    const { errors } = await compileWith(
      name,
      `export type Planted = typeof import("../../${other}/src/index.js");`,
    );
    expect(errors.join("\n")).toMatch(/TS(6059|6307)/);
  });

  test("refuses a reference that closes a circle", async () => {
    const settings = "packages/ring-core/tsconfig.json";
    const before = readFileSync(join(target, settings), "utf8");
    const changed = { ...JSON.parse(before), references: [{ path: "../netlink" }] };
    writeFileSync(join(target, settings), JSON.stringify(changed));
    const { code, output } = await execute("tsc", ["-b", "packages/netlink", "--dry", "--pretty", "false"], {
      cwd: target,
    });
    writeFileSync(join(target, settings), before);
    expect(output).toContain("TS6202");
    expect(code).not.toBe(0);
  });
});

describe("manifests", () => {
  let target;

  beforeAll(() => {
    target = copy("manifests");
  });

  test("say what the layers say", () => {
    expect(manifestViolations(root)).toEqual([]);
  });

  test.each([
    [
      "a dependency on a higher layer",
      "packages/ring-core/package.json",
      { dependencies: { "@nlring/netlink": "workspace:*" } },
    ],
    [
      "a dependency past the layer below",
      "packages/nfqueue/package.json",
      { optionalDependencies: { "@nlring/native": "workspace:*" } },
    ],
    [
      "a peer from above",
      "packages/native/package.json",
      { peerDependencies: { "@nlring/nfqueue": "workspace:*" } },
    ],
    [
      "a dependency of tests on a higher layer",
      "packages/netlink/package.json",
      { devDependencies: { "@nlring/nfqueue": "workspace:*" } },
    ],
    [
      "a dependency on a program",
      "packages/nfqueue/package.json",
      { dependencies: { "@nlring/examples": "workspace:*" } },
    ],
    [
      "a missing dependency",
      "packages/netlink/package.json",
      { dependencies: { "@nlring/ring-core": "workspace:*" } },
    ],
    [
      "a published package in the workspace's place",
      "packages/nfqueue/package.json",
      { dependencies: { "@nlring/netlink": "1.0.0" } },
    ],
    [
      "a dependency of the root, which every package would see",
      "package.json",
      { devDependencies: { "@nlring/native": "workspace:*" } },
    ],
    ["a program that could be published", "apps/examples/package.json", { private: false }],
    [
      "a benchmark that depends on an example",
      "apps/bench/package.json",
      { dependencies: { "@nlring/examples": "workspace:*" } },
    ],
    ["a missing reference", "packages/netlink/tsconfig.json", { references: [{ path: "../ring-core" }] }],
    [
      "a reference to a higher layer",
      "packages/native/tsconfig.json",
      { references: [{ path: "../netlink" }] },
    ],
    [
      "a package that is not compiled with the others",
      "tsconfig.json",
      { references: [{ path: "packages/ring-core" }] },
    ],
  ])("%s is seen", (_, file, change) => {
    const before = readFileSync(join(target, file), "utf8");
    writeFileSync(join(target, file), JSON.stringify({ ...JSON.parse(before), ...change }));
    const violations = manifestViolations(target);
    writeFileSync(join(target, file), before);
    expect(violations).toHaveLength(1);
  });

  test("a package without a layer is seen", () => {
    plant(target, "packages/planted/package.json", "{}");
    plant(target, "packages/planted/tsconfig.json", "{}");
    expect(manifestViolations(target)).toHaveLength(1);
  });

  test.each(packages)("%s is linked to what it depends on, and finds nothing else", async (name) => {
    const folder = join(root, "packages", name);
    const links = join(folder, "node_modules", "@nlring");
    expect(existsSync(links) ? readdirSync(links).toSorted() : []).toEqual(LAYERS[name].toSorted());
    const program = `
      const found = ${JSON.stringify(packages)}.filter((name) => {
        try { return require.resolve("@nlring/" + name); } catch { return false; }
      });
      console.log(found.join());`;
    // Run from the package, whose own name it finds as well; what pnpm's starters put into NODE_PATH would find everything.
    const { output } = await succeed(process.execPath, ["-e", program], {
      cwd: folder,
      env: plainEnvironment(),
    });
    expect(output.trim().split(",").toSorted()).toEqual([name, ...LAYERS[name]].toSorted());
  });
});

test("files are named for what they hold", () => {
  const nameless = /^(utils?|utilities|helpers?|common|misc)(\.|$)/i;
  expect("packages/native/src/utils.ts".split("/").some((part) => nameless.test(part))).toBe(true);
  expect(files.filter((file) => file.split("/").some((part) => nameless.test(part)))).toEqual([]);
});
