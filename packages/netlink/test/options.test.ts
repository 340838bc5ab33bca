import { describe, expect, test } from "vitest";
import { NLMSG_ERROR } from "../src/abi.js";
import { SystemError } from "../src/errors.js";
import { errorNumber } from "../src/message/acknowledgement.js";
import { NetlinkSocket } from "../src/socket.js";
import type { SocketOptions } from "../src/socket-options.js";
import { FakeKernel, type FakeSocketOptions } from "../src/testing/index.js";
import type { Transport, TransportRequest } from "../src/transport/transport.js";
import { messageBytes, openMemorySocket, PROTOCOL, rejection, takeAll } from "./memory-socket.js";

const GROUP = 5;

/** The options that the kernel's side sees. */
async function seen(options: SocketOptions): Promise<FakeSocketOptions> {
  const { transport } = await openMemorySocket(() => {}, options);
  return transport.options;
}

/** A socket over a transport whose kernel is as old as to know none of these options. */
function openOnOldKernel(options: SocketOptions, unknown: readonly number[]): Promise<NetlinkSocket> {
  const kernel = new FakeKernel();
  const open = (request: TransportRequest): Transport => {
    const transport = kernel.open(request);
    const setOption = transport.setOption.bind(transport);
    transport.setOption = (level, option, value) => {
      if (unknown.includes(option)) throw new SystemError("setsockopt", -92);
      setOption(level, option, value);
    };
    return transport;
  };
  return NetlinkSocket.open(PROTOCOL, { ...options, transport: { open } });
}

describe("the options of a socket", () => {
  test("that nobody named are those that make errors short and tell them in words", async () => {
    expect(await seen({})).toEqual({
      strict: false,
      broadcastError: false,
      extendedAck: true,
      shortErrors: true,
      allNamespaces: false,
      noEnobufs: false,
    });
  });

  test.each(["strict", "broadcastError", "allNamespaces", "noEnobufs"] as const)(
    "%s reaches the kernel where it is asked for",
    async (name) => {
      expect((await seen({ [name]: true }))[name]).toBe(true);
      expect((await seen({ [name]: false }))[name]).toBe(false);
    },
  );

  test.each(["extendedAck", "shortErrors"] as const)("%s can be left out", async (name) => {
    expect((await seen({ [name]: false }))[name]).toBe(false);
    expect((await seen({ [name]: true }))[name]).toBe(true);
  });

  test("that an old kernel does not know are done without, unless they were asked for", async () => {
    const all = [4, 5, 8, 10, 11, 12];
    await (await openOnOldKernel({}, all)).close();
    await (await openOnOldKernel({ strict: false, extendedAck: false }, all)).close();
    for (const options of [{ strict: true }, { extendedAck: true }, { shortErrors: true }]) {
      await expect(openOnOldKernel(options, all)).rejects.toMatchObject({ code: "ENOPROTOOPT" });
    }
  });

  test("reach the handler of a fake kernel", async () => {
    const strict: boolean[] = [];
    const { socket } = await openMemorySocket((request) => strict.push(request.transport.options.strict), {
      strict: true,
    });
    await socket.request({ type: 100 });
    expect(strict).toEqual([true]);
  });
});

describe("errors of a fake kernel", () => {
  const PAYLOAD = 7;

  /** Length of the error about a composed message. */
  async function errorAbout(options: SocketOptions): Promise<number> {
    const { socket } = await openMemorySocket((request) => request.fail(-22), options);
    const writer = socket.compose(100, 0, PAYLOAD);
    for (let i = 0; i < PAYLOAD; i++) writer.uint8(i);
    socket.commit();
    socket.flush();
    const [message] = takeAll(socket);
    if (message === undefined) throw new Error("there is no error");
    expect(message.type).toBe(NLMSG_ERROR);
    expect(errorNumber(message)).toBe(-22);
    return message.end - message.offset;
  }

  test("repeat the header of the request, or all of it", async () => {
    expect(await errorAbout({})).toBe(16 + 4 + 16);
    expect(await errorAbout({ shortErrors: false })).toBe(16 + 4 + 16 + 8);
  });

  test("say no words to who wants none", async () => {
    const fail = async (options: SocketOptions): Promise<unknown> => {
      const { socket } = await openMemorySocket((request) => request.fail(-22, "in words"), options);
      return rejection(socket.request({ type: 100, write: (writer) => writer.uint8(1) }));
    };
    expect(await fail({})).toMatchObject({ kernelText: "in words" });
    expect(await fail({ shortErrors: false })).toMatchObject({ kernelText: "in words" });
    expect(await fail({ extendedAck: false })).toMatchObject({ kernelText: undefined, code: "EINVAL" });
  });
});

describe("messages of other network namespaces", () => {
  test("come with their id to who listens to all, and to nobody else", async () => {
    const kernel = new FakeKernel();
    const all = await NetlinkSocket.open(PROTOCOL, { transport: kernel, allNamespaces: true });
    const own = await NetlinkSocket.open(PROTOCOL, { transport: kernel });
    for (const socket of [all, own]) socket.addMembership(GROUP);
    expect(kernel.multicast(GROUP, 100, undefined, { namespaceId: 7 })).toBe(1);
    expect(kernel.multicast(GROUP, 101, undefined, { namespaceId: 0 })).toBe(1);
    expect(kernel.multicast(GROUP, 102)).toBe(2);
    expect(takeAll(all).map(({ type, namespaceId }) => [type, namespaceId])).toEqual([
      [100, 7],
      [101, 0],
      [102, undefined],
    ]);
    expect(takeAll(own).map(({ type, namespaceId }) => [type, namespaceId])).toEqual([[102, undefined]]);
  });

  test("keep the id when they are larger than a frame, or moved out of the ring", async () => {
    const { socket, transport } = await openMemorySocket(() => {}, {
      ring: { frameSize: 4096, frameCount: 2 },
      allNamespaces: true,
    });
    transport.deliver(messageBytes({ payload: new Uint8Array(9000) }), { namespaceId: 3 });
    for (let id = 4; id < 8; id++) transport.deliver(messageBytes({}), { namespaceId: id });
    const messages = takeAll(socket);
    expect(messages.map((message) => message.namespaceId)).toEqual([3, 4, 5]);
  });

  test("take the user ring, on a kernel that maps rings too", async () => {
    const kernel = new FakeKernel(() => {}, { mapped: "from-4.3" });
    const socket = await NetlinkSocket.open(PROTOCOL, { transport: kernel, allNamespaces: true });
    expect(socket.transport.reason).not.toContain("maps rings");
  });
});
