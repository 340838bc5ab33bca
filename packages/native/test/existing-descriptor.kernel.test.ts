import { once } from "node:events";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { NativeSocket } from "../dist/index.js";
import {
  EAGAIN,
  message,
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  native,
  pattern,
  runFixture,
  thrownBy,
} from "./sandbox.js";

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_PKTINFO = 3;
const RTNLGRP_BRVLAN = 33;

const opened: NativeSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

function socketDescriptors(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("socket:");
      } catch {
        return false;
      }
    });
}

/** A socket and the number of its descriptor, which the addon keeps to itself. */
function openKnown(protocol: number): { socket: NativeSocket; descriptor: number } {
  const before = new Set(socketDescriptors());
  const socket = new native.Socket(protocol);
  opened.push(socket);
  const [descriptor = -1, ...more] = socketDescriptors().filter((number) => !before.has(number));
  if (more.length > 0) throw new Error("more than one socket was opened");
  return { socket, descriptor };
}

const take = (descriptor: number, protocol = NETLINK_ROUTE): NativeSocket =>
  new native.Socket(protocol, undefined, descriptor);

describe("a descriptor that was opened elsewhere", () => {
  test("is taken over with its port, its groups and what waits, and is closed with the socket", async () => {
    const { socket, descriptor } = openKnown(NETLINK_USERSOCK);
    const sender = openKnown(NETLINK_USERSOCK).socket;
    const port = socket.bind(0, 0);
    socket.addMembership(1);
    sender.send(message(100, 0, 0, pattern(8, 7)), port, 1);
    const ended = await runFixture("take-over.mjs", [String(NETLINK_USERSOCK)], { descriptor });
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(JSON.parse(ended.output)).toMatchObject({
      portId: port,
      bound: port,
      received: 24,
      first: pattern(1, 7)[0],
      group: 1,
      closed: true,
    });
  });

  test("has the group told also beyond the 32 of a mask", async () => {
    const { socket, descriptor } = openKnown(NETLINK_ROUTE);
    socket.bind(0, 0);
    // As someone may have done who had no use for the group.
    socket.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_BRVLAN);
    expect(socket.getOption(SOL_NETLINK, NETLINK_PKTINFO)).toBe(0);
    await runFixture("take-over.mjs", [String(NETLINK_ROUTE)], { descriptor });
    expect(socket.getOption(SOL_NETLINK, NETLINK_PKTINFO)).toBe(1);
  });

  test("is told unbound where it is, and can be bound", async () => {
    const { descriptor } = openKnown(NETLINK_ROUTE);
    const ended = await runFixture("take-over.mjs", [String(NETLINK_ROUTE)], { descriptor });
    const { portId, bound, received } = JSON.parse(ended.output);
    expect(portId).toBe(0);
    expect(bound).toBeGreaterThan(0);
    expect(received).toBe(-EAGAIN);
  });

  test("of no socket is ENOTSOCK, and stays open", () => {
    const file = openSync("/proc/self/status", "r");
    expect(thrownBy(() => take(file))).toMatchObject({
      code: "ENOTSOCK",
      syscall: "getsockopt",
      option: "SO_DOMAIN",
    });
    closeSync(file);
    expect(thrownBy(() => take(file))).toMatchObject({ code: "EBADF", errno: -9 });
  });

  test("of another family's socket is EAFNOSUPPORT, and stays open", async () => {
    const before = new Set(socketDescriptors());
    const server = createServer();
    server.listen({ path: `\0nlring-${process.pid}` });
    await once(server, "listening");
    const [descriptor = -1] = socketDescriptors().filter((number) => !before.has(number));
    expect(thrownBy(() => take(descriptor))).toMatchObject({ code: "EAFNOSUPPORT", option: "SO_DOMAIN" });
    expect(socketDescriptors()).toContain(descriptor);
    server.close();
    await once(server, "close");
  });

  test("of another protocol is EPROTOTYPE, and stays open", () => {
    const { socket, descriptor } = openKnown(NETLINK_ROUTE);
    expect(thrownBy(() => take(descriptor, NETLINK_GENERIC))).toMatchObject({
      code: "EPROTOTYPE",
      errno: -91,
      syscall: "getsockopt",
      option: "SO_PROTOCOL",
    });
    expect(socket.bind(0, 0)).toBeGreaterThan(0);
  });

  test.each([[-1], [1.5], ["3"], [null]])("%j is refused", (descriptor) => {
    const make = (): unknown => Reflect.construct(native.Socket, [NETLINK_ROUTE, undefined, descriptor]);
    expect(thrownBy(make)["code"]).toMatch(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/);
  });

  test("and a namespace beside it are refused: it is in one already", () => {
    const make = (): unknown => new native.Socket(NETLINK_ROUTE, "/proc/self/ns/net", 3);
    expect(thrownBy(make)).toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  });
});

describe("portId", () => {
  test("is 0 until the socket is bound, and the port from then on", () => {
    const { socket } = openKnown(NETLINK_ROUTE);
    expect(socket.portId).toBe(0);
    const port = socket.bind(0, 0);
    expect(socket.portId).toBe(port);
  });

  test("throws once the socket is closed", () => {
    const { socket } = openKnown(NETLINK_ROUTE);
    socket.close();
    expect(thrownBy(() => socket.portId)["code"]).toBe("ERR_SOCKET_CLOSED");
  });
});
