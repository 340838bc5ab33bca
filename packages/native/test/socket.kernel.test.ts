import { closeSync, openSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import type { NativeSocket } from "../dist/index.js";
import {
  acknowledged,
  EAGAIN,
  EMSGSIZE,
  geometry,
  messagesIn,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NLMSG_ERROR,
  native,
  pattern,
  SOL_NETLINK,
  SOL_SOCKET,
  thrownBy,
} from "./sandbox.js";

const SO_SNDBUF = 7;
const NETLINK_PKTINFO = 3;

const opened: NativeSocket[] = [];

function open(protocol: number, namespace?: string | number): NativeSocket {
  const socket = new native.Socket(protocol, namespace);
  opened.push(socket);
  return socket;
}

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

describe("opening", () => {
  test("a protocol that the kernel does not have is a system error like Node's own", () => {
    const error = thrownBy(() => open(250));
    expect(error).toMatchObject({ code: "EPROTONOSUPPORT", errno: -93, syscall: "socket" });
    expect(error.message).toBe("socket: EPROTONOSUPPORT, protocol not supported");
  });

  test.each([["0"], [-1], [256], [1.5], [Number.NaN], [null], [{}]])("protocol %j is refused", (protocol) => {
    expect(thrownBy(() => Reflect.construct(native.Socket, [protocol]))["code"]).toMatch(
      /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/,
    );
  });

  test("a refused socket leaves no object behind that could be used", () => {
    let kept: unknown;
    class Kept extends native.Socket {
      constructor() {
        super(250);
        kept = this;
      }
    }
    expect(() => new Kept()).toThrow("EPROTONOSUPPORT");
    expect(kept).toBeUndefined();
  });
});

describe("bind", () => {
  test("port 0 has the kernel choose, and another socket gets another", () => {
    const ports = [open(NETLINK_ROUTE).bind(0, 0), open(NETLINK_ROUTE).bind(0, 0)];
    expect(ports[0]).toBeGreaterThan(0);
    expect(ports[1]).not.toBe(ports[0]);
  });

  test("a port beyond 31 bits is told as it is", () => {
    expect(open(NETLINK_ROUTE).bind(0xfedc_ba98, 0)).toBe(0xfedc_ba98);
  });

  test("a port in use is EADDRINUSE", () => {
    const port = open(NETLINK_ROUTE).bind(0, 0);
    expect(thrownBy(() => open(NETLINK_ROUTE).bind(port, 0))).toMatchObject({
      code: "EADDRINUSE",
      errno: -98,
      syscall: "bind",
    });
  });
});

describe("options", () => {
  test("are set and read as 32-bit integers", () => {
    const socket = open(NETLINK_ROUTE);
    expect(socket.getOption(SOL_NETLINK, NETLINK_PKTINFO)).toBe(0);
    socket.setOption(SOL_NETLINK, NETLINK_PKTINFO, 1);
    expect(socket.getOption(SOL_NETLINK, NETLINK_PKTINFO)).toBe(1);
  });

  test("the error of an unknown one says which call it was", () => {
    const socket = open(NETLINK_ROUTE);
    expect(thrownBy(() => socket.setOption(SOL_NETLINK, 9999, 1))).toMatchObject({
      code: "ENOPROTOOPT",
      errno: -92,
      syscall: "setsockopt",
    });
    expect(thrownBy(() => socket.getOption(SOL_NETLINK, 9999))).toMatchObject({ syscall: "getsockopt" });
  });

  test("the error of a known one names it", () => {
    const socket = open(NETLINK_ROUTE);
    const error = thrownBy(() => socket.addMembership(100_000));
    expect(error).toMatchObject({ code: "EINVAL", option: "NETLINK_ADD_MEMBERSHIP" });
    expect(error.message).toContain("setsockopt NETLINK_ADD_MEMBERSHIP: EINVAL");
    expect(thrownBy(() => socket.dropMembership(100_000))).toMatchObject({
      option: "NETLINK_DROP_MEMBERSHIP",
    });
  });

  test("the receive buffer is told as the kernel accounts it", () => {
    const socket = open(NETLINK_ROUTE);
    expect(socket.setReceiveBuffer(200_000)).toBe(200_000);
    expect(socket.receiveBuffer).toBe(200_000);
  });

  test("a receive buffer beyond what the kernel gives says what came", () => {
    const socket = open(NETLINK_ROUTE);
    const achieved = socket.setReceiveBuffer(2 ** 31 - 1);
    expect(achieved).toBe(socket.receiveBuffer);
    expect(achieved).toBeGreaterThan(0);
    expect(socket.setReceiveBuffer(0)).toBeGreaterThan(0);
  });

  test("lost messages are counted", (context) => {
    const receiver = open(NETLINK_USERSOCK);
    try {
      expect(receiver.drops()).toBe(0);
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOPROTOOPT", option: "SO_MEMINFO" });
      requireKernel(context, false, "SO_MEMINFO came with Linux 4.12");
    }
    receiver.setReceiveBuffer(4096);
    receiver.bind(0, 0);
    receiver.addMembership(1);
    const sender = open(NETLINK_USERSOCK);
    for (let count = 0; count < 50; count++) sender.send(pattern(1000), 0, 1);
    expect(receiver.drops()).toBeGreaterThan(0);
  });
});

describe("send and receive", () => {
  test("the kernel is the default destination and its answer comes from port 0", () => {
    const socket = open(NETLINK_ROUTE);
    socket.bind(0, 0);
    const into = new Uint8Array(1024);
    expect(socket.receive(into)).toBe(-EAGAIN);
    expect(socket.send(acknowledged(5))).toBe(16);
    const length = socket.receive(into);
    expect(messagesIn(into.subarray(0, length))).toEqual([{ type: NLMSG_ERROR, sequence: 5, error: 0 }]);
    expect(socket.senderPort).toBe(0);
    expect(socket.group).toBe(0);
  });

  test("a socket that was not bound is bound by its first send", () => {
    const socket = open(NETLINK_ROUTE);
    socket.send(acknowledged(1));
    expect(socket.receive(new Uint8Array(1024))).toBe(36);
  });

  test("a message goes to a port, and the sender's port is told", () => {
    const receiver = open(NETLINK_USERSOCK);
    const sender = open(NETLINK_USERSOCK);
    const port = receiver.bind(0, 0);
    const from = sender.bind(0, 0);
    expect(sender.send(pattern(1000), port)).toBe(1000);
    const into = new Uint8Array(1000);
    expect(receiver.receive(into)).toBe(1000);
    expect(into).toEqual(pattern(1000));
    expect(receiver.senderPort).toBe(from);
  });

  test("a connected socket takes the kernel's messages alone, and its ring says so", () => {
    const socket = open(NETLINK_ROUTE);
    const port = socket.bind(0, 0);
    const shape = { blockSize: 65_536, blockCount: 1, frameSize: 4096, frameCount: 16 };
    const words = new Uint32Array(socket.mapUserRing(shape, shape));
    expect(open(NETLINK_ROUTE).send(acknowledged(1), port)).toBe(16);
    socket.connect();
    const ECONNREFUSED = 111;
    expect(open(NETLINK_ROUTE).send(acknowledged(1), port)).toBe(-ECONNREFUSED);
    socket.send(acknowledged(5));
    expect(socket.fill(64)).toBe(1);
    // Status, length, group, sender, user, and in place of the sender's group the namespace, which is not told.
    expect([...words.subarray(0, 6)]).toEqual([2, 36, 0, 0, 0xffff_ffff, 0xffff_ffff]);
  });

  test("a message that is cut tells its full length and is gone", () => {
    const receiver = open(NETLINK_USERSOCK);
    const port = receiver.bind(0, 0);
    open(NETLINK_USERSOCK).send(pattern(1000), port);
    const into = new Uint8Array(10);
    expect(receiver.receive(into)).toBe(1000);
    expect(into).toEqual(pattern(1000).subarray(0, 10));
    expect(receiver.receive(into)).toBe(-EAGAIN);
  });

  test("views in the middle of memory, shared memory and Buffers all do", () => {
    const receiver = open(NETLINK_USERSOCK);
    const port = receiver.bind(0, 0);
    const sender = open(NETLINK_USERSOCK);
    const shared = new Uint8Array(new SharedArrayBuffer(32), 8, 16);
    shared.set(pattern(16));
    for (const bytes of [shared, Buffer.from(pattern(16)), pattern(32).subarray(16)]) {
      expect(sender.send(bytes, port)).toBe(16);
      const into = new Uint8Array(new SharedArrayBuffer(32), 4, 20);
      expect(receiver.receive(into)).toBe(16);
      expect([...into]).toEqual([...bytes, 0, 0, 0, 0]);
    }
  });

  test("no room at all loses the message and tells its length", () => {
    const receiver = open(NETLINK_USERSOCK);
    const port = receiver.bind(0, 0);
    open(NETLINK_USERSOCK).send(pattern(8), port);
    expect(receiver.receive(new Uint8Array(0))).toBe(8);
  });

  test("more than the send buffer is EMSGSIZE", () => {
    const socket = open(NETLINK_ROUTE);
    socket.setOption(SOL_SOCKET, SO_SNDBUF, 4096);
    expect(socket.send(new Uint8Array(100_000))).toBe(-EMSGSIZE);
  });
});

describe("multicast", () => {
  test("a member gets what is sent to its group, with the group's number", () => {
    const member = open(NETLINK_USERSOCK);
    member.bind(0, 0);
    member.addMembership(3);
    const shape = geometry(4096, 4);
    const frames = new DataView(member.mapUserRing(shape, shape));
    const sender = open(NETLINK_USERSOCK);
    const from = sender.bind(0, 0);
    // Nobody receives for the kernel, which says so although the group got it.
    const send = (): number => sender.send(pattern(100), 0, 1 << 2);
    send();
    expect(member.receive(new Uint8Array(100))).toBe(100);
    expect(member.group).toBe(3);
    expect(member.senderPort).toBe(from);
    send();
    expect(member.fill(4)).toBe(1);
    const littleEndian = frames.getUint32(4, true) === 100;
    expect(frames.getUint32(8, littleEndian)).toBe(3);
  });

  test("a socket bound to a mask of groups is told the group as well", () => {
    const member = open(NETLINK_USERSOCK);
    member.bind(0, 0b1000);
    open(NETLINK_USERSOCK).send(pattern(8), 0, 0b1000);
    expect(member.receive(new Uint8Array(8))).toBe(8);
    expect(member.group).toBe(4);
  });

  test("who left a group gets nothing more", () => {
    const member = open(NETLINK_USERSOCK);
    member.bind(0, 0);
    member.addMembership(2);
    member.dropMembership(2);
    open(NETLINK_USERSOCK).send(pattern(8), 0, 0b10);
    expect(member.receive(new Uint8Array(8))).toBe(-EAGAIN);
  });
});

describe("a network namespace", () => {
  test("by path: the socket is in it, whatever namespace its thread is in", () => {
    const ordinary = open(NETLINK_ROUTE);
    const elsewhere = open(NETLINK_ROUTE, "/proc/self/ns/net");
    const port = ordinary.bind(0, 0);
    // The same namespace by another name: the port is taken there.
    expect(thrownBy(() => elsewhere.bind(port, 0))).toMatchObject({ code: "EADDRINUSE" });
  });

  test("by descriptor, which stays the caller's", () => {
    const descriptor = openSync("/proc/self/ns/net", "r");
    try {
      for (let count = 0; count < 3; count++)
        expect(open(NETLINK_ROUTE, descriptor).bind(0, 0)).toBeGreaterThan(0);
    } finally {
      closeSync(descriptor);
    }
  });

  test("undefined and null mean the caller's own", () => {
    expect(open(NETLINK_ROUTE, undefined).bind(0, 0)).toBeGreaterThan(0);
    const socket: NativeSocket = Reflect.construct(native.Socket, [NETLINK_ROUTE, null]);
    expect(socket.bind(0, 0)).toBeGreaterThan(0);
    socket.close();
  });

  test("the error says which call failed", () => {
    expect(thrownBy(() => open(NETLINK_ROUTE, "/nowhere"))).toMatchObject({
      code: "ENOENT",
      syscall: "open",
    });
    expect(thrownBy(() => open(NETLINK_ROUTE, ""))).toMatchObject({ code: "ENOENT", syscall: "open" });
    expect(thrownBy(() => open(NETLINK_ROUTE, "/proc/self/ns/net\0"))).toMatchObject({ code: "ENOENT" });
    expect(thrownBy(() => open(NETLINK_ROUTE, "/dev/null"))).toMatchObject({
      code: "EINVAL",
      syscall: "setns",
    });
    expect(thrownBy(() => open(NETLINK_ROUTE, 1_000_000))).toMatchObject({ code: "EBADF", syscall: "setns" });
    expect(thrownBy(() => open(250, "/proc/self/ns/net"))).toMatchObject({ syscall: "socket" });
  });

  test("what is neither a path nor a descriptor is refused", () => {
    const error = thrownBy(() => Reflect.construct(native.Socket, [NETLINK_ROUTE, true]));
    expect(error).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
    expect(error.message).toContain("path or a descriptor");
  });
});

describe("arguments", () => {
  const anything = fc.oneof(
    { depthSize: "small" },
    fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
    fc.double(),
    fc.integer({ min: -(2 ** 33), max: 2 ** 33 }),
    fc.uint8Array({ maxLength: 64 }),
    fc.constant(geometry(256, 4)),
  );
  const method = fc.constantFrom<keyof NativeSocket>(
    ...([
      "bind",
      "addMembership",
      "dropMembership",
      "getOption",
      "setReceiveBuffer",
      "drops",
      "mapUserRing",
    ] as const),
    ...([
      "mapKernelRing",
      "fill",
      "takeCopied",
      "drain",
      "send",
      "receive",
      "onReadable",
      "pause",
      "ref",
    ] as const),
    ...(["unref", "close", "receiveBuffer", "senderPort", "group"] as const),
  );

  test("whatever they are, a call returns, or throws an error with a code", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(method, fc.array(anything, { maxLength: 4 })), { maxLength: 12 }),
        (calls) => {
          const socket = new native.Socket(NETLINK_ROUTE);
          try {
            for (const [name, args] of calls) {
              try {
                const member: unknown = Reflect.get(socket, name);
                if (typeof member === "function") Reflect.apply(member, socket, args);
              } catch (error) {
                expect(error).toHaveProperty("code");
              }
            }
          } finally {
            socket.close();
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("a wrong type is a TypeError and a wrong number a RangeError, which names the argument", () => {
    const socket = open(NETLINK_ROUTE);
    const call = (name: keyof NativeSocket, ...args: unknown[]): (() => unknown) => {
      const member: unknown = socket[name];
      return () => (typeof member === "function" ? Reflect.apply(member, socket, args) : undefined);
    };
    for (const wrong of [call("bind", "1", 0), call("setOption", 1, 1, "1"), call("mapUserRing", 1, 2)]) {
      expect(thrownBy(wrong)).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
    }
    for (const wrong of [call("send", [1, 2]), call("receive", new Uint16Array(2)), call("onReadable", {})]) {
      expect(thrownBy(wrong)).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
    }
    for (const wrong of [call("bind", -1, 0), call("bind", 2 ** 32, 0), call("addMembership", 0)]) {
      expect(thrownBy(wrong)).toMatchObject({ name: "RangeError", code: "ERR_OUT_OF_RANGE" });
    }
    expect(thrownBy(call("bind", 0, "x")).message).toBe("groups must be a number");
  });

  test("port and groups of a send may be left out one by one", () => {
    const socket = open(NETLINK_ROUTE);
    socket.bind(0, 0);
    expect(socket.send(acknowledged(1))).toBe(16);
    expect(socket.send(acknowledged(1), 0)).toBe(16);
    expect(socket.send(acknowledged(1), undefined, 0)).toBe(16);
  });
});

test("all protocols that the packages use open here", (context) => {
  try {
    open(NETLINK_NETFILTER);
  } catch (error) {
    expect(error).toMatchObject({ code: "EPROTONOSUPPORT" });
    requireKernel(context, false, "this kernel has no nfnetlink");
  }
  expect(open(NETLINK_NETFILTER).bind(0, 0)).toBeGreaterThan(0);
});

describe("poll", () => {
  test("tells whether something waits, without taking it", () => {
    const sender = new native.Socket(NETLINK_USERSOCK);
    const receiver = new native.Socket(NETLINK_USERSOCK);
    opened.push(sender, receiver);
    sender.bind(0, 0);
    const port = receiver.bind(0, 0);
    expect(receiver.poll()).toBe(false);
    expect(sender.send(new Uint8Array(16), port, 0)).toBe(16);
    expect(receiver.poll()).toBe(true);
    expect(receiver.poll()).toBe(true);
    expect(receiver.receive(new Uint8Array(64))).toBe(16);
    expect(receiver.poll()).toBe(false);
    receiver.close();
    expect(receiver.poll()).toBe(false);
  });
});
