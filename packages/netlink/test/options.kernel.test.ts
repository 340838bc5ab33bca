import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  errorNumber,
  KernelError,
  type Message,
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  type SocketOptions,
  SystemError,
  TransportError,
} from "@nlring/netlink";
import { afterEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { openKnown, startFixture } from "./inherited-socket.js";
import { RTM_GETLINK, RTNLGRP_LINK, setLoopback, writeLinkHeader } from "./links.js";
import { pattern, rejection, takeAll } from "./memory-socket.js";
import { PeerSocket } from "./peer-socket.js";

const SOL_NETLINK = 270;
const NETLINK_BROADCAST_ERROR = 4;
const NETLINK_LISTEN_ALL_NSID = 8;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const RTM_GETADDR = 22;
const NO_SUCH_LINK = 0x7fff_ff00;

const opened: { close(): unknown }[] = [];

async function openSocket(protocol: number, options: SocketOptions = {}): Promise<NetlinkSocket> {
  const socket = await NetlinkSocket.open(protocol, options);
  opened.push(socket);
  return socket;
}

function openPeer(protocol: number): PeerSocket {
  const peer = new PeerSocket(protocol);
  opened.push(peer);
  return peer;
}

function kernelKnows(option: number): boolean {
  return openPeer(NETLINK_ROUTE).knowsOption(option);
}

async function takeNext(from: NetlinkSocket): Promise<Message> {
  for (;;) {
    const message = from.take();
    if (message !== undefined) return message;
    await from.readable();
  }
}

afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
});

describe("strict", () => {
  /** Lists addresses by a header (struct ifaddrmsg) with a prefix length and an interface; how many came. */
  async function listAddresses(socket: NetlinkSocket, prefixLength: number, index: number): Promise<number> {
    let count = 0;
    const write = (writer: Parameters<typeof writeLinkHeader>[0]): unknown =>
      writer.uint8(0).uint8(prefixLength).uint8(0).uint8(0).uint32(index);
    const visit = (): void => {
      count++;
    };
    await socket.request({ type: RTM_GETADDR, flags: NLM_F_DUMP, write }, { visit });
    return count;
  }

  test("has a dump's header select, which is passed over otherwise", async (context) => {
    requireKernel(context, kernelKnows(NETLINK_GET_STRICT_CHK), "strict checking came with Linux 4.20");
    const lenient = await openSocket(NETLINK_ROUTE);
    const strict = await openSocket(NETLINK_ROUTE, { strict: true });
    await setLoopback(lenient, true);
    expect(await listAddresses(lenient, 0, NO_SUCH_LINK)).toBeGreaterThan(0);
    expect(await rejection(listAddresses(strict, 0, NO_SUCH_LINK))).toMatchObject({ code: "ENODEV" });
    expect(await listAddresses(strict, 0, 1)).toBeGreaterThan(0);
  });

  test("has a dump with an invalid header refused, in words", async (context) => {
    requireKernel(context, kernelKnows(NETLINK_GET_STRICT_CHK), "strict checking came with Linux 4.20");
    const refused = async (options: SocketOptions): Promise<unknown> =>
      rejection(listAddresses(await openSocket(NETLINK_ROUTE, { strict: true, ...options }), 8, 0));
    const error = await refused({});
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "EINVAL", kernelText: expect.stringContaining("header") });
    // The same without the extended ACK.
    expect(await refused({ extendedAck: false })).toMatchObject({ code: "EINVAL", kernelText: undefined });
  });
});

describe("shortErrors", () => {
  const PADDING = 40;

  /** Bytes of the error about a composed request, the words of the extended ACK left out. */
  async function lengthOfError(options: SocketOptions): Promise<number> {
    const socket = await openSocket(NETLINK_ROUTE, { extendedAck: false, ...options });
    const writer = socket.compose(RTM_GETLINK, NLM_F_REQUEST, 16 + PADDING);
    writeLinkHeader(writer, NO_SUCH_LINK);
    // An attribute of a type that nobody has.
    writer.attributeBytes(0x3000, pattern(PADDING - 4));
    socket.commit();
    const message = await takeNext(socket);
    expect(message.type).toBe(NLMSG_ERROR);
    expect(errorNumber(message)).toBeLessThan(0);
    return message.end - message.offset;
  }

  test("repeat the request's header alone, and else all of it", async (context) => {
    expect(await lengthOfError({ shortErrors: false })).toBe(16 + 4 + 16 + 16 + PADDING);
    requireKernel(context, kernelKnows(NETLINK_CAP_ACK), "NETLINK_CAP_ACK came with Linux 4.3");
    expect(await lengthOfError({})).toBe(16 + 4 + 16);
    expect(await lengthOfError({ shortErrors: true })).toBe(16 + 4 + 16);
  });
});

describe("allNamespaces", () => {
  const ID = 7;
  /** RTM_NEWNSID: gives a process's network namespace an id in this one. */
  async function nameNamespace(socket: NetlinkSocket, processId: number): Promise<void> {
    const RTM_NEWNSID = 88;
    const NETNSA_NSID = 1;
    const NETNSA_PID = 2;
    await socket.request({
      type: RTM_NEWNSID,
      write: (writer) =>
        writer.uint32(0).attributeUint32(NETNSA_NSID, ID).attributeUint32(NETNSA_PID, processId),
    });
  }

  test("brings the messages of a namespace that has an id, and tells it", async (context) => {
    requireKernel(context, kernelKnows(NETLINK_LISTEN_ALL_NSID), "it came with Linux 4.2");
    const other = await startFixture("namespace.mjs", [], { behind: ["unshare", "--net"] });
    try {
      const all = await openSocket(NETLINK_ROUTE, { allNamespaces: true });
      const own = await openSocket(NETLINK_ROUTE);
      const here = await openSocket(NETLINK_ROUTE);
      const there = await openSocket(NETLINK_ROUTE, { namespace: `/proc/${other.processId}/ns/net` });
      await setLoopback(here, false);
      await nameNamespace(here, other.processId);
      for (const socket of [all, own]) socket.addMembership(RTNLGRP_LINK);
      await setLoopback(there, true);
      await setLoopback(here, true);
      const origin = ({ group, namespaceId }: Message): unknown => ({ group, namespaceId });
      expect(origin(await takeNext(all))).toEqual({ group: RTNLGRP_LINK, namespaceId: ID });
      expect(takeAll(all).map(origin)).toContainEqual({ group: RTNLGRP_LINK, namespaceId: undefined });
      expect(new Set(takeAll(own).map((message) => message.namespaceId))).toEqual(new Set([undefined]));
      expect(all.transport.kind).toBe("user-ring");
    } finally {
      await other.end();
    }
  });

  test("is refused without privilege, with what it takes", (context) => {
    requireKernel(context, kernelKnows(NETLINK_LISTEN_ALL_NSID), "it came with Linux 4.2");
    const path = fileURLToPath(new URL("./fixtures/unprivileged-options.mjs", import.meta.url));
    const { stdout, stderr, status } = spawnSync(
      "unshare",
      ["--user", "--map-root-user", process.execPath, path],
      { encoding: "utf8" },
    );
    requireKernel(context, status === 0, `no process without privilege can be made here: ${stderr}`);
    expect(stdout).toContain("SystemError setsockopt NETLINK_LISTEN_ALL_NSID: EPERM;");
    expect(stdout).toContain("CAP_NET_BROADCAST");
  });

  test("is refused with a kernel ring, which does not tell namespaces apart", async () => {
    const opening = openSocket(NETLINK_ROUTE, { allNamespaces: true, transport: "kernel-ring" });
    const error = await rejection(opening);
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ code: "ERR_TRANSPORT", message: expect.stringContaining("allNamespaces") });
  });
});

describe("a socket from a descriptor", () => {
  test("works with the port and the options that it has, and sets those that are asked for", async () => {
    const { socket, descriptor } = openKnown(NETLINK_ROUTE);
    opened.push(socket);
    const portId = socket.bind(0, 0);
    const isOn = (option: number): boolean => socket.getOption(SOL_NETLINK, option) === 1;
    socket.setOption(SOL_NETLINK, NETLINK_BROADCAST_ERROR, 1);
    const kept = await startFixture("take-over.mjs", ["{}"], { descriptor });
    await kept.end();
    // The process has one that it shares with this one, and sets options for both.
    expect(JSON.parse(kept.said)).toMatchObject({ portId, links: 1, transport: { kind: "user-ring" } });
    expect(JSON.parse(kept.said).transport.reason).toContain("opened elsewhere");
    expect(isOn(NETLINK_BROADCAST_ERROR)).toBe(true);
    const options = { broadcastError: false, extendedAck: false };
    const changed = await startFixture("take-over.mjs", [JSON.stringify(options)], { descriptor });
    await changed.end();
    expect(isOn(NETLINK_BROADCAST_ERROR)).toBe(false);
    expect(isOn(NETLINK_EXT_ACK)).toBe(false);
  });

  test("is bound where it was not, and has the kernel know what was asked for", async (context) => {
    requireKernel(context, kernelKnows(NETLINK_GET_STRICT_CHK), "strict checking came with Linux 4.20");
    const { socket, descriptor } = openKnown(NETLINK_ROUTE);
    opened.push(socket);
    const options = { broadcastError: true, strict: true, allNamespaces: true };
    const running = await startFixture("take-over.mjs", [JSON.stringify(options)], { descriptor });
    await running.end();
    expect(socket.portId).toBe(JSON.parse(running.said).portId);
    for (const option of [
      NETLINK_BROADCAST_ERROR,
      NETLINK_GET_STRICT_CHK,
      NETLINK_LISTEN_ALL_NSID,
      NETLINK_EXT_ACK,
      NETLINK_CAP_ACK,
    ]) {
      expect([option, socket.getOption(SOL_NETLINK, option)]).toEqual([option, 1]);
    }
  });

  test("is refused where it is no netlink socket of the protocol, and stays open", async () => {
    const file = openSync("/proc/self/status", "r");
    const error = await rejection(openSocket(NETLINK_ROUTE, { descriptor: file }));
    expect(error).toBeInstanceOf(SystemError);
    expect(error).toMatchObject({ code: "ENOTSOCK", errno: -88, syscall: "getsockopt" });
    expect(error).toMatchObject({
      message: expect.stringContaining("must be a netlink socket of the protocol"),
    });
    closeSync(file);
    const { socket, descriptor } = openKnown(NETLINK_ROUTE);
    opened.push(socket);
    await expect(openSocket(NETLINK_GENERIC, { descriptor })).rejects.toMatchObject({ code: "EPROTOTYPE" });
    expect(socket.bind(0, 0)).toBeGreaterThan(0);
  });

  test("is refused with a namespace, and with a kernel ring", async () => {
    const descriptor = 1_000_000;
    await expect(
      openSocket(NETLINK_ROUTE, { descriptor, namespace: "/proc/self/ns/net" }),
    ).rejects.toMatchObject({ code: "ERR_TRANSPORT", message: expect.stringContaining("namespace") });
    await expect(openSocket(NETLINK_ROUTE, { descriptor, transport: "kernel-ring" })).rejects.toMatchObject({
      code: "ERR_TRANSPORT",
      message: expect.stringContaining("opened elsewhere"),
    });
  });
});
