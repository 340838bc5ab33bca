import { expect, test, vi } from "vitest";
import { openMemorySocket, PROTOCOL, rejection } from "./memory-socket.js";

const native = vi.hoisted(() => ({ loads: 0 }));

vi.mock("@nlring/native", () => {
  native.loads++;
  return {
    loadNative: () => {
      throw new Error("the native part was asked for");
    },
  };
});

test("a socket over a fake kernel never loads the native part", async () => {
  const { socket, transport } = await openMemorySocket((request) => request.reply(5, 0));
  await socket.request({ type: 1 });
  socket.compose(2, 0, 0);
  socket.commit();
  transport.deliver(new Uint8Array(20));
  socket.take();
  await socket.close();
  await import("../src/index.js");
  await import("../src/testing/index.js");
  expect(native.loads).toBe(0);
  expect(socket.transport.kind).toBe("memory");
});

test("a real transport does, on first use", async () => {
  const { NetlinkSocket } = await import("../src/index.js");
  expect(await rejection(NetlinkSocket.open(PROTOCOL))).toMatchObject({
    message: "the native part was asked for",
  });
  expect(native.loads).toBe(1);
});
