import { describe, expect, test } from "vitest";
import { NetlinkSocket } from "../src/socket.js";
import { FakeKernel, type FakeSocket } from "../src/testing/index.js";
import { messageBytes } from "./memory-socket.js";

/** A socket of a mapped kernel, and its kernel's side once it has sent something. */
async function open(ordered: boolean): Promise<{ socket: NetlinkSocket; kernelSide: FakeSocket }> {
  const seen: FakeSocket[] = [];
  const kernel = new FakeKernel(({ transport }) => seen.push(transport), { mapped: "from-4.3" });
  const socket = await NetlinkSocket.open(12, { transport: kernel, ordered });
  await socket.request({ type: 20 });
  const [kernelSide] = seen;
  if (kernelSide === undefined) throw new Error("nothing was sent");
  return { socket, kernelSide };
}

describe("ordered", () => {
  test("takes a transport where reception and copy are one step, also where the kernel maps rings", async () => {
    const { socket } = await open(true);
    expect(socket.transport.reason).not.toContain("maps rings");
    await socket.close();
  });

  test("keeps the order of arrival across messages of every size and kind", async () => {
    const { socket, kernelSide } = await open(true);
    const sizes = [4, 40_000, 8, 100_000, 12];
    sizes.forEach((size, index) => {
      kernelSide.deliver(messageBytes({ type: 100, payload: new Uint8Array(size).fill(index) }), {
        group: index % 2,
      });
    });
    const seen: number[] = [];
    for (let message = socket.take(); message !== undefined; message = socket.take()) {
      seen.push(message.view.getUint8(message.payloadOffset));
      message.release();
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    await socket.close();
  });

  test("is not asked for by default: a mapped ring is taken", async () => {
    const { socket } = await open(false);
    expect(socket.transport.reason).toContain("maps rings");
    await socket.close();
  });
});
