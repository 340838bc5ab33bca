import { afterEach, describe, expect, test } from "vitest";
import type { NativeSocket } from "../dist/index.js";
import {
  acknowledged,
  EAGAIN,
  EINVAL,
  EOPNOTSUPP,
  FRAME,
  messagesIn,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NLMSG_ERROR,
  native,
  nextReadable,
  pattern,
  RingView,
  thrownBy,
} from "./sandbox.js";

// 64 KiB is a multiple of every page size.
const shape = { blockSize: 65_536, blockCount: 1, frameSize: 16_384, frameCount: 4 };
const opened: NativeSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

function open(protocol = NETLINK_ROUTE): NativeSocket {
  const socket = new native.Socket(protocol);
  opened.push(socket);
  return socket;
}

/** Why this kernel maps no rings here, or undefined where it does. */
const refusal = ((): string | undefined => {
  const socket = new native.Socket(NETLINK_ROUTE);
  try {
    socket.mapKernelRing(shape, shape);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    socket.close();
  }
})();

interface KernelRing {
  readonly socket: NativeSocket;
  readonly port: number;
  readonly rx: RingView;
  readonly tx: RingView;
}

function mapKernelRing(protocol = NETLINK_ROUTE): KernelRing {
  const socket = open(protocol);
  const memory = socket.mapKernelRing(shape, shape);
  const port = socket.bind(0, 0);
  return { socket, port, rx: new RingView(memory, shape), tx: new RingView(memory, shape, shape.blockSize) };
}

describe.skipIf(refusal === undefined)("a kernel that maps no rings", () => {
  test("refuses with its error, which names the option", () => {
    const error = thrownBy(() => open().mapKernelRing(shape, shape));
    expect(error).toMatchObject({ syscall: "setsockopt", option: "NETLINK_RX_RING" });
    // EPERM is a kernel that has them, asked by someone who is not the initial namespace's root.
    expect(["ENOPROTOOPT", "EPERM"]).toContain(error["code"]);
    expect(error.message).toMatch(/^setsockopt NETLINK_RX_RING: E/);
  });

  test("leaves the socket fit for a user ring", () => {
    const socket = open();
    expect(() => socket.mapKernelRing(shape, shape)).toThrow("NETLINK_RX_RING");
    const rx = new RingView(socket.mapUserRing(shape, shape), shape);
    socket.send(acknowledged(1));
    expect(socket.fill(1)).toBe(1);
    expect(messagesIn(rx.payload(0))).toEqual([{ type: NLMSG_ERROR, sequence: 1, error: 0 }]);
  });
});

// Linux 3.10 to 4.5, as root of the initial user namespace.
describe.skipIf(refusal !== undefined)("a kernel that maps its rings", () => {
  test("sends the frames of a drain and answers in a frame", async () => {
    const { socket, rx, tx } = mapKernelRing();
    tx.put(0, acknowledged(3));
    expect(socket.drain()).toBe(16);
    expect(tx.status(0)).toBe(FRAME.unused);
    await nextReadable(socket);
    expect(rx.status(0)).toBe(FRAME.valid);
    expect(messagesIn(rx.payload(0))).toEqual([{ type: NLMSG_ERROR, sequence: 3, error: 0 }]);
  });

  test("has nothing to fill, and an empty send is no drain", () => {
    const { socket, tx } = mapKernelRing();
    expect(socket.fill(1)).toBe(-EOPNOTSUPP);
    tx.put(0, acknowledged(3));
    socket.send(new Uint8Array(0));
    expect(tx.status(0)).toBe(FRAME.valid);
  });

  test("says COPY of another socket's message, which receive fetches", () => {
    const { socket, port, rx } = mapKernelRing(NETLINK_USERSOCK);
    expect(open(NETLINK_USERSOCK).send(pattern(100), port)).toBe(100);
    expect(rx.status(0)).toBe(FRAME.copy);
    const into = new Uint8Array(rx.header(0).length);
    expect(socket.receive(into)).toBe(100);
    expect(into).toEqual(pattern(100));
    expect(socket.receive(into)).toBe(-EAGAIN);
  });

  test("stops at a frame with an impossible length", () => {
    const { socket, tx } = mapKernelRing();
    tx.put(0, acknowledged(1), shape.frameSize);
    expect(socket.drain()).toBe(-EINVAL);
    expect(tx.status(0)).toBe(FRAME.valid);
  });

  test("gives the port back at close, although the memory is still held", () => {
    const socket = new native.Socket(NETLINK_ROUTE);
    const memory = socket.mapKernelRing(shape, shape);
    socket.bind(0x2345_6789, 0);
    socket.close();
    expect(open().bind(0x2345_6789, 0)).toBe(0x2345_6789);
    expect(memory.byteLength).toBe(0);
  });

  test("refuses what is no multiple of its pages, and keeps nothing of the attempt", () => {
    const socket = open();
    const odd = { blockSize: 1000, blockCount: 1, frameSize: 500, frameCount: 2 };
    expect(thrownBy(() => socket.mapKernelRing(odd, shape))).toMatchObject({ option: "NETLINK_RX_RING" });
    expect(thrownBy(() => socket.mapKernelRing(shape, odd))).toMatchObject({ option: "NETLINK_TX_RING" });
    expect(socket.mapKernelRing(shape, shape).byteLength).toBe(2 * shape.blockSize);
  });
});
