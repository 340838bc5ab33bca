import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import {
  KernelError,
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Outgoing,
  type SocketOptions,
  SystemError,
  TransportError,
} from "@nlring/netlink";
import { afterEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import {
  IFLA_MTU,
  LOOPBACK,
  listLinks,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
  RTNLGRP_LINK,
  readLink,
  setLoopback,
  writeLinkHeader,
} from "./links.js";
import { PeerSocket } from "./peer-socket.js";

const NETLINK_EXT_ACK = 11;

const open: NetlinkSocket[] = [];

async function openSocket(protocol: number, options: SocketOptions = {}): Promise<NetlinkSocket> {
  const socket = await NetlinkSocket.open(protocol, options);
  open.push(socket);
  return socket;
}

afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise resolved");
}

function knowsExtendedAck(): boolean {
  const socket = new PeerSocket(NETLINK_ROUTE);
  try {
    return socket.knowsOption(NETLINK_EXT_ACK);
  } finally {
    socket.close();
  }
}

describe("requests to the kernel", () => {
  test("a dump lists the links", async () => {
    const links = await listLinks(await openSocket(NETLINK_ROUTE));
    expect(links).toContainEqual(expect.objectContaining({ index: LOOPBACK, name: "lo", mtu: 65_536 }));
  });

  test("a request has its effect, which the next one sees", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    for (const up of [true, false, true]) {
      await setLoopback(socket, up);
      expect(await listLinks(socket)).toContainEqual(expect.objectContaining({ name: "lo", up }));
    }
  });

  test("a dump comes whole through frames that are smaller than its chunks", async () => {
    const small = await openSocket(NETLINK_ROUTE, { ring: { frameSize: 4096, frameCount: 2 } });
    expect(await listLinks(small)).toEqual(await listLinks(await openSocket(NETLINK_ROUTE)));
  });

  test("an error has the kernel's code, number and request", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    const request = socket.request({
      type: RTM_GETLINK,
      write: (writer) => writeLinkHeader(writer, 0x7fff_ff00),
    });
    const error = await rejection(request);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "ENODEV", errno: -19, requestType: RTM_GETLINK });
  });

  test("an unknown generic family is ENOENT", async () => {
    const CONTROL = 0x10;
    const GET_FAMILY = 3;
    const FAMILY_NAME = 2;
    const socket = await openSocket(NETLINK_GENERIC);
    const request = socket.request({
      type: CONTROL,
      write: (writer) =>
        writer.uint8(GET_FAMILY).uint8(1).uint16(0).attributeString(FAMILY_NAME, "no-such-family"),
    });
    expect(await rejection(request)).toMatchObject({ code: "ENOENT", errno: -2 });
  });

  test("several in one send reject with the first error in their order, and the others have their effect", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    await setLoopback(socket, false);
    const missing: Outgoing = { type: RTM_GETLINK, write: (writer) => writeLinkHeader(writer, 0x7fff_ff00) };
    const invalid = { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL };
    const raise: Outgoing = { type: RTM_SETLINK, write: (writer) => writeLinkHeader(writer, LOOPBACK, 1, 1) };
    expect(await rejection(socket.request([missing, invalid, raise]))).toMatchObject({ code: "ENODEV" });
    expect(await listLinks(socket)).toContainEqual(expect.objectContaining({ name: "lo", up: true }));
  });

  test("one without an ACK resolves, and rejects where the kernel complains", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    await setLoopback(socket, true);
    const lower = (index: number): Promise<unknown> =>
      socket.request({
        type: RTM_SETLINK,
        acknowledge: false,
        write: (writer) => writeLinkHeader(writer, index, 0, 1),
      });
    await lower(LOOPBACK);
    expect(await listLinks(socket)).toContainEqual(expect.objectContaining({ name: "lo", up: false }));
    expect(await rejection(lower(0x7fff_ff00))).toMatchObject({ code: "ENODEV" });
  });

  test("an error says in words and by offset what the kernel refused", async (context) => {
    requireKernel(context, knowsExtendedAck(), "extended ACK came with Linux 4.12");
    const socket = await openSocket(NETLINK_ROUTE);
    const request = socket.request({
      type: RTM_SETLINK,
      // One byte where the kernel's policy wants four.
      write: (writer) => writeLinkHeader(writer, LOOPBACK).attributeUint8(IFLA_MTU, 1),
    });
    const error = await rejection(request);
    expect(error).toMatchObject({ kernelText: expect.stringMatching(/\w+ \w+/), offset: 32 });
    expect(error).toMatchObject({ message: expect.stringContaining("at byte 32 of the request") });
  });

  test("without CAP_NET_ADMIN is EPERM", (context) => {
    const script = fileURLToPath(new URL("fixtures/unprivileged.mjs", import.meta.url));
    // Another user namespace has no power over this network namespace.
    let child = spawnSync("unshare", ["--user", process.execPath, script], { encoding: "utf8" });
    if (child.status !== 0 && process.getuid?.() === 0) {
      child = spawnSync(process.execPath, [script], { encoding: "utf8", uid: 65_534, gid: 65_534 });
    }
    requireKernel(
      context,
      child.status === 0,
      `no process without privilege can be made here: ${child.stderr}`,
    );
    expect(child.stdout).toBe("KernelError EPERM -1");
  });
});

describe("events", () => {
  test("of a group reach the reader with its number; answers do not", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    await setLoopback(socket, false);
    socket.addMembership(RTNLGRP_LINK);
    await setLoopback(socket, true);
    const event = socket.take();
    if (event === undefined) throw new Error("no event came");
    expect(event).toMatchObject({ type: RTM_NEWLINK, group: RTNLGRP_LINK, senderPort: 0 });
    expect(readLink(event)).toMatchObject({ name: "lo", up: true });
    for (let next = socket.take(); next !== undefined; next = socket.take()) next.release();
    socket.dropMembership(RTNLGRP_LINK);
    await setLoopback(socket, false);
    expect(socket.take()).toBeUndefined();
  });

  test("that carry the numbers of the request which caused them are no answers to it", async () => {
    const RTM_NEWADDR = 20;
    const RTM_DELADDR = 21;
    const RTNLGRP_IPV4_IFADDR = 5;
    const socket = await openSocket(NETLINK_ROUTE);
    socket.addMembership(RTNLGRP_IPV4_IFADDR);
    const change = (type: number, flags: number, visit: () => void): Promise<unknown> =>
      socket.request(
        {
          type,
          flags,
          // struct ifaddrmsg: family, prefix length, flags, scope, index; then IFA_LOCAL.
          write: (writer) =>
            writer
              .uint8(2)
              .uint8(32)
              .uint8(0)
              .uint8(0)
              .uint32(LOOPBACK)
              .attributeUint32Network(2, 0x7f09_0909),
        },
        { visit },
      );
    let visited = 0;
    const visit = (): void => {
      visited++;
    };
    await change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, visit);
    await change(RTM_DELADDR, 0, visit);
    const events = [socket.take(), socket.take()];
    expect(events.map((event) => event?.type)).toEqual([RTM_NEWADDR, RTM_DELADDR]);
    expect(events[0]?.portId).toBe(socket.portId);
    expect(events[0]?.sequence).toBeGreaterThan(0);
    expect(visited).toBe(0);
  });

  test("that find the receive buffer full are counted, the reply among them is known lost, and the socket goes on", async () => {
    // The user ring on every kernel: in a mapped ring it is frames that run out, which the stand-in's tests play.
    const socket = await openSocket(NETLINK_ROUTE, { receiveBuffer: 8192, transport: "user-ring" });
    const other = await openSocket(NETLINK_ROUTE);
    socket.addMembership(RTNLGRP_LINK);
    for (let i = 0; i < 20; i++) {
      await setLoopback(other, true);
      await setLoopback(other, false);
    }
    const lost = await rejection(setLoopback(socket, true));
    expect(lost).toMatchObject({ code: "ERR_REPLY_LOST" });
    expect(socket.statistics.overruns).toBeGreaterThanOrEqual(1);
    const { drops } = socket.statistics;
    if (drops !== undefined) expect(drops).toBeGreaterThan(20);
    // Lost was the reply, not the request.
    expect(await listLinks(other)).toContainEqual(expect.objectContaining({ name: "lo", up: true }));
    await setLoopback(socket, false);
    let received = 0;
    for (let event = socket.take(); event !== undefined; event = socket.take()) {
      received++;
      event.release();
    }
    expect(received).toBeGreaterThan(0);
  });

  test("a group that the protocol has not is refused by name", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    const join = (): void => socket.addMembership(100_000);
    expect(join).toThrow(SystemError);
    expect(join).toThrow(expect.objectContaining({ code: "EINVAL", syscall: "setsockopt" }));
    expect(join).toThrow(/NETLINK_ADD_MEMBERSHIP/);
  });
});

describe("transports", () => {
  test("auto takes the kernel's ring where it can be had, else the user ring, and says why", async () => {
    const { transport } = await openSocket(NETLINK_ROUTE);
    const mapped = transport.kind === "kernel-ring";
    expect(["kernel-ring", "user-ring"]).toContain(transport.kind);
    expect(transport.reason).toMatch(mapped ? /maps netlink rings/ : /NETLINK_RX_RING with E[A-Z]+/);
  });

  test("kernel-ring is had, or names what was asked and what the kernel said", async () => {
    const outcome = await openSocket(NETLINK_ROUTE, { transport: "kernel-ring" }).catch(
      (error: unknown) => error,
    );
    if (outcome instanceof NetlinkSocket) {
      expect(outcome.transport.kind).toBe("kernel-ring");
      return;
    }
    expect(outcome).toBeInstanceOf(TransportError);
    if (!(outcome instanceof TransportError)) return;
    // EPERM is what the mapped era says to all but the initial user namespace's root.
    expect(["ENOPROTOOPT", "EPERM"]).toContain(outcome.code);
    expect(outcome).toMatchObject({ syscall: "setsockopt", errno: outcome.code === "EPERM" ? -1 : -92 });
    expect(outcome.message).toContain(`NETLINK_RX_RING with ${outcome.code}`);
  });

  test("a receive buffer that was asked for is told as it came", async () => {
    const socket = await openSocket(NETLINK_ROUTE, { receiveBuffer: 65_536 });
    expect(socket.receiveBuffer).toBe(65_536);
  });

  test("a protocol that the kernel has not is EPROTONOSUPPORT", async () => {
    expect(await rejection(openSocket(31))).toMatchObject({ code: "EPROTONOSUPPORT", syscall: "socket" });
  });
});

describe("a network namespace", () => {
  test("is entered by path, for the socket alone", async () => {
    const own = await openSocket(NETLINK_ROUTE);
    await setLoopback(own, true);
    const holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      // Its echo says that the namespace is there.
      holder.stdin.write("ready\n");
      await once(holder.stdout, "data");
      const there = await openSocket(NETLINK_ROUTE, { namespace: `/proc/${holder.pid}/ns/net` });
      const links = await listLinks(there);
      expect(links).toContainEqual(expect.objectContaining({ name: "lo", up: false }));
      expect(await listLinks(own)).toContainEqual(expect.objectContaining({ name: "lo", up: true }));
      expect(await listLinks(await openSocket(NETLINK_ROUTE))).toContainEqual(
        expect.objectContaining({ name: "lo", up: true }),
      );
    } finally {
      holder.stdin.end();
      await once(holder, "exit");
    }
  });

  test("that is not there is ENOENT, and one that is none is EINVAL", async () => {
    const missing = await rejection(openSocket(NETLINK_ROUTE, { namespace: "/run/netns/no-such-name" }));
    expect(missing).toBeInstanceOf(SystemError);
    expect(missing).toMatchObject({
      code: "ENOENT",
      syscall: "open",
      message: expect.stringContaining("path"),
    });
    expect(await rejection(openSocket(NETLINK_ROUTE, { namespace: "/dev/null" }))).toMatchObject({
      code: "EINVAL",
      syscall: "setns",
    });
  });
});

describe("the end of a socket", () => {
  test("by abort rejects what is pending with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const socket = await openSocket(NETLINK_ROUTE, { signal: controller.signal });
    const running = rejection(socket.receive(() => {}));
    controller.abort(reason);
    expect(await running).toBe(reason);
    expect(socket.closed).toBe(true);
  });

  test("by a visitor, with a message in hand and others waiting, harms nothing", async () => {
    const socket = await openSocket(NETLINK_ROUTE);
    socket.addMembership(RTNLGRP_LINK);
    const other = await openSocket(NETLINK_ROUTE);
    for (const up of [true, false, true, false]) await setLoopback(other, up);
    let visited = 0;
    await socket.receive((message) => {
      visited++;
      void socket.close();
      message.release();
    });
    expect(visited).toBe(1);
  });
});

describe("a worker thread", () => {
  const script = new URL("fixtures/link-names.mjs", import.meta.url);

  test("has sockets of its own, and ends when they are closed", async () => {
    const worker = new Worker(script);
    expect(await once(worker, "message")).toEqual([expect.arrayContaining(["lo"])]);
    const event = once(worker, "message");
    const socket = await openSocket(NETLINK_ROUTE);
    for (const up of [true, false]) await setLoopback(socket, up);
    expect(await event).toEqual(["event"]);
    worker.postMessage("close");
    expect(await once(worker, "exit")).toEqual([0]);
  });

  test("may be terminated while its socket waits", async () => {
    const worker = new Worker(script);
    await once(worker, "message");
    expect(await worker.terminate()).toBe(1);
    expect(await listLinks(await openSocket(NETLINK_ROUTE))).not.toEqual([]);
  });
});
