// Copies of the checkout in which violations can be planted.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "../setup.mjs";
import { succeed } from "./processes.mjs";

/** A new folder outside the checkout, which may be read-only. */
export function temporaryFolder(purpose) {
  // By its real name: paths are compared with what the loader makes of them.
  return realpathSync(mkdtempSync(join(tmpdir(), `nlring-${purpose}-`)));
}

/**
 * Paths of all files that are tracked or could be: everything that .gitignore does not name. An empty repository of its own does the
 * listing, so that a checkout of another user, or an archive without history, is listed as well.
 */
export async function sourceFiles(scratch) {
  const repository = join(scratch, "listing.git");
  await succeed("git", ["init", "--quiet", "--bare", repository]);
  const { output } = await succeed("git", [
    `--git-dir=${repository}`,
    `--work-tree=${root}`,
    ...["ls-files", "-z", "--others", "--exclude-standard"],
  ]);
  return output.split("\0").filter((path) => path !== "");
}

/** Copies the given files into `target` and links the dependencies just as pnpm linked them. */
export function copyCheckout(files, target) {
  for (const file of files) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    copyFileSync(join(root, file), join(target, file));
  }
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
  for (const folder of memberFolders()) {
    const scope = join(folder, "node_modules", "@nlring");
    if (!existsSync(join(root, scope))) continue;
    mkdirSync(join(target, scope), { recursive: true });
    for (const name of readdirSync(join(root, scope))) {
      symlinkSync(readlinkSync(join(root, scope, name)), join(target, scope, name));
    }
  }
}

/** The folders of the workspace's members, relative to its root. */
export function memberFolders(base = root) {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(base, group))
      .map((name) => join(group, name))
      .filter((folder) => existsSync(join(base, folder, "package.json"))),
  );
}
