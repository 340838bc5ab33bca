import { describe, expect, test } from "vitest";
import { ReplyLostError } from "../src/errors.js";
import {
  joined,
  messageBytes,
  openMemorySocket,
  pattern,
  rejection,
  takeAll,
  until,
} from "./memory-socket.js";

describe("an overrun of the receive buffer", () => {
  test("is counted, costs no more than what did not fit, and the socket goes on", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 5000 });
    for (let type = 100; type < 120; type++) transport.deliver(messageBytes({ type, payload: pattern(216) }));
    expect(takeAll(socket).map(({ type }) => type)).toEqual([100, 101, 102, 103, 104]);
    expect(socket.statistics).toMatchObject({ received: 5, overruns: 1, drops: 15 });
    transport.deliver(messageBytes({ type: 200 }));
    expect(takeAll(socket).map(({ type }) => type)).toEqual([200]);
  });

  test("refuses everything until it was read empty, unless noEnobufs is set", async () => {
    const arrivals = async (noEnobufs: boolean): Promise<number[]> => {
      const { socket, transport } = await openMemorySocket(undefined, {
        receiveBuffer: 5000,
        noEnobufs,
        ring: { frameSize: 4096, frameCount: 2 },
      });
      for (let type = 100; type < 110; type++)
        transport.deliver(messageBytes({ type, payload: pattern(216) }));
      // Two frames are filled, which makes room for two messages.
      socket.take()?.release();
      transport.deliver(messageBytes({ type: 200 }));
      const types: number[] = [];
      for (let message = socket.take(); message !== undefined; message = socket.take()) {
        types.push(message.type);
        message.release();
      }
      return types;
    };
    expect(await arrivals(false)).toEqual([101, 102, 103, 104]);
    expect(await arrivals(true)).toEqual([101, 102, 103, 104, 200]);
  });

  test("wakes the reader even where nothing else came", async () => {
    const { socket, transport } = await openMemorySocket();
    const fill = transport.fill.bind(transport);
    let told = false;
    transport.fill = (limit) => {
      if (told) return fill(limit);
      told = true;
      return -105;
    };
    expect(socket.take()).toBeUndefined();
    expect(socket.statistics.overruns).toBe(1);
  });

  test.each([-12, -90])("is what the pending error %d means, too", async (errno) => {
    const { socket, transport } = await openMemorySocket();
    const fill = transport.fill.bind(transport);
    let told = false;
    transport.fill = (limit) => {
      if (told) return fill(limit);
      told = true;
      return errno;
    };
    transport.deliver(messageBytes({ type: 3 }));
    expect(socket.take()?.type).toBe(3);
    expect(socket.statistics.overruns).toBe(1);
  });

  test("that never ends is a lost socket, and no endless loop", async () => {
    const { socket, transport } = await openMemorySocket();
    transport.fill = () => -12;
    expect(socket.take()).toBeUndefined();
    expect(await rejection(socket.readable())).toMatchObject({ code: "ENOMEM", syscall: "recvmmsg" });
  });
});

describe("a reply that found the receive buffer full", () => {
  test("rejects its request as soon as the socket was read empty", async () => {
    const { socket } = await openMemorySocket(
      (request) => {
        for (let i = 0; i < 20; i++) request.transport.deliver(messageBytes({ payload: pattern(200) }));
      },
      { receiveBuffer: 5000 },
    );
    const error = await rejection(socket.request({ type: 33 }));
    expect(error).toBeInstanceOf(ReplyLostError);
    expect(error).toMatchObject({ code: "ERR_REPLY_LOST", message: expect.stringContaining("type 33") });
  });

  test("rejects it also while a reader runs", async () => {
    const { socket } = await openMemorySocket(
      (request) => {
        for (let i = 0; i < 20; i++) request.transport.deliver(messageBytes({ payload: pattern(200) }));
      },
      { receiveBuffer: 5000, noEnobufs: true },
    );
    const running = socket.receive(() => {});
    expect(await rejection(socket.request({ type: 33 }))).toBeInstanceOf(ReplyLostError);
    await socket.close();
    await running;
  });

  test("leaves the requests alone whose answers came", async () => {
    let requests = 0;
    const { socket } = await openMemorySocket(
      (request) => {
        requests++;
        if (requests < 2) return;
        for (let i = 0; i < 20; i++) request.transport.deliver(messageBytes({ payload: pattern(200) }));
      },
      { receiveBuffer: 5000 },
    );
    const first = socket.request({ type: 1 });
    const second = rejection(socket.request({ type: 2 }));
    await first;
    expect(await second).toMatchObject({ message: expect.stringContaining("type 2") });
  });

  test("is nothing that can be said while the transport cannot tell yet", async () => {
    const { socket, transport } = await openMemorySocket();
    const fill = transport.fill.bind(transport);
    let waits = 3;
    transport.fill = (limit) => (waits-- > 0 ? -11 : fill(limit));
    await socket.request({ type: 1 });
    expect(waits).toBeLessThan(0);
  });
});

describe("malformed bytes", () => {
  test.each([
    ["fewer than a header", new Uint8Array(7)],
    ["with a length below the header's", lengthOf(messageBytes({}), 15)],
    ["with a length of 0", lengthOf(messageBytes({}), 0)],
    ["with a length beyond the frame", lengthOf(messageBytes({ payload: pattern(8) }), 25)],
    ["with the largest length", lengthOf(messageBytes({}), 0xffff_ffff)],
  ])("%s are counted and passed over", async (_, bytes) => {
    const { socket, transport } = await openMemorySocket();
    transport.deliver(bytes);
    transport.deliver(messageBytes({ type: 5 }));
    expect(takeAll(socket).map(({ type }) => type)).toEqual([5]);
    expect(socket.statistics.malformed).toBe(1);
  });

  test("behind good messages of a frame cost the rest of the frame only, and the frame comes back", async () => {
    const { socket, transport } = await openMemorySocket();
    transport.deliver(joined(messageBytes({ type: 1 }), messageBytes({ type: 2 }), new Uint8Array(20)));
    const messages = takeAll(socket);
    expect(messages.map(({ type }) => type)).toEqual([1, 2]);
    expect(socket.statistics.malformed).toBe(1);
    for (const message of messages) message.release();
    expect(transport.rx.takenCount).toBe(0);
  });

  test("an answer too short for its error rejects its request", async () => {
    const { socket } = await openMemorySocket((request) => request.reply(2, 0, (writer) => writer.uint32(0)));
    expect(await rejection(socket.request({ type: 1 }))).toMatchObject({ code: "ERR_DECODE" });
  });

  test("a message of which only a part could be taken is counted", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 4096, frameCount: 4 },
    });
    const takeCopied = transport.takeCopied.bind(transport);
    transport.takeCopied = (length) => takeCopied(length)?.subarray(0, 5000);
    transport.deliver(messageBytes({ payload: pattern(6000) }));
    transport.deliver(messageBytes({ type: 5 }));
    expect(takeAll(socket).map(({ type }) => type)).toEqual([5]);
    expect(socket.statistics.truncated).toBe(1);
  });
});

test("a socket that fails while it is read rejects its reader and its requests with the system's error", async () => {
  const { socket, transport } = await openMemorySocket();
  const running = rejection(socket.receive(() => {}));
  await until(() => true);
  transport.fill = () => -9;
  const request = rejection(socket.request({ type: 1 }));
  expect(await running).toMatchObject({ code: "EBADF", syscall: "recvmmsg" });
  expect(await request).toMatchObject({ code: "EBADF" });
  expect(socket.closed).toBe(true);
});

/** The same bytes with another nlmsg_len. */
function lengthOf(bytes: Uint8Array, length: number): Uint8Array {
  new Uint32Array(bytes.buffer, 0, 1)[0] = length;
  return bytes;
}
