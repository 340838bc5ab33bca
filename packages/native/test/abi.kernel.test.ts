import { describe, expect, test } from "vitest";
import { loadNative } from "../dist/index.js";
import { native } from "./sandbox.js";

describe("the addon", () => {
  test("is loaded once in a thread", () => {
    expect(loadNative()).toBe(native);
  });

  test("has a frame as struct nl_mmap_hdr of the kernel is", () => {
    expect(native.layout).toMatchObject({
      frameHeaderLength: 24,
      frameStatus: 0,
      frameLength: 4,
      frameGroup: 8,
      framePid: 12,
      frameUid: 16,
      frameGid: 20,
    });
  });

  test("tells the page size, which a kernel ring's blocks are multiples of", () => {
    expect(Number.isInteger(Math.log2(native.pageSize))).toBe(true);
    expect(native.pageSize).toBeGreaterThanOrEqual(4096);
  });

  test("has a message header as struct nlmsghdr of the kernel is", () => {
    expect(native.layout).toMatchObject({
      messageHeaderLength: 16,
      messageType: 4,
      messageFlags: 6,
      messageSequence: 8,
      messagePort: 12,
    });
  });

  test("waits for a grace period of the kernel, or resolves where it refuses", async () => {
    await expect(Promise.all([native.gracePeriod(), native.gracePeriod()])).resolves.toEqual([
      undefined,
      undefined,
    ]);
  });

  test("asks for `new`", () => {
    expect(() => Reflect.apply(native.Socket, undefined, [0])).toThrow(TypeError);
  });

  test("calls nothing on an object that is no socket", () => {
    const socket = new native.Socket(0);
    const strangers = [
      {},
      Object.create(socket),
      Object.create(native.Socket.prototype),
      [],
      undefined,
      1,
      native,
    ];
    try {
      for (
        let type: object | null = native.Socket.prototype;
        type !== null;
        type = Object.getPrototypeOf(type)
      ) {
        if (type === Object.prototype) break;
        for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
          if (name === "constructor") continue;
          for (const stranger of strangers) {
            expect(() => Reflect.apply(value ?? get, stranger, [1, 1, 1]), name).toThrow();
          }
        }
      }
    } finally {
      socket.close();
    }
  });
});
