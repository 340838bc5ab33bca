import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { errnoName } from "../src/errno.js";
import {
  BusyError,
  DecodeError,
  DumpInterruptedError,
  EncodeError,
  KernelError,
  NetlinkError,
  ReplyLostError,
  SocketClosedError,
  SystemError,
  TransportError,
} from "../src/errors.js";
import { NetlinkSocket } from "../src/socket.js";
import { rejection } from "./memory-socket.js";

describe("errnoName", () => {
  test.runIf(process.platform === "linux")("agrees with the system on every number that it names", () => {
    const names = new Map<number, string[]>();
    for (const [name, number] of Object.entries(constants.errno)) {
      names.set(number, [...(names.get(number) ?? []), name]);
    }
    for (const [number, known] of names) expect(known).toContain(errnoName(-number));
  });

  test.each([
    [-1, "EPERM"],
    [1, "EPERM"],
    [-95, "EOPNOTSUPP"],
    [-105, "ENOBUFS"],
    [-133, "EHWPOISON"],
    [-524, "ENOTSUPP"],
    [-41, "E41"],
    [-9999, "E9999"],
    [0, "OK"],
  ])("names %d %s", (errno, name) => {
    expect(errnoName(errno)).toBe(name);
  });
});

describe("every error", () => {
  const errors: readonly (readonly [NetlinkError, string])[] = [
    [new KernelError({ errno: -2, sequence: 1, requestType: 2 }), "ENOENT"],
    [new DecodeError("what", 4), "ERR_DECODE"],
    [new EncodeError("what"), "ERR_ENCODE"],
    [new SocketClosedError(), "ERR_SOCKET_CLOSED"],
    [new ReplyLostError(2), "ERR_REPLY_LOST"],
    [new DumpInterruptedError(2), "ERR_DUMP_INTERRUPTED"],
    [new TransportError("what"), "ERR_TRANSPORT"],
    [new BusyError("what"), "ERR_BUSY"],
    [new SystemError("bind", -98), "EADDRINUSE"],
  ];

  test.each(errors)("%s has its code and its class's name", (error, code) => {
    expect(error.code).toBe(code);
    expect(error.name).toBe(error.constructor.name);
    expect(error).toBeInstanceOf(Error);
  });

  test.each(errors)("%s is known as one of this package's, of whichever copy", (error) => {
    expect(NetlinkError.isInstance(error)).toBe(true);
    expect(NetlinkError.isInstance({ [Symbol.for("@nlring/netlink.NetlinkError")]: true })).toBe(true);
    expect(NetlinkError.isInstance(new Error("other"))).toBe(false);
    expect(NetlinkError.isInstance(undefined)).toBe(false);
  });

  test("shows no marker and no absent fields when printed", () => {
    expect(Object.keys(new EncodeError("what")).toSorted()).toEqual(["code", "name"]);
  });

  test("of the system tells call, subject, name and advice, and keeps its cause", () => {
    const cause = new Error("native");
    const error = new SystemError("setsockopt", -1, "be root", { subject: "SO_X", cause });
    expect(error).toMatchObject({
      message: "setsockopt SO_X: EPERM; be root",
      errno: -1,
      syscall: "setsockopt",
      cause,
    });
  });
});

test("an unknown transport is refused with those there are", async () => {
  const transport = JSON.parse('"kernel"');
  const error = await rejection(NetlinkSocket.open(0, { transport }));
  expect(error).toMatchObject({
    code: "ERR_TRANSPORT",
    message: expect.stringMatching(/"kernel".*"user-ring"/),
  });
});
