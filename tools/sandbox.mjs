// A network namespace of its own for whatever touches the kernel, so that no test, demo or benchmark ever meets the host's firewall.
import { spawnSync } from "node:child_process";

const FLAVOURS = {
  /** Root needs no new user namespace, and a mapped kernel gives rings only to the initial one's root. */
  root: ["--net"],
  ordinary: ["--user", "--map-root-user", "--net"],
};

/**
 * The command that runs another one in a sandbox: `{ command, args }`, or `{ reason }` where this machine allows none.
 */
export function sandbox() {
  const isRoot = process.getuid?.() === 0;
  const attempts = isRoot ? [FLAVOURS.root, FLAVOURS.ordinary] : [FLAVOURS.ordinary];
  let reason = "";
  for (const args of attempts) {
    const probe = spawnSync("unshare", [...args, "true"], { encoding: "utf8" });
    if (probe.status === 0) return { command: "unshare", args };
    reason = probe.error === undefined ? probe.stderr.trim() : `unshare: ${probe.error.message}`;
  }
  return {
    reason:
      `no namespace of one's own can be made here (${reason}). User namespaces may be switched off ` +
      "(sysctl kernel.apparmor_restrict_unprivileged_userns, kernel.unprivileged_userns_clone, or a container's seccomp filter): run it with sudo",
  };
}
