import { afterEach, describe, expect, test } from "vitest";
import type { NativeSocket } from "../dist/index.js";
import {
  acknowledged,
  EBADF,
  EFAULT,
  FRAME,
  geometry,
  mapped,
  NETLINK_ROUTE,
  native,
  pattern,
  runFixture,
  thrownBy,
} from "./sandbox.js";

const shape = geometry(4096, 4);
const opened: NativeSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

describe("a closed socket", () => {
  function closed(): NativeSocket {
    const { socket } = mapped(NETLINK_ROUTE, shape);
    socket.onReadable(() => undefined);
    socket.resume();
    socket.close();
    return socket;
  }

  test("throws ERR_SOCKET_CLOSED at set-up calls", () => {
    const socket = closed();
    const calls = [
      () => socket.bind(0, 0),
      () => socket.addMembership(1),
      () => socket.dropMembership(1),
      () => socket.setOption(1, 1, 1),
      () => socket.getOption(1, 1),
      () => socket.receiveBuffer,
      () => socket.setReceiveBuffer(4096),
      () => socket.drops(),
      () => socket.mapUserRing(shape, shape),
      () => socket.mapKernelRing(shape, shape),
      () => socket.onReadable(() => undefined),
      () => socket.resume(),
    ];
    for (const call of calls) expect(thrownBy(call)["code"]).toBe("ERR_SOCKET_CLOSED");
  });

  test("returns -EBADF from the calls of each packet", () => {
    const socket = closed();
    expect(socket.fill(1)).toBe(-EBADF);
    expect(socket.drain()).toBe(-EBADF);
    expect(socket.send(acknowledged(1))).toBe(-EBADF);
    expect(socket.receive(new Uint8Array(64))).toBe(-EBADF);
  });

  test("may be closed, paused and released again without effect", () => {
    const socket = closed();
    for (const call of ["close", "pause", "ref", "unref", "close"] as const)
      expect(socket[call]()).toBeUndefined();
    expect(socket.takeCopied()).toBeUndefined();
  });

  test("has given its port back at once", () => {
    for (let count = 0; count < 50; count++) {
      const { socket } = mapped(NETLINK_ROUTE, shape);
      socket.close();
      const next = new native.Socket(NETLINK_ROUTE);
      expect(next.bind(0x1234_5678, 0)).toBe(0x1234_5678);
      next.close();
    }
  });

  test("leaves views of length 0, whose use is no crash", () => {
    const { socket, memory, rx } = mapped(NETLINK_ROUTE, shape);
    const bytes = new Uint8Array(memory);
    rx.setStatus(0, FRAME.skip);
    socket.close();
    expect(memory.byteLength).toBe(0);
    expect(bytes.length).toBe(0);
    bytes[0] = 1;
    expect(bytes[0]).toBeUndefined();
    expect(() => rx.status(0)).toThrow(TypeError);
  });
});

describe("a ring's memory", () => {
  test("cannot be moved away by structuredClone, which refuses or copies", () => {
    const { socket, memory, rx } = mapped(NETLINK_ROUTE, shape);
    opened.push(socket);
    try {
      expect(structuredClone(memory, { transfer: [memory] })).not.toBe(memory);
    } catch (error) {
      expect(error).toMatchObject({ name: "DataCloneError" });
    }
    expect(memory.byteLength).toBe(2 * 16_384);
    socket.send(acknowledged(1));
    expect(socket.fill(1)).toBe(1);
    expect(rx.header(0).length).toBe(36);
  });

  test("that was moved away by transfer() does no harm to the socket, nor the socket to it", (context) => {
    const { socket, memory, tx } = mapped(NETLINK_ROUTE, shape);
    opened.push(socket);
    const transfer: unknown = Reflect.get(memory, "transfer");
    if (typeof transfer !== "function") context.skip("this engine has no ArrayBuffer.prototype.transfer");
    tx.put(0, acknowledged(1));
    const moved: ArrayBuffer = Reflect.apply(transfer as () => ArrayBuffer, memory, []);
    expect(memory.byteLength).toBe(0);
    expect(socket.drain()).toBe(-EFAULT);
    expect(socket.fill(4)).toBe(-EFAULT);
    socket.close();
    // The pages are there, though no longer the socket's.
    expect(new Uint8Array(moved).fill(1)).toHaveLength(2 * 16_384);
  });

  test("outlives its socket for as long as it is held: a copy that was taken is not the ring's", () => {
    const { socket, port } = mapped(2, geometry(64, 4), geometry(64, 4));
    const sender = new native.Socket(2);
    sender.send(pattern(1000), port);
    sender.close();
    expect(socket.fill(1)).toBe(1);
    const copied = socket.takeCopied();
    socket.close();
    expect(copied).toEqual(pattern(1000));
  });
});

describe("many sockets", () => {
  interface Held {
    readonly descriptors: number;
    /** Kilobytes. */
    readonly resident: number;
    readonly mapped: number;
  }

  async function churn(how: string, count: number): Promise<{ before: Held; after: Held }> {
    const ended = await runFixture("churn.mjs", [how, String(count)], { node: ["--expose-gc"] });
    expect(ended).toMatchObject({ code: 0, signal: null });
    return JSON.parse(ended.output);
  }

  test.each([
    ["opened, mapped, watched and closed", "closed", 10_000],
    ["dropped unclosed, knowing their reader", "dropped", 1000],
    ["that could not be opened", "refused", 1000],
  ])("%s leave no descriptor, no mapping and no memory behind", async (_, how, count) => {
    const { before, after } = await churn(how, count);
    expect(after.descriptors).toBe(before.descriptors);
    // Rings that stayed mapped would be 512 MB and more.
    expect(after.mapped - before.mapped).toBeLessThan(256_000);
    // Four pages of each are in use: kept, they would be 160 MB of the 10,000, and 16 MB of the 1,000. The engine's own heap moves far less.
    expect(after.resident - before.resident).toBeLessThan(count === 10_000 ? 20_000 : 12_000);
  });
});

describe("a worker thread", () => {
  test.each([
    ["is terminated with its sockets watched", "polling", "terminate", 60, 1],
    ["is terminated in the middle of calls that throw", "throwing", "interrupt", 10, 1],
    ["is terminated in the middle of calls that need memory", "spilling", "interrupt", 10, 1],
    ["is terminated while another thread fills", "fillingAhead", "interrupt", 10, 1],
    ["is terminated while it opens and closes", "opening", "interrupt", 10, 1],
    ["exits while the kernel's grace period lasts", "waiting", "wait", 5, 3],
    ["exits in a callback", "exiting", "wait", 5, 3],
    ["exits in a callback that closed the socket", "closing", "wait", 5, 3],
    ["ends by itself with everything open", "finishing", "wait", 5, 0],
  ])("that %s leaves the process alone", async (_, work, way, count, code) => {
    const ended = await runFixture("endings.mjs", [work, way, String(count)]);
    expect(ended).toEqual({ code: 0, signal: null, output: `codes ${code}\n` });
  });

  test("that gave its ring away leaves memory behind that can be used", async (context) => {
    if (!("transfer" in ArrayBuffer.prototype))
      context.skip("this engine has no ArrayBuffer.prototype.transfer");
    const ended = await runFixture("endings.mjs", ["moving", "keep", "2"]);
    expect(ended).toEqual({ code: 0, signal: null, output: "131072\n131072\ncodes 1\n" });
  });

  test("whose callback throws hands the error to its parent", async () => {
    const ended = await runFixture("endings.mjs", ["failing", "fail", "1"]);
    expect(ended).toEqual({ code: 0, signal: null, output: "thrown in the worker's callback\ncodes 1\n" });
  });

  test.each(["polling", "spilling", "fillingAhead"])(
    "at %s does not keep process.exit from its code",
    async (work) => {
      expect(await runFixture("endings.mjs", [work, "leave", "1"])).toEqual({
        code: 7,
        signal: null,
        output: "",
      });
    },
  );
});
