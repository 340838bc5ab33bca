import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { NETLINK_ROUTE, native, runFixture } from "./sandbox.js";

describe("without privilege", () => {
  const behind = ["unshare", "--user", "--map-root-user"];

  test("each refusal is a system error that names the call", async (context) => {
    const canLeave = spawnSync(behind[0] ?? "", [...behind.slice(1), "true"]).status === 0;
    requireKernel(context, canLeave, "this machine lets nobody make a user namespace");
    const ended = await runFixture("unprivileged.mjs", [], { behind });
    expect(ended).toMatchObject({ code: 0, signal: null });
    const results: Record<string, { code?: string }> = JSON.parse(ended.output);
    requireKernel(context, results["bind"]?.code !== "EPROTONOSUPPORT", "this kernel has no nfnetlink");
    expect(results["bind"]).toMatchObject({ code: "EPERM", errno: -1, syscall: "bind" });
    expect(results["bind"]).toMatchObject({ message: "bind: EPERM, operation not permitted" });
    expect(results["addMembership"]).toMatchObject({
      code: "EPERM",
      syscall: "setsockopt",
      option: "NETLINK_ADD_MEMBERSHIP",
    });
    expect(["EPERM", "EACCES"]).toContain(results["namespace"]?.code);
    // Where the kernel has rings it wants privilege in the initial namespace; elsewhere it knows no such option.
    expect(["EPERM", "ENOPROTOOPT"]).toContain(results["mapKernelRing"]?.code);
    expect(results["mapKernelRing"]).toMatchObject({ syscall: "setsockopt", option: "NETLINK_RX_RING" });
    // SO_RCVBUFFORCE is refused, and SO_RCVBUF takes its place.
    expect(results["setReceiveBuffer"]).toBe(65_536);
  });
});

describe("another network namespace", () => {
  /** A process in a network namespace of its own. */
  async function another(): Promise<ChildProcess> {
    const path = fileURLToPath(new URL("./fixtures/namespace.mjs", import.meta.url));
    const child = spawn("unshare", ["--net", process.execPath, path], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    return child;
  }

  test("a socket opened in it is there, and the thread is where it was", async () => {
    const child = await another();
    const before = readlinkSync("/proc/thread-self/ns/net");
    const path = `/proc/${child.pid}/ns/net`;
    const descriptor = openSync(path, "r");
    const sockets = [undefined, path, descriptor].map((where) => new native.Socket(NETLINK_ROUTE, where));
    try {
      expect(readlinkSync(path)).not.toBe(before);
      const [here, byPath, byDescriptor] = sockets;
      const port = here?.bind(0, 0) ?? 0;
      // A port is taken in one namespace: that it is free tells that the socket is in another.
      expect(byPath?.bind(port, 0)).toBe(port);
      expect(() => byDescriptor?.bind(port, 0)).toThrow("EADDRINUSE");
      expect(readlinkSync("/proc/thread-self/ns/net")).toBe(before);
    } finally {
      for (const socket of sockets) socket.close();
      closeSync(descriptor);
      child.stdin?.end();
      await once(child, "close");
    }
  });

  test("a socket lives on in it when its last process has ended", async () => {
    const child = await another();
    const socket = new native.Socket(NETLINK_ROUTE, `/proc/${child.pid}/ns/net`);
    child.stdin?.end();
    await once(child, "close");
    expect(socket.bind(0x7654_3210, 0)).toBe(0x7654_3210);
    socket.close();
  });
});
