import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A file that may be the addon. */
export interface Candidate {
  readonly path: string;
}

/** What the choice depends on. */
export interface Surroundings {
  readonly platform: string;
  readonly architecture: string;
  readonly libc: "glibc" | "musl";
  /** The file that the environment variable NLRING_NATIVE names, relative to the working directory. */
  readonly named: string | undefined;
  /** Folder that holds the prebuilds. */
  readonly prebuilds: string;
}

/** The files to try, in order. A named file is the only one: what was asked for must not be passed over silently. */
export function candidates(surroundings: Surroundings = currentSurroundings()): Candidate[] {
  const { platform, architecture, libc, named, prebuilds } = surroundings;
  if (named !== undefined && named !== "") return [{ path: resolve(named) }];
  return [{ path: join(prebuilds, `${platform}-${architecture}-${libc}`, "nlring.node") }];
}

function currentSurroundings(): Surroundings {
  return {
    platform: process.platform,
    architecture: process.arch,
    libc: currentLibc(),
    named: process.env["NLRING_NATIVE"],
    prebuilds: fileURLToPath(new URL("../prebuilds/", import.meta.url)),
  };
}

function currentLibc(): "glibc" | "musl" {
  const { report } = process;
  if (report === undefined) return "glibc";
  // Resolving the names of open connections can take seconds and is not asked for here; the setting is the whole
  // process's, so it is put back.
  const excludeNetwork: unknown = Reflect.get(report, "excludeNetwork");
  Object.assign(report, { excludeNetwork: true });
  const written: unknown = report.getReport();
  Object.assign(report, { excludeNetwork });
  if (typeof written !== "object" || written === null || !("header" in written)) return "glibc";
  const { header } = written;
  return typeof header === "object" && header !== null && "glibcVersionRuntime" in header ? "glibc" : "musl";
}
