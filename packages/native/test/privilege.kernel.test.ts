import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { mapped, message, NETLINK_ROUTE, native, runFixture, SOL_NETLINK } from "./sandbox.js";

const NETLINK_LISTEN_ALL_NSID = 8;
const RTNLGRP_LINK = 1;
const REQUEST_WITH_ACK = 5;

function thrownCode(action: () => void): string {
  try {
    action();
    return "";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** RTM_NEWNSID: gives the network namespace of a process an id in this one. */
function nameNamespace(processId: number, id: number): Uint8Array {
  const RTM_NEWNSID = 88;
  const payload = new Uint8Array(20);
  // struct rtgenmsg, padded; then NETNSA_NSID and NETNSA_PID.
  new Uint16Array(payload.buffer, 4, 2).set([8, 1]);
  new Uint32Array(payload.buffer, 8, 1)[0] = id;
  new Uint16Array(payload.buffer, 12, 2).set([8, 2]);
  new Uint32Array(payload.buffer, 16, 1)[0] = processId;
  return message(RTM_NEWNSID, REQUEST_WITH_ACK, 1, payload);
}

/** RTM_SETLINK: sets IFF_UP of the interface 1. */
function setLoopback(up: boolean): Uint8Array {
  const RTM_SETLINK = 19;
  const payload = new Uint8Array(16);
  new Uint32Array(payload.buffer, 4, 3).set([1, up ? 1 : 0, 1]);
  return message(RTM_SETLINK, REQUEST_WITH_ACK, 1, payload);
}

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
    expect(results["allNamespaces"]).toMatchObject({
      syscall: "setsockopt",
      option: "NETLINK_LISTEN_ALL_NSID",
    });
    expect(["EPERM", "ENOPROTOOPT"]).toContain(results["allNamespaces"]?.code);
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

  test("is told by its id in the gid field where the socket listens to all", async (context) => {
    const listener = mapped(NETLINK_ROUTE);
    const child = await another();
    const there = new native.Socket(NETLINK_ROUTE, `/proc/${child.pid}/ns/net`);
    try {
      const known = !thrownCode(() => listener.socket.setOption(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1));
      requireKernel(context, known, "NETLINK_LISTEN_ALL_NSID came with Linux 4.2");
      expect(listener.socket.getOption(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID)).toBe(1);
      there.bind(0, 0);
      listener.socket.addMembership(RTNLGRP_LINK);
      listener.socket.send(nameNamespace(child.pid ?? 0, 7));
      there.send(setLoopback(true));
      const here = new native.Socket(NETLINK_ROUTE);
      here.bind(0, 0);
      here.send(setLoopback(false));
      here.send(setLoopback(true));
      here.close();
      // The first is the answer to the naming, which is no multicast and has no namespace.
      expect(listener.socket.fill(16)).toBeGreaterThanOrEqual(3);
      expect(listener.rx.header(0)).toMatchObject({ group: 0, gid: 0xffff_ffff });
      expect(listener.rx.header(1)).toMatchObject({ group: RTNLGRP_LINK, gid: 7 });
      expect(listener.rx.header(2)).toMatchObject({ group: RTNLGRP_LINK, gid: 0xffff_ffff });
    } finally {
      listener.socket.close();
      there.close();
      child.stdin?.end();
      await once(child, "close");
    }
  });
});
