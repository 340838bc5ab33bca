import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { downloadedHeaders, findCompiler, findHeaders, installedHeaders, target } from "../build.mjs";
import { candidates } from "../src/candidates.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nlring-build-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A folder of headers as far as the search looks. */
function headers(name: string): string {
  const include = join(folder, name);
  mkdirSync(include, { recursive: true });
  for (const header of ["node_api.h", "uv.h"]) writeFileSync(join(include, header), "");
  return include;
}

describe("Node's headers", () => {
  test("those beside the program come first, and nothing is downloaded", () => {
    const download = vi.fn();
    const installed = headers("installed");
    expect(findHeaders({ installed, downloaded: headers("downloaded"), download })).toBe(installed);
    expect(download).not.toHaveBeenCalled();
  });

  test("those of an earlier download are taken without another", () => {
    const download = vi.fn();
    const downloaded = headers("downloaded");
    expect(findHeaders({ installed: join(folder, "none"), downloaded, download })).toBe(downloaded);
    expect(download).not.toHaveBeenCalled();
  });

  test("they are downloaded where this Node came without", () => {
    const downloaded = join(folder, "downloaded");
    const download = vi.fn(() => {
      headers("downloaded");
    });
    expect(findHeaders({ installed: join(folder, "none"), downloaded, download })).toBe(downloaded);
    expect(download).toHaveBeenCalledTimes(1);
  });

  test("the error names both places and what to do", () => {
    const installed = join(folder, "installed");
    const downloaded = join(folder, "downloaded");
    const search = (): string => findHeaders({ installed, downloaded, download: () => undefined });
    expect(search).toThrow(installed);
    expect(search).toThrow(downloaded);
    expect(search).toThrow("Install Node with its headers");
  });

  test("a folder without libuv's header is not enough", () => {
    const installed = headers("installed");
    rmSync(join(installed, "uv.h"));
    const downloaded = headers("downloaded");
    expect(findHeaders({ installed, downloaded, download: () => undefined })).toBe(downloaded);
  });

  test("npm's nodedir changes nothing", () => {
    const elsewhere = headers("elsewhere/include/node");
    for (const name of ["npm_config_nodedir", "npm_package_config_node_gyp_nodedir", "NPM_CONFIG_NODEDIR"]) {
      vi.stubEnv(name, join(folder, "elsewhere"));
    }
    const downloaded = headers("downloaded");
    const found = findHeaders({ installed: join(folder, "none"), downloaded, download: () => undefined });
    expect(found).toBe(downloaded);
    expect(installedHeaders()).not.toBe(elsewhere);
  });

  test("the program's own folder is looked for behind a symbolic link", () => {
    mkdirSync(join(folder, "node-20/bin"), { recursive: true });
    writeFileSync(join(folder, "node-20/bin/node"), "");
    symlinkSync(join(folder, "node-20/bin/node"), join(folder, "node"));
    expect(installedHeaders(join(folder, "node"))).toMatch(/node-20\/include\/node$/);
  });

  test("the download's folder is node-gyp's own cache, by version", () => {
    expect(downloadedHeaders("20.19.0", "/home/user")).toBe(
      "/home/user/.cache/node-gyp/20.19.0/include/node",
    );
  });
});

describe("the compiler", () => {
  test("may be a command of several words", () => {
    expect(findCompiler(`${process.execPath}  --no-warnings`)).toEqual([process.execPath, "--no-warnings"]);
  });

  test("that is named is the only one, and the error names it", () => {
    expect(() => findCompiler("no-such-compiler")).toThrow("tried no-such-compiler. Install g++");
  });
});

test("the build writes to the folder that the loader looks in", () => {
  expect(candidates()[0]?.path).toContain(`/prebuilds/${target()}/nlring.node`);
});
