import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { BusyError } from "../src/errors.js";
import type { Message } from "../src/message/message.js";
import {
  messageBytes,
  openMemorySocket,
  pattern,
  payloadOf,
  rejection,
  takeAll,
  until,
} from "./memory-socket.js";

describe("receive", () => {
  test("hands every message to the visitor in order, and takes each back when it returns", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen: number[] = [];
    const running = socket.receive((message) => {
      seen.push(message.type);
      expect(transport.rx.takenCount).toBe(1);
    });
    for (let type = 100; type < 150; type++) transport.deliver(messageBytes({ type }));
    await until(() => seen.length === 50);
    for (let type = 150; type < 200; type++) transport.deliver(messageBytes({ type }));
    await until(() => seen.length === 100);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => 100 + index));
    expect(transport.rx.takenCount).toBe(0);
    await socket.close();
    await running;
  });

  test("leaves a held message with the visitor", async () => {
    const { socket, transport } = await openMemorySocket();
    const held: Message[] = [];
    const running = socket.receive((message) => {
      message.hold();
      held.push(message);
    });
    transport.deliver(messageBytes({ payload: pattern(20) }));
    await until(() => held.length === 1);
    expect(held[0]?.released).toBe(false);
    expect(held.map(payloadOf)).toEqual([pattern(20)]);
    await socket.close();
    await running;
  });

  test("rejects with what the visitor throws; the message is given back and the next reader goes on behind it", async () => {
    const { socket, transport } = await openMemorySocket();
    const failure = new Error("visitor");
    transport.deliver(messageBytes({ type: 1 }));
    transport.deliver(messageBytes({ type: 2 }));
    const running = socket.receive(() => {
      throw failure;
    });
    expect(await rejection(running)).toBe(failure);
    expect(transport.rx.takenCount).toBe(0);
    expect(takeAll(socket).map(({ type }) => type)).toEqual([2]);
  });

  test("shows the visitor no answers", async () => {
    const { socket, transport } = await openMemorySocket((request) => request.reply(50, 0));
    const seen: number[] = [];
    const running = socket.receive((message) => seen.push(message.type));
    transport.deliver(messageBytes({ type: 1 }));
    await socket.request({ type: 9 });
    transport.deliver(messageBytes({ type: 2 }));
    await until(() => seen.length === 2);
    expect(seen).toEqual([1, 2]);
    await socket.close();
    await running;
  });

  test("leaves the others of the event loop their turn while messages wait", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 100_000_000 });
    for (let i = 0; i < 5000; i++) transport.deliver(messageBytes({}));
    let turn = 0;
    const turns = new Set<number>();
    let visited = 0;
    const running = socket.receive(() => {
      visited++;
      turns.add(turn);
    });
    while (visited < 5000) {
      await nextTurn();
      turn++;
    }
    expect(turns.size).toBeGreaterThanOrEqual(9);
    await socket.close();
    await running;
  });
});

describe("take and readable", () => {
  test("readable resolves when a message came", async () => {
    const { socket, transport } = await openMemorySocket();
    expect(socket.take()).toBeUndefined();
    const waiting = socket.readable();
    transport.deliver(messageBytes({ type: 3 }));
    await waiting;
    expect(socket.take()?.type).toBe(3);
  });

  test("readable resolves where messages wait in frames already, though the socket itself is empty", async () => {
    const { socket, transport } = await openMemorySocket();
    for (let type = 1; type <= 3; type++) transport.deliver(messageBytes({ type }));
    expect(socket.take()?.type).toBe(1);
    await socket.readable();
    expect(socket.take()?.type).toBe(2);
  });

  test("readable resolves for what was set aside while a request was answered", async () => {
    const { socket, transport } = await openMemorySocket();
    expect(socket.take()).toBeUndefined();
    for (let type = 1; type <= 3; type++) transport.deliver(messageBytes({ type }));
    await socket.request({ type: 9 });
    for (let type = 1; type <= 3; type++) {
      await socket.readable();
      expect(socket.take()?.type).toBe(type);
    }
  });

  test("never resolve in the same turn of the event loop", async () => {
    const { socket, transport } = await openMemorySocket();
    transport.deliver(messageBytes({}));
    transport.deliver(messageBytes({}));
    socket.take()?.release();
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await socket.readable();
    expect(turned).toBe(true);
  });
});

describe("a socket has one reader", () => {
  test("so a second receive, or take and readable beside it, is refused with ERR_BUSY", async () => {
    const { socket } = await openMemorySocket();
    const running = socket.receive(() => {});
    expect(await rejection(socket.receive(() => {}))).toBeInstanceOf(BusyError);
    expect(await rejection(socket.readable())).toMatchObject({ code: "ERR_BUSY" });
    expect(() => socket.take()).toThrow(BusyError);
    await socket.close();
    await running;
  });

  test("so a second readable, or a receive beside it, is refused with ERR_BUSY", async () => {
    const { socket, transport } = await openMemorySocket();
    const waiting = socket.readable();
    expect(await rejection(socket.readable())).toBeInstanceOf(BusyError);
    expect(await rejection(socket.receive(() => {}))).toBeInstanceOf(BusyError);
    transport.deliver(messageBytes({ type: 8 }));
    await waiting;
    expect(socket.take()?.type).toBe(8);
  });

  test("and the next one may begin when it has ended", async () => {
    const { socket, transport } = await openMemorySocket();
    transport.deliver(messageBytes({}));
    await rejection(
      socket.receive(() => {
        throw new Error("enough");
      }),
    );
    transport.deliver(messageBytes({ type: 6 }));
    expect(socket.take()?.type).toBe(6);
  });
});

describe("messages that come while only an answer is awaited", () => {
  test("wait in order for the reader, in front of later ones", async () => {
    const { socket, transport } = await openMemorySocket((request) => {
      request.transport.deliver(messageBytes({ type: 2 }));
    });
    transport.deliver(messageBytes({ type: 1 }));
    await socket.request({ type: 9 });
    transport.deliver(messageBytes({ type: 3 }));
    await socket.request({ type: 9 });
    transport.deliver(messageBytes({ type: 4 }));
    expect(takeAll(socket).map(({ type }) => type)).toEqual([1, 2, 3, 2, 4]);
  });

  test("keep their bytes, and their frames go back when the reader's visitor returns", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 4096, frameCount: 8 },
    });
    for (let i = 0; i < 20; i++) transport.deliver(messageBytes({ type: 50 + i, payload: pattern(40, i) }));
    await socket.request({ type: 9 });
    expect(transport.rx.heldCount).toBe(4);
    const seen: Uint8Array[] = [];
    const running = socket.receive((message) => {
      expect(message.held).toBe(false);
      seen.push(payloadOf(message));
    });
    await until(() => seen.length === 20);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => pattern(40, i)));
    expect([transport.rx.takenCount, transport.rx.heldCount]).toEqual([0, 0]);
    await socket.close();
    await running;
  });

  test("may share a frame with each other and with the answer", async () => {
    const { socket, transport } = await openMemorySocket();
    const pair = new Uint8Array(40);
    pair.set(messageBytes({ type: 1, payload: pattern(4) }), 0);
    pair.set(messageBytes({ type: 2, payload: pattern(4) }), 20);
    transport.deliver(pair);
    await socket.request({ type: 9 });
    const messages = takeAll(socket);
    expect(messages.map(({ type }) => type)).toEqual([1, 2]);
    for (const message of messages) message.release();
    expect([transport.rx.takenCount, transport.rx.heldCount]).toEqual([0, 0]);
  });

  test("are bounded by the size of the receive buffer: the rest is discarded and counted", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 20_000 });
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 8; i++) transport.deliver(messageBytes({ payload: pattern(100) }));
      await socket.request({ type: 9 });
    }
    const { received, discarded } = socket.statistics;
    expect(received + discarded).toBe(80);
    expect(takeAll(socket)).toHaveLength(received);
    expect(received).toBe(Math.floor(20_000 / (116 + 768)));
    // With room again, they are kept again.
    transport.deliver(messageBytes({ type: 77 }));
    transport.deliver(messageBytes({ type: 78 }));
    await socket.request({ type: 9 });
    expect(takeAll(socket).map(({ type }) => type)).toEqual([77, 78]);
  });
});
