import { createRequire } from "node:module";
import type { NativeAddon } from "./binding.js";
import { type Candidate, candidates } from "./candidates.js";

/** The binding version that this code calls; cpp/addon.cc has the other one. Exported for its test. */
export const BINDING_VERSION = 6;

/** One file that was tried, and what came of it. */
export interface LoadAttempt {
  readonly path: string;
  readonly reason: string;
}

/** The addon could not be loaded. `code` is ERR_NATIVE_LOAD; `tried` has each path with its reason. */
export class NativeLoadError extends Error {
  readonly code = "ERR_NATIVE_LOAD";
  readonly tried: readonly LoadAttempt[];

  constructor(tried: readonly LoadAttempt[], advice: string) {
    const paths = tried.map(({ path, reason }) => `\n  ${path}: ${reason}`).join("");
    super(`the native part of nlring could not be loaded.${paths}\n${advice}`);
    this.name = "NativeLoadError";
    this.tried = tried;
  }
}

let loaded: NativeAddon | undefined;

/** Loads the addon, once per thread. Throws NativeLoadError. */
export function loadNative(): NativeAddon {
  loaded ??= load(candidates());
  return loaded;
}

/** Loads the first candidate that can be loaded; exported for its test. */
export function load(list: readonly Candidate[], platform: string = process.platform): NativeAddon {
  if (platform !== "linux") {
    throw new NativeLoadError(
      [],
      `Netlink exists on Linux only, and this is ${platform}. The memory transport of @nlring/netlink/testing runs anywhere.`,
    );
  }
  const require = createRequire(import.meta.url);
  const tried: LoadAttempt[] = [];
  for (const { path } of list) {
    let addon: NativeAddon | undefined;
    try {
      // The one place where the addon's shape is taken on trust: the version it was built for says that it has it.
      addon = require(path) as NativeAddon | undefined;
    } catch (error) {
      tried.push({
        path,
        reason: error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error),
      });
      continue;
    }
    if (addon?.version === BINDING_VERSION) return addon;
    tried.push({
      path,
      reason: `has version ${addon?.version} of the binding where version ${BINDING_VERSION} is needed`,
    });
  }
  throw new NativeLoadError(
    tried,
    "Reinstall @nlring/native for this platform, or build it in a checkout of the project with `npm run build` and name the file in NLRING_NATIVE.",
  );
}
