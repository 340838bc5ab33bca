import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { candidates, type Surroundings } from "../src/candidates.js";
import { BINDING_VERSION, load, NativeLoadError } from "../src/load.js";

const surroundings: Surroundings = {
  platform: "linux",
  architecture: "arm64",
  libc: "musl",
  named: undefined,
  prebuilds: "/package/prebuilds",
};

/** The error that `action` throws. */
function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("candidates", () => {
  test("the prebuild is the one for this system, processor and C library", () => {
    expect(candidates(surroundings)).toEqual([{ path: "/package/prebuilds/linux-arm64-musl/nlring.node" }]);
  });

  test("a named file is the only one that is tried", () => {
    expect(candidates({ ...surroundings, named: "/build/nlring.node" })).toEqual([
      { path: "/build/nlring.node" },
    ]);
  });

  test("a relative name means the working directory, not the package's own folder", () => {
    expect(candidates({ ...surroundings, named: "build/nlring.node" })).toEqual([
      { path: join(process.cwd(), "build/nlring.node") },
    ]);
  });

  test("an empty name counts as none", () => {
    expect(candidates({ ...surroundings, named: "" })).toEqual(candidates(surroundings));
  });

  test("looking for the prebuild leaves the process's report settings as they were", () => {
    const report: object = process.report ?? {};
    const before = { ...report };
    candidates();
    expect({ ...report }).toEqual(before);
  });

  test("without arguments there is a prebuild path of the running system", () => {
    expect(candidates()[0]?.path).toContain(`${process.platform}-${process.arch}-`);
  });
});

describe("load", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "nlring-load-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("the error names every path with its reason, and says what to do", () => {
    const missing = join(folder, "missing.node");
    const broken = join(folder, "broken.node");
    writeFileSync(broken, "no shared object");
    const error = thrownBy(() => load([{ path: missing }, { path: broken }], "linux"));
    expect(error).toBeInstanceOf(NativeLoadError);
    expect(error).toMatchObject({ name: "NativeLoadError", code: "ERR_NATIVE_LOAD" });
    if (!(error instanceof NativeLoadError)) return;
    expect(error.tried.map(({ path }) => path)).toEqual([missing, broken]);
    for (const { path, reason } of error.tried) {
      expect(reason).not.toBe("");
      expect(error.message).toContain(`${path}: ${reason}`);
    }
    expect(error.message).toContain("NLRING_NATIVE");
  });

  test("a reason is one line", () => {
    const error = thrownBy(() => load([{ path: join(folder, "missing.node") }], "linux"));
    expect(error instanceof NativeLoadError && error.tried[0]?.reason).not.toContain("\n");
  });

  test("an addon of another binding version is refused by its number", () => {
    const path = join(folder, "other.cjs");
    writeFileSync(path, "exports.version = 0;");
    const error = thrownBy(() => load([{ path }], "linux"));
    expect(error instanceof NativeLoadError && error.tried[0]?.reason).toContain("version 0");
  });

  test("a file that is no addon at all is refused, not run into", () => {
    const path = join(folder, "nothing.cjs");
    writeFileSync(path, "module.exports = undefined;");
    expect(thrownBy(() => load([{ path }], "linux"))).toBeInstanceOf(NativeLoadError);
  });

  test("the next candidate is tried when one fails", () => {
    const path = join(folder, "nlring.cjs");
    writeFileSync(
      path,
      `exports.version = ${BINDING_VERSION}; exports.layout = {}; exports.Socket = class {};`,
    );
    const addon = load([{ path: join(folder, "missing.node") }, { path }], "linux");
    expect(addon.version).toBe(BINDING_VERSION);
  });

  test("elsewhere than on Linux nothing is tried and the memory transport is named", () => {
    for (const platform of ["darwin", "win32", "freebsd"]) {
      const error = thrownBy(() => load([{ path: join(folder, "missing.node") }], platform));
      expect(error).toBeInstanceOf(NativeLoadError);
      expect(error).toMatchObject({ tried: [] });
      expect(String(error)).toContain(platform);
      expect(String(error)).toContain("@nlring/netlink/testing");
    }
  });
});
