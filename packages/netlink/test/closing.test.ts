import { describe, expect, test, vi } from "vitest";
import { SocketClosedError } from "../src/errors.js";
import { NetlinkSocket } from "../src/socket.js";
import { FakeKernel } from "../src/testing/index.js";
import {
  messageBytes,
  openMemorySocket,
  PROTOCOL,
  pattern,
  payloadOf,
  rejection,
  takeAll,
} from "./memory-socket.js";

describe("close", () => {
  test("sends what is committed, then refuses everything with ERR_SOCKET_CLOSED", async () => {
    const types: number[] = [];
    const { socket } = await openMemorySocket(({ message }) => types.push(message.type));
    socket.compose(5, 0, 0);
    socket.commit();
    await socket.close();
    await socket.close();
    expect(types).toEqual([5]);
    expect(socket.closed).toBe(true);
    const closed = expect.objectContaining({ code: "ERR_SOCKET_CLOSED" });
    expect(() => socket.take()).toThrow(closed);
    expect(() => socket.compose(1, 0, 0)).toThrow(closed);
    expect(() => socket.commit()).toThrow(closed);
    expect(() => socket.addMembership(1)).toThrow(closed);
    expect(() => socket.dropMembership(1)).toThrow(closed);
    for (const pending of [socket.request({ type: 1 }), socket.readable(), socket.receive(() => {})]) {
      expect(await rejection(pending)).toBeInstanceOf(SocketClosedError);
    }
    socket.flush();
    socket.ref().unref();
  });

  test("rejects pending requests and readable, and resolves receive", async () => {
    const pulled = await openMemorySocket();
    const pushed = await openMemorySocket();
    const request = rejection(pulled.socket.request({ type: 1 }));
    const readable = rejection(pulled.socket.readable());
    const running = pushed.socket.receive(() => {});
    await Promise.all([pulled.socket.close(), pushed.socket.close()]);
    expect(await request).toBeInstanceOf(SocketClosedError);
    expect(await readable).toBeInstanceOf(SocketClosedError);
    await running;
  });

  test("leaves the numbers as they were", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 5000 });
    for (let i = 0; i < 10; i++) transport.deliver(messageBytes({ payload: pattern(216) }));
    takeAll(socket);
    const { portId, receiveBuffer, statistics, transport: kind } = socket;
    expect(statistics).toMatchObject({ received: 5, drops: 5 });
    await socket.close();
    expect(socket.statistics).toEqual(statistics);
    expect([socket.portId, socket.receiveBuffer, socket.transport]).toEqual([portId, receiveBuffer, kind]);
  });

  test("lets a message be held and released afterwards, in the ring or not", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 4096, frameCount: 8 },
    });
    for (const length of [10, 9000, 10]) transport.deliver(messageBytes({ payload: pattern(length) }));
    const messages = takeAll(socket);
    messages[0]?.hold();
    await socket.close();
    messages[2]?.hold();
    for (const message of messages) message.release();
    expect(messages.every(({ released }) => released)).toBe(true);
  });

  test("empties views of the ring, and leaves memory of a message's own", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 4096, frameCount: 8 },
    });
    for (const length of [10, 9000]) transport.deliver(messageBytes({ payload: pattern(length) }));
    const [inRing, copied] = takeAll(socket);
    await socket.close();
    expect(inRing?.bytes.length).toBe(0);
    expect(copied === undefined ? undefined : payloadOf(copied)).toEqual(pattern(9000));
  });

  test("by a visitor of receive ends the reading at once", async () => {
    const { socket, transport } = await openMemorySocket();
    for (let type = 1; type <= 5; type++) transport.deliver(messageBytes({ type }));
    const seen: number[] = [];
    await socket.receive((message) => {
      seen.push(message.type);
      void socket.close();
    });
    expect(seen).toEqual([1]);
  });

  test("by a visitor of a reply rejects the request and ends the reading", async () => {
    const { socket } = await openMemorySocket((request) => {
      for (let i = 0; i < 5; i++) request.reply(50, 0);
    });
    let visited = 0;
    const visit = (): void => {
      visited++;
      void socket.close();
    };
    expect(await rejection(socket.request({ type: 1 }, { visit }))).toBeInstanceOf(SocketClosedError);
    expect(visited).toBe(1);
  });

  test("by the kernel's side of a send is survived", async () => {
    const { socket } = await openMemorySocket(() => void socket.close());
    expect(await rejection(socket.request({ type: 1 }))).toBeInstanceOf(SocketClosedError);
  });

  test("by the writer of a request rejects it", async () => {
    const { socket } = await openMemorySocket();
    const write = (): void => void socket.close();
    expect(await rejection(socket.request({ type: 1, write }))).toMatchObject({
      code: expect.stringMatching(/ERR_SOCKET_CLOSED|EBADF/),
    });
  });

  test("disposes of the socket", async () => {
    const { socket } = await openMemorySocket();
    await socket[Symbol.asyncDispose]();
    expect(socket.closed).toBe(true);
  });
});

describe("an abort", () => {
  const reason = new Error("enough");

  test("before opening rejects with the signal's reason", async () => {
    const opening = openMemorySocket(undefined, { signal: AbortSignal.abort(reason) });
    expect(await rejection(opening)).toBe(reason);
  });

  test("closes the socket; what is pending rejects with the signal's reason", async () => {
    const controller = new AbortController();
    const { socket } = await openMemorySocket(undefined, { signal: controller.signal });
    const running = rejection(socket.receive(() => {}));
    const request = rejection(socket.request({ type: 1 }));
    controller.abort(reason);
    expect(await request).toBe(reason);
    expect(await running).toBe(reason);
    expect(socket.closed).toBe(true);
  });

  test("rejects a pending readable, and a later one, with the signal's reason", async () => {
    const controller = new AbortController();
    const { socket } = await openMemorySocket(undefined, { signal: controller.signal });
    const readable = rejection(socket.readable());
    controller.abort(reason);
    expect(await readable).toBe(reason);
    expect(await rejection(socket.readable())).toBe(reason);
    expect(() => socket.take()).toThrow(
      expect.objectContaining({ code: "ERR_SOCKET_CLOSED", cause: reason }),
    );
  });

  test("by a visitor, with its message in hand, rejects with the signal's reason", async () => {
    const controller = new AbortController();
    const { socket, transport } = await openMemorySocket(undefined, { signal: controller.signal });
    transport.deliver(messageBytes({}));
    transport.deliver(messageBytes({}));
    let visited = 0;
    const running = socket.receive(() => {
      visited++;
      controller.abort(reason);
    });
    expect(await rejection(running)).toBe(reason);
    expect(visited).toBe(1);
  });

  test("still sends what was committed before it", async () => {
    const controller = new AbortController();
    const types: number[] = [];
    const { socket } = await openMemorySocket(({ message }) => types.push(message.type), {
      signal: controller.signal,
    });
    socket.compose(5, 0, 0);
    socket.commit();
    controller.abort(reason);
    expect(types).toEqual([5]);
  });

  test("after the close does nothing, and the signal keeps no hold on the socket", async () => {
    const controller = new AbortController();
    const removeEventListener = vi.spyOn(controller.signal, "removeEventListener");
    const { socket } = await openMemorySocket(undefined, { signal: controller.signal });
    await socket.close();
    expect(removeEventListener).toHaveBeenCalledOnce();
    controller.abort(reason);
    expect(() => socket.take()).toThrow(expect.not.objectContaining({ cause: reason }));
  });
});

test("a socket that cannot be set up closes its transport", async () => {
  const kernel = new FakeKernel();
  let closes = 0;
  const refused = new Error("no such option");
  const opening = NetlinkSocket.open(PROTOCOL, {
    transport: {
      open(request) {
        const transport = kernel.open(request);
        transport.setOption = () => {
          throw refused;
        };
        const close = transport.close.bind(transport);
        transport.close = () => {
          closes++;
          close();
        };
        return transport;
      },
    },
  });
  expect(await rejection(opening)).toBe(refused);
  expect(closes).toBe(1);
});
