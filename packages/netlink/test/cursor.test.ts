import { describe, expect, test, vi } from "vitest";
import { NLM_F_REQUEST } from "../src/abi.js";
import { SocketClosedError, TransportError } from "../src/errors.js";
import { OWN_MEMORY } from "../src/message/message.js";
import { MessageCursor } from "../src/message/message-cursor.js";
import { MessageStore } from "../src/message/message-memory.js";
import { joined, messageBytes, openMemorySocket, pattern, payloadOf } from "./memory-socket.js";

const SMALL_RING = { ring: { frameSize: 4096, frameCount: 8 } };

function payloadAt({ view, payloadOffset, end }: MessageCursor): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + payloadOffset, end - payloadOffset).slice();
}

describe("next", () => {
  test("says where each message lies, several in a frame, and where none waits", async () => {
    const { socket, transport } = await openMemorySocket();
    const cursor = new MessageCursor();
    expect(socket.next(cursor)).toBe(false);
    const first = messageBytes({ type: 3, payload: pattern(8, 1) });
    transport.deliver(joined(first, messageBytes({ type: 4, payload: pattern(9, 2) })), {
      senderPort: 7,
      group: 5,
    });
    for (const [type, length] of [
      [3, 8],
      [4, 9],
    ] as const) {
      expect(socket.next(cursor)).toBe(true);
      expect(cursor).toMatchObject({ type, senderPort: 7, group: 5 });
      expect(payloadAt(cursor)).toEqual(pattern(length, type - 2));
      socket.frames.releaseFrame(cursor.frame);
    }
    expect(socket.next(cursor)).toBe(false);
  });

  test("passes over frames that are held, and copies where half of the ring is", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    const cursor = new MessageCursor();
    for (let i = 0; i < 30; i++) {
      transport.deliver(messageBytes({ payload: pattern(100, i) }));
      expect(socket.next(cursor)).toBe(true);
      expect(payloadAt(cursor)).toEqual(pattern(100, i));
      if (cursor.frame === OWN_MEMORY) continue;
      if (i % 2 === 0) socket.frames.releaseFrame(cursor.frame);
      else socket.frames.holdFrame(cursor.frame);
    }
    expect(cursor.frame).toBe(OWN_MEMORY);
  });

  test("finds what was met while a request was answered", async () => {
    const { socket, transport } = await openMemorySocket();
    const cursor = new MessageCursor();
    for (let type = 1; type <= 3; type++)
      transport.deliver(messageBytes({ type, payload: pattern(5, type) }));
    await socket.request({ type: 9 });
    for (let type = 1; type <= 3; type++) {
      expect(socket.next(cursor)).toBe(true);
      expect(cursor.type).toBe(type);
      expect(payloadAt(cursor)).toEqual(pattern(5, type));
      socket.frames.releaseFrame(cursor.frame);
    }
  });
});

describe("a reader that trusts the last look", () => {
  test("is told once that the socket was emptied, without another look, and finds then what has come since", async () => {
    const { socket, transport } = await openMemorySocket();
    const cursor = new MessageCursor();
    transport.deliver(messageBytes({ type: 3 }));
    expect(socket.next(cursor, true)).toBe(true);
    socket.frames.releaseFrame(cursor.frame);
    transport.deliver(messageBytes({ type: 4 }));
    const fill = vi.spyOn(transport, "fill");
    expect(socket.next(cursor, true)).toBe(false);
    expect(fill).not.toHaveBeenCalled();
    expect(socket.next(cursor, true)).toBe(true);
    expect(cursor.type).toBe(4);
  });

  test("looks where it does not trust, where all that was asked for came, and where frames were few", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    const cursor = new MessageCursor();
    const read = (): number[] => {
      const types = [];
      for (; socket.next(cursor, true); types.push(cursor.type)) {
        if (cursor.frame === OWN_MEMORY) continue;
        if (cursor.type > 100) socket.frames.holdFrame(cursor.frame);
        else socket.frames.releaseFrame(cursor.frame);
      }
      return types;
    };
    transport.deliver(messageBytes({ type: 3 }));
    expect(socket.next(cursor)).toBe(true);
    socket.frames.releaseFrame(cursor.frame);
    transport.deliver(messageBytes({ type: 4 }));
    expect(socket.next(cursor)).toBe(true);
    socket.frames.releaseFrame(cursor.frame);
    expect(socket.next(cursor)).toBe(false);
    const many = Array.from({ length: 12 }, (_, index) => 10 + index);
    for (const type of many) transport.deliver(messageBytes({ type }));
    expect(read()).toEqual(many);
    // Three of eight frames are held, so a fill of as many as are wanted finds too few.
    for (const type of [101, 102, 103]) transport.deliver(messageBytes({ type }));
    expect(read()).toEqual([101, 102, 103]);
    for (const type of many) transport.deliver(messageBytes({ type }));
    expect(read()).toEqual(many);
  });

  test("asks for few messages first, and for more while all of them come", async () => {
    const { socket, transport } = await openMemorySocket();
    const cursor = new MessageCursor();
    const fill = vi.spyOn(transport, "fill");
    for (let i = 0; i < 100; i++) transport.deliver(messageBytes({ type: 3 }));
    for (; socket.next(cursor, true); ) socket.frames.releaseFrame(cursor.frame);
    transport.deliver(messageBytes({ type: 3 }));
    for (; socket.next(cursor, true); ) socket.frames.releaseFrame(cursor.frame);
    expect(fill.mock.calls.map(([limit]) => limit)).toEqual([4, 16, 64, 64, 4]);
  });
});

describe("a store of messages", () => {
  test("keeps each as it was, small ones together and large ones apart", () => {
    const store = new MessageStore();
    const lengths = [10, 4096, 4097, 1, 4096, 4096, 4096, 70_000, 3];
    const source = new DataView(new ArrayBuffer(100_000), 8);
    const kept = lengths.map((length, seed) => {
      new Uint8Array(source.buffer).set(pattern(length, seed), 8 + 16);
      const place = store.keep(source, 16, 16 + length);
      return { place, memory: store.memory };
    });
    for (const [seed, { place, memory }] of kept.entries()) {
      const length = lengths[seed] ?? 0;
      expect(memory.bytes.slice(place, place + length)).toEqual(pattern(length, seed));
      expect(memory.view.getUint8(place)).toBe(memory.bytes[place]);
    }
    expect(kept[1]?.memory).toBe(kept[0]?.memory);
    expect(kept[2]?.memory).not.toBe(kept[0]?.memory);
  });
});

describe("place", () => {
  test("leaves room for messages that leave in order with composed ones, over the end of a frame", async () => {
    const sent: { type: number; payload: Uint8Array }[] = [];
    const { socket } = await openMemorySocket(({ message }) => {
      sent.push({ type: message.type, payload: payloadOf(message) });
    });
    const expected: typeof sent = [];
    for (let type = 1; type <= 3000; type++) {
      const payload = pattern(16, type);
      if (type % 7 === 0) {
        socket.compose(type, 0, 16).bytes(payload);
        socket.commit();
      } else {
        const at = socket.place(32);
        const message = messageBytes({ type, flags: NLM_F_REQUEST, portId: socket.portId, payload });
        socket.sendWords.set(new Uint32Array(message.buffer, message.byteOffset, message.length / 4), at);
      }
      expected.push({ type, payload });
    }
    socket.flush();
    expect(sent).toEqual(expected);
  });
});

describe("whenReadable", () => {
  test("calls its waiter once, in a later turn", async () => {
    const { socket, transport } = await openMemorySocket();
    expect(socket.take()).toBeUndefined();
    const called = new Promise<void>((resolve, reject) => socket.whenReadable({ resolve, reject }));
    expect(() => socket.whenReadable({ resolve: () => {}, reject: () => {} })).toThrow(
      "has a reader already",
    );
    transport.deliver(messageBytes({ type: 3 }));
    await called;
    expect(socket.take()?.type).toBe(3);
  });

  test("tells its waiter that the socket was closed", async () => {
    const { socket } = await openMemorySocket();
    const called = new Promise<void>((resolve, reject) => socket.whenReadable({ resolve, reject }));
    await socket.close();
    await expect(called).rejects.toBeInstanceOf(SocketClosedError);
    expect(() => socket.whenReadable({ resolve: () => {}, reject: () => {} })).toThrow(SocketClosedError);
  });
});

test("a socket for the kernel's messages alone joins no group", async () => {
  const { socket } = await openMemorySocket(undefined, { kernelOnly: true });
  expect(() => socket.addMembership(1)).toThrow(TransportError);
});
