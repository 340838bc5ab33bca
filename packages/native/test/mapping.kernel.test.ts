import { describe, expect, test } from "vitest";
import { geometry, mapped, NETLINK_ROUTE, native, thrownBy } from "./sandbox.js";

describe("mapping", () => {
  test("is refused a second time with EBUSY", () => {
    const { socket } = mapped(NETLINK_ROUTE);
    const shape = geometry(4096, 4);
    expect(thrownBy(() => socket.mapUserRing(shape, shape))).toMatchObject({
      code: "EBUSY",
      syscall: "mmap",
    });
    expect(thrownBy(() => socket.mapKernelRing(shape, shape))).toMatchObject({ code: "EBUSY" });
    socket.close();
  });

  test("is zeroed memory of both rings", () => {
    const { socket, memory } = mapped(NETLINK_ROUTE, geometry(4096, 4), geometry(8192, 2));
    expect(memory.byteLength).toBe(32_768);
    expect(new Uint8Array(memory).every((byte) => byte === 0)).toBe(true);
    socket.close();
  });

  const shape = geometry(4096, 16);
  test.each([
    ["frames outside their blocks", { ...shape, frameCount: 17 }],
    ["fewer frames than fit", { ...shape, frameCount: 15 }],
    ["frames larger than a block", { blockSize: 4096, blockCount: 4, frameSize: 8192, frameCount: 4 }],
    [
      "a frame size that is no multiple of 4",
      { blockSize: 4098, blockCount: 1, frameSize: 4098, frameCount: 1 },
    ],
    [
      "a block size that would misalign the next block",
      { blockSize: 4097, blockCount: 2, frameSize: 4096, frameCount: 2 },
    ],
    ["frames smaller than their header", { blockSize: 4096, blockCount: 1, frameSize: 20, frameCount: 204 }],
    ["no blocks", { blockSize: 4096, blockCount: 0, frameSize: 4096, frameCount: 0 }],
    [
      "a count that only 32 bits make right",
      { blockSize: 65_536, blockCount: 0x1000_0001, frameSize: 4096, frameCount: 16 },
    ],
    [
      "more than an ArrayBuffer holds",
      { blockSize: 0x8000_0000, blockCount: 3, frameSize: 0x8000_0000, frameCount: 3 },
    ],
    ["sizes beyond 32 bits", { blockSize: 2 ** 32, blockCount: 1, frameSize: 2 ** 32, frameCount: 1 }],
    ["fractions", { ...shape, frameSize: 4096.5 }],
    ["NaN", { ...shape, blockCount: Number.NaN }],
  ])("is refused for %s, on either side", (_, wrong) => {
    const socket = new native.Socket(NETLINK_ROUTE);
    const refusal = { name: "RangeError", code: "ERR_OUT_OF_RANGE" };
    expect(thrownBy(() => socket.mapUserRing(wrong, shape))).toMatchObject(refusal);
    expect(thrownBy(() => socket.mapUserRing(shape, wrong))).toMatchObject(refusal);
    expect(thrownBy(() => socket.mapKernelRing(shape, wrong))).toMatchObject(refusal);
    socket.close();
  });

  test("is refused where both lengths together wrap 64 bits", () => {
    const socket = new native.Socket(NETLINK_ROUTE);
    const rx = {
      blockSize: 0xffff_fffc,
      blockCount: 0xffff_ffff,
      frameSize: 0xffff_fffc,
      frameCount: 0xffff_ffff,
    };
    expect(thrownBy(() => socket.mapUserRing(rx, rx))).toMatchObject({ code: "ERR_OUT_OF_RANGE" });
    socket.close();
  });

  test("checks the socket after the caller's getters ran", () => {
    const closed = new native.Socket(NETLINK_ROUTE);
    const closing = {
      ...shape,
      get blockSize() {
        closed.close();
        return shape.blockSize;
      },
    };
    expect(thrownBy(() => closed.mapUserRing(shape, closing))).toMatchObject({ code: "ERR_SOCKET_CLOSED" });
    const twice = new native.Socket(NETLINK_ROUTE);
    const mapping = {
      ...shape,
      get blockSize() {
        twice.mapUserRing(shape, shape);
        return shape.blockSize;
      },
    };
    expect(thrownBy(() => twice.mapUserRing(mapping, shape))).toMatchObject({ code: "EBUSY" });
    expect(twice.fill(1)).toBe(0);
    twice.close();
  });

  test("hands on what a getter throws", () => {
    const socket = new native.Socket(NETLINK_ROUTE);
    const throwing = {
      ...shape,
      get frameSize(): number {
        throw new Error("from the getter");
      },
    };
    expect(() => socket.mapUserRing(throwing, shape)).toThrow("from the getter");
    socket.close();
  });
});
