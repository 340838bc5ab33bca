import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Message } from "../src/message/message.js";
import {
  joined,
  messageBytes,
  openMemorySocket,
  pattern,
  payloadOf,
  takeAll,
  until,
} from "./memory-socket.js";

const SMALL_RING = { ring: { frameSize: 4096, frameCount: 8 } };

function padded(bytes: Uint8Array): Uint8Array {
  return joined(bytes, new Uint8Array((4 - (bytes.length % 4)) % 4));
}

/** As `toEqual`, but quick enough for many. */
function expectSame(message: Message, payload: Uint8Array | undefined): void {
  if (payload === undefined || Buffer.compare(payloadOf(message), payload) !== 0) {
    throw new Error("a message has changed, or came in another's place");
  }
}

describe("a message", () => {
  test("is read in place, where its frame lies", async () => {
    const { socket, transport } = await openMemorySocket();
    transport.deliver(messageBytes({ type: 9, flags: 3, sequence: 5, portId: 6, payload: pattern(10) }), {
      group: 4,
      senderPort: 99,
    });
    const message = socket.take();
    expect(message?.bytes.buffer).toBe(transport.rx.bytes.buffer);
    expect(message).toMatchObject({ type: 9, flags: 3, sequence: 5, portId: 6, group: 4, senderPort: 99 });
    expect(message === undefined ? undefined : payloadOf(message)).toEqual(pattern(10));
  });

  test("keeps its bytes until it is released, whatever comes meanwhile", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    transport.deliver(messageBytes({ payload: pattern(100, 1) }));
    const first = socket.take();
    first?.hold();
    for (let i = 0; i < 50; i++) {
      transport.deliver(messageBytes({ payload: pattern(100, 50 + i) }));
      socket.take()?.release();
    }
    expect(first === undefined ? undefined : payloadOf(first)).toEqual(pattern(100, 1));
  });

  test("is larger than a frame: it comes whole and in its place", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    for (const length of [10, 5000, 20, 4056, 4057, 4])
      transport.deliver(messageBytes({ payload: pattern(length, length) }));
    const messages = takeAll(socket);
    expect(messages.map(payloadOf)).toEqual(
      [10, 5000, 20, 4056, 4057, 4].map((length) => pattern(length, length)),
    );
    expect(messages[1]?.bytes.buffer).not.toBe(transport.rx.bytes.buffer);
  });

  test("may share its frame with others: each is held and released by itself", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    const parts = [3, 8, 6].map((length) => messageBytes({ type: length, payload: pattern(length) }));
    // The last one lacks its padding, as the kernel's may.
    transport.deliver(joined(...parts.slice(0, 2).map(padded), ...parts.slice(2)));
    const messages = takeAll(socket);
    expect(messages.map(({ type }) => type)).toEqual([3, 8, 6]);
    for (const message of messages) message.hold();
    expect(transport.rx.heldCount).toBe(1);
    messages[0]?.release();
    messages[2]?.release();
    expect(transport.rx.heldCount).toBe(1);
    expect(messages[1] === undefined ? undefined : payloadOf(messages[1])).toEqual(pattern(8));
    messages[1]?.release();
    expect(transport.rx.heldCount).toBe(0);
  });

  test("gives its frame back once, however often it is released", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    transport.deliver(joined(padded(messageBytes({ type: 1 })), messageBytes({ type: 2 })));
    const [first, second] = takeAll(socket);
    first?.release();
    first?.release();
    expect(first?.released).toBe(true);
    expect(transport.rx.takenCount).toBe(1);
    second?.release();
    expect(transport.rx.takenCount).toBe(0);
  });

  test("that was released cannot be held any more", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    transport.deliver(messageBytes({}));
    const message = socket.take();
    message?.release();
    message?.hold();
    expect(message?.held).toBe(false);
    expect(transport.rx.heldCount).toBe(0);
  });
});

describe("frames", () => {
  test("past half of the ring in the hands of the reader, messages are copied on arrival and reading never stops", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    const kept: Message[] = [];
    for (let i = 0; i < 40; i++) {
      transport.deliver(messageBytes({ payload: pattern(60, i) }));
      const message = socket.take();
      if (message === undefined) throw new Error(`message ${i} did not come`);
      message.hold();
      kept.push(message);
    }
    const inRing = kept.filter(({ bytes }) => bytes.buffer === transport.rx.bytes.buffer);
    expect(inRing).toHaveLength(4);
    expect(kept.map(payloadOf)).toEqual(Array.from({ length: 40 }, (_, i) => pattern(60, i)));
  });

  test("neither released nor held stop the reading; the first release lets it go on", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    for (let i = 0; i < 30; i++) transport.deliver(messageBytes({ type: 100 + i }));
    const taken = takeAll(socket);
    // The producer came around to the first frame, which is out.
    expect(taken.map(({ type }) => type)).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
    let readable = false;
    const waiting = socket.readable().then(() => {
      readable = true;
    });
    await until(() => transport.rx.takenCount === 4);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(readable).toBe(false);
    taken[0]?.release();
    await waiting;
    expect(socket.take()?.type).toBe(108);
  });

  test("that are held, too, let the reading go on", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    for (let i = 0; i < 30; i++) transport.deliver(messageBytes({ type: 100 + i }));
    const taken = takeAll(socket);
    const waiting = socket.readable();
    for (const message of taken) message.hold();
    await waiting;
    expect(takeAll(socket)).toHaveLength(22);
  });

  test("that the reader has never keep an answer away", async () => {
    const { socket, transport } = await openMemorySocket(undefined, SMALL_RING);
    for (let i = 0; i < 30; i++) transport.deliver(messageBytes({ type: 100 + i, payload: pattern(40, i) }));
    const taken = takeAll(socket);
    await socket.request({ type: 1 });
    expect(taken.map(payloadOf)).toEqual(taken.map((_, i) => pattern(40, i)));
    const rest = takeAll(socket);
    expect([...taken, ...rest].map(({ type }) => type)).toEqual(
      Array.from({ length: 30 }, (_, i) => 100 + i),
    );
  });

  test("are never reused under a message that was not released, whatever the reader does", () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant("deliver" as const),
        length: fc.oneof(fc.nat(60), fc.integer({ min: 4040, max: 4070 })),
      }),
      fc.record({ kind: fc.constant("take" as const) }),
      fc.record({ kind: fc.constant("hold" as const), which: fc.nat(30) }),
      fc.record({ kind: fc.constant("release" as const), which: fc.nat(30) }),
    );
    return fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(action, { maxLength: 80 }),
        async (frameCount, actions) => {
          const { socket, transport } = await openMemorySocket(undefined, {
            ring: { frameSize: 4096, frameCount },
          });
          const out: { message: Message; number: number }[] = [];
          const delivered: Uint8Array[] = [];
          let taken = 0;
          for (const step of actions) {
            if (step.kind === "deliver") {
              const payload = pattern(step.length, delivered.length);
              if (transport.deliver(messageBytes({ payload }))) delivered.push(payload);
            } else if (step.kind === "take") {
              const message = socket.take();
              if (message !== undefined) out.push({ message, number: taken++ });
            } else {
              const chosen = out[step.which % Math.max(out.length, 1)];
              if (chosen === undefined) continue;
              if (step.kind === "hold") chosen.message.hold();
              else {
                chosen.message.release();
                out.splice(out.indexOf(chosen), 1);
              }
            }
            // In order, and none changed since.
            for (const { message, number } of out) expectSame(message, delivered[number]);
          }
          for (const { message } of out) message.release();
          for (const message of takeAll(socket)) {
            expectSame(message, delivered[taken++]);
            message.release();
          }
          // Not lost either: whatever was delivered has come.
          while (taken < delivered.length) {
            const message = socket.take();
            if (message === undefined)
              throw new Error(`message ${taken} of ${delivered.length} did not come`);
            expectSame(message, delivered[taken++]);
            message.release();
          }
          expect([transport.rx.takenCount, transport.rx.heldCount]).toEqual([0, 0]);
          await socket.close();
        },
      ),
      { numRuns: 300 },
    );
  });
});
