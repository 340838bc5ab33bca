// The packages as their users get them: what is in the tarballs, and that programs outside the workspace run, load and compile with them.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sandbox } from "../sandbox.mjs";
import { environment, root } from "../setup.mjs";
import { temporaryFolder } from "./checkout.mjs";
import {
  filesBelow,
  firstExample,
  installWithNpm,
  installWithPnpm,
  PACKAGES,
  packAll,
  unpack,
} from "./consumer.mjs";
import { LAYERS } from "./layers.mjs";
import { execute, plainEnvironment, succeed } from "./processes.mjs";

const scratch = temporaryFolder("pack");
const projects = { npm: join(scratch, "with-npm"), pnpm: join(scratch, "with-pnpm") };
const addon = join("prebuilds", environment().NLRING_TARGET, "nlring.node");
const onLinux = process.platform === "linux";
let tarballs = {};
const unpacked = {};

beforeAll(async () => {
  tarballs = await packAll(scratch);
  for (const name of PACKAGES) unpacked[name] = await unpack(tarballs[name], join(scratch, "unpacked", name));
  await Promise.all([installWithNpm(projects.npm, tarballs), installWithPnpm(projects.pnpm, tarballs)]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const manifestOf = (name) => JSON.parse(readFileSync(join(unpacked[name], "package.json"), "utf8"));

/** What a package can be imported as. */
function entriesOf(name) {
  return Object.keys(manifestOf(name).exports)
    .filter((path) => path !== "./package.json")
    .map((path) => join(`@nlring/${name}`, path));
}

function runProgram(project, ...args) {
  return succeed(process.execPath, args, { cwd: project, env: plainEnvironment() });
}

describe.each(PACKAGES)("the tarball of %s", (name) => {
  test("holds its licence, its README, what runs, and the sources that its maps point to", () => {
    const files = filesBelow(unpacked[name]);
    const wanted = [
      "LICENSE",
      "README.md",
      "package.json",
      "dist/index.js",
      "dist/index.d.ts",
      "src/index.ts",
    ];
    expect(wanted.filter((file) => !files.includes(file))).toEqual([]);
    const maps = files.filter((file) => file.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(0);
    for (const map of maps) {
      const { sources } = JSON.parse(readFileSync(join(unpacked[name], map), "utf8"));
      const missing = sources.filter((source) => !files.includes(join(dirname(map), source)));
      expect(missing, `${map}: sources that are gone`).toEqual([]);
    }
  });

  test("holds nothing of the making", () => {
    const wanted =
      /^(LICENSE|(README|CHANGELOG)\.md|package\.json|dist\/.+\.(js|d\.ts)(\.map)?|src\/.+\.ts|prebuilds\/[^/]+\/nlring\.node)$/;
    const tests = /(^|\/)test\/|\.test\./;
    const files = filesBelow(unpacked[name]);
    expect(files.filter((file) => !wanted.test(file) || tests.test(file))).toEqual([]);
  });

  test("names no place of this machine", () => {
    const place = root.replaceAll(/[^\w/]/g, "\\$&");
    // Where the checkout is /src, a relative ../src/ is no such place.
    const naming = new RegExp(`(?<![\\w./-])${place}|file://${place}`);
    expect(naming.test(`"${root}packages"`)).toBe(true);
    const text = (file) => readFileSync(join(unpacked[name], file), "latin1");
    expect(filesBelow(unpacked[name]).filter((file) => naming.test(text(file)))).toEqual([]);
  });

  test("points to files that are there", () => {
    const targets = Object.values(manifestOf(name).exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    expect(targets.filter((target) => !existsSync(join(unpacked[name], target)))).toEqual([]);
  });

  test("depends on the published packages of its layers and runs no script", () => {
    const manifest = manifestOf(name);
    const wanted = Object.fromEntries(
      LAYERS[name].map((lower) => [`@nlring/${lower}`, manifestOf(lower).version]),
    );
    expect(manifest.dependencies ?? {}).toEqual(wanted);
    expect(JSON.stringify(manifest)).not.toContain("workspace:");
    expect(
      Object.keys(manifest.scripts ?? {}).filter((script) => /install|prepare|prepublish/.test(script)),
    ).toEqual([]);
    expect(manifest).not.toHaveProperty("os");
  });

  test("satisfies publint", async () => {
    await succeed("publint", ["run", tarballs[name], "--strict"]);
  });

  test("has types that resolve as its code does", async () => {
    await succeed("attw", [
      "--profile",
      "esm-only",
      "--no-definitely-typed",
      "--no-emoji",
      "--no-color",
      tarballs[name],
    ]);
  });
});

describe("the tarball of native, which npm must not compile", () => {
  test.runIf(onLinux)("holds the addon for this machine", () => {
    expect(filesBelow(unpacked.native)).toContain(addon);
  });

  test("tells npm so", () => {
    expect(filesBelow(unpacked.native).filter((file) => /\.gypi?$/.test(file))).toEqual([]);
    expect(manifestOf("native")).toMatchObject({ gypfile: false });
  });
});

describe.each(Object.keys(projects))("installed with %s", (manager) => {
  const project = projects[manager];

  test("every entry can be imported, and required as well", async () => {
    const entries = PACKAGES.flatMap(entriesOf);
    expect(entries.length).toBeGreaterThanOrEqual(PACKAGES.length);
    writeFileSync(
      join(project, "import.mjs"),
      `${entries.map((entry) => `import "${entry}";`).join("\n")}\n`,
    );
    await runProgram(project, "import.mjs");
    const list = JSON.stringify(entries);
    const program = `for (const name of ${list}) if (Object.keys(require(name)).length === 0) throw new Error(name + " is empty");`;
    writeFileSync(join(project, "require.cjs"), program);
    await runProgram(project, "require.cjs");
  });

  test("comes from the tarballs", async () => {
    writeFileSync(join(project, "where.mjs"), 'console.log(import.meta.resolve("@nlring/nfqueue"));\n');
    const { output } = await runProgram(project, "where.mjs");
    expect(output).toContain(pathToFileURL(join(project, "node_modules")).href);
  });

  test("the README's first example runs, unchanged", async ({ skip }) => {
    const skipOrFail = (reason) => {
      if (process.env.KERNEL_TESTS === "required") throw new Error(reason);
      skip(reason);
    };
    const where = sandbox();
    if (where.command === undefined) skipOrFail(where.reason);
    writeFileSync(join(project, "example.mjs"), firstExample());
    copyFileSync(new URL("example-driver.mjs", import.meta.url), join(project, "driver.mjs"));
    const { output } = await succeed(where.command, [...where.args, process.execPath, "driver.mjs"], {
      cwd: project,
      env: plainEnvironment(),
      limit: 60_000,
    });
    const seen = JSON.parse(output);
    if (seen.unsupported !== undefined) skipOrFail(seen.unsupported);
    const quiet = [...Array.from({ length: 10 }, (_, at) => `hello ${2 * at}`), "end"];
    expect(seen.delivered).toEqual(
      existsSync("/proc/net/if_inet6") ? { udp4: quiet, udp6: quiet } : { udp4: quiet },
    );
    expect({ code: seen.code, signal: seen.signal }).toEqual({ code: 0, signal: null });
    const count = (field) => Number(new RegExp(`\\b${field}: (\\d+)`).exec(seen.output)?.[1]);
    const families = Object.keys(seen.delivered).length;
    expect(count("received")).toBeGreaterThanOrEqual(21 * families);
    expect(count("dropped")).toBeGreaterThanOrEqual(10 * families);
    expect(count("accepted") + count("dropped")).toBe(count("received"));
    expect([count("undecided"), count("handlerErrors")]).toEqual([0, 0]);
  });
});

test("ring-core is installed alone", async () => {
  const project = await installWithNpm(join(scratch, "ring-core-alone"), {
    "ring-core": tarballs["ring-core"],
  });
  const installed = readdirSync(join(project, "node_modules")).filter(
    (name) => name !== ".package-lock.json",
  );
  expect(installed).toEqual(["@nlring"]);
  expect(readdirSync(join(project, "node_modules", "@nlring"))).toEqual(["ring-core"]);
  writeFileSync(
    join(project, "program.mjs"),
    'import { FrameStatus } from "@nlring/ring-core";\nconsole.log(typeof FrameStatus);\n',
  );
  expect((await runProgram(project, "program.mjs")).output).toBe("object\n");
});

test.runIf(onLinux)("without an addon native can be imported, and says where it looked", async () => {
  const project = join(scratch, "without-addon");
  const native = join(project, "node_modules", "@nlring", "native");
  mkdirSync(dirname(native), { recursive: true });
  cpSync(join(projects.npm, "node_modules", "@nlring", "native"), native, { recursive: true });
  rmSync(join(native, "prebuilds"), { recursive: true });
  const program = `
    import { loadNative, NativeLoadError } from "@nlring/native";
    try {
      loadNative();
    } catch (error) {
      const { code, message, tried } = error;
      console.log(JSON.stringify({ typed: error instanceof NativeLoadError, code, message, paths: tried.map(({ path }) => path) }));
    }`;
  writeFileSync(join(project, "program.mjs"), program);
  const error = JSON.parse((await runProgram(project, "program.mjs")).output);
  expect(error).toMatchObject({ typed: true, code: "ERR_NATIVE_LOAD" });
  expect(error.paths).toContain(join(native, addon));
  for (const path of error.paths) expect(error.message).toContain(path);
});

describe("a TypeScript project that checks its libraries", () => {
  const project = projects.npm;

  async function compile(program) {
    writeFileSync(join(project, "program.mts"), program);
    const compilerOptions = {
      ...{ module: "nodenext", target: "es2022", strict: true, skipLibCheck: false, noEmit: true },
      ...{ types: ["node"], typeRoots: [join(root, "node_modules", "@types")] },
    };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["program.mts"] }),
    );
    return execute("tsc", ["-p", project, "--pretty", "false"], { cwd: project });
  }

  test("compiles the README's first example, and an import of every entry", async () => {
    const imports = PACKAGES.flatMap(entriesOf).map(
      (entry, at) => `export * as entry${at} from "${entry}";\n`,
    );
    expect(await compile(firstExample() + imports.join(""))).toMatchObject({ code: 0, output: "" });
  });

  test("is told of a misuse", async () => {
    const program = 'import { NfQueue } from "@nlring/nfqueue";\nawait NfQueue.open("0");\n';
    expect((await compile(program)).output).toMatch(/^program\.mts\(2,20\): error TS2345/);
  });
});
