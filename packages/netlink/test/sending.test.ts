import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { NLM_F_REQUEST } from "../src/abi.js";
import { BusyError, EncodeError, SystemError } from "../src/errors.js";
import type { NetlinkSocket } from "../src/socket.js";
import { openMemorySocket, pattern, payloadOf, rejection, until } from "./memory-socket.js";

interface Sent {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** A socket, and what its kernel saw of it in order. */
async function recording(): Promise<{
  socket: NetlinkSocket;
  sent: Sent[];
  types: () => number[];
  transport: Awaited<ReturnType<typeof openMemorySocket>>["transport"];
}> {
  const sent: Sent[] = [];
  const { socket, transport } = await openMemorySocket(({ message }) => {
    const { type, flags, sequence } = message;
    sent.push({ type, flags, sequence, payload: payloadOf(message) });
  });
  return { socket, sent, transport, types: () => sent.map(({ type }) => type) };
}

function commit(socket: NetlinkSocket, type: number, payload: Uint8Array = new Uint8Array(0)): void {
  const writer = socket.compose(type, 0, payload.length);
  for (const byte of payload) writer.uint8(byte);
  socket.commit();
}

describe("compose and commit", () => {
  test("send a message that expects no answer", async () => {
    const { socket, sent } = await recording();
    commit(socket, 5, pattern(7));
    socket.flush();
    expect(sent).toEqual([{ type: 5, flags: NLM_F_REQUEST, sequence: 0, payload: pattern(7) }]);
  });

  test("gather: nothing leaves at once, and everything before the event loop's turn ends", async () => {
    const { socket, types, transport } = await recording();
    let drains = 0;
    const { drain } = transport;
    transport.drain = () => {
      drains++;
      return drain.call(transport);
    };
    for (let type = 1; type <= 100; type++) commit(socket, type);
    expect(types()).toEqual([]);
    await nextTurn();
    expect(types()).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(drains).toBe(1);
  });

  test("fill frame after frame, in order, and more than the ring holds", async () => {
    const { socket, sent } = await recording();
    const count = 400;
    for (let i = 0; i < count; i++) commit(socket, 1000 + i, pattern(1000, i));
    await nextTurn();
    expect(sent.map(({ type }) => type)).toEqual(Array.from({ length: count }, (_, i) => 1000 + i));
    expect(sent.every(({ payload }, i) => Buffer.compare(payload, pattern(1000, i)) === 0)).toBe(true);
  });

  test("what is larger than a frame goes by copy, in order with the others", async () => {
    const { socket, sent, types } = await recording();
    commit(socket, 1, pattern(8));
    commit(socket, 2, pattern(60_000, 2));
    commit(socket, 3, pattern(8));
    await nextTurn();
    expect(types()).toEqual([1, 2, 3]);
    expect(sent[1]?.payload).toEqual(pattern(60_000, 2));
  });

  test("a request leaves behind what was committed before it", async () => {
    const { socket, types } = await recording();
    commit(socket, 1);
    const request = socket.request({ type: 2 });
    commit(socket, 3);
    await request;
    await nextTurn();
    expect(types()).toEqual([1, 2, 3]);
  });

  test("a message that was not committed is given up by the next compose, large or small", async () => {
    const { socket, sent } = await recording();
    socket.compose(1, 0, 4).uint32(1);
    commit(socket, 2, pattern(4));
    socket.compose(3, 0, 60_000).uint32(1);
    commit(socket, 4, pattern(5));
    await nextTurn();
    expect(sent.map(({ type, payload }) => [type, payload.length])).toEqual([
      [2, 4],
      [4, 5],
    ]);
  });

  test("a flush between the two does not harm the message, nested attributes included", async () => {
    const { socket, sent } = await recording();
    const write = (between: () => void): void => {
      const writer = socket.compose(7, 0, 64);
      const nest = writer.uint32(5).openNested(1);
      between();
      writer.attributeString(2, "text").closeNested(nest);
      socket.commit();
    };
    write(() => {});
    write(() => socket.flush());
    write(() => void socket.request({ type: 8 }).catch(() => {}));
    await nextTurn();
    expect(sent.map(({ type }) => type)).toEqual([7, 7, 8, 7]);
    const [first, ...others] = sent.filter(({ type }) => type === 7);
    expect(others).toEqual([first, first]);
  });

  test("commit without compose, or after something did not fit, throws EncodeError and sends nothing", async () => {
    const { socket, sent } = await recording();
    expect(() => socket.commit()).toThrow(EncodeError);
    const writer = socket.compose(1, 0, 4);
    expect(() => writer.attributeBytes(1, new Uint8Array(33_000))).toThrow(EncodeError);
    expect(() => socket.commit()).toThrow(EncodeError);
    commit(socket, 2);
    await nextTurn();
    expect(sent.map(({ type }) => type)).toEqual([2]);
  });

  test("what was composed while the socket closed cannot be written on, nor committed", async () => {
    const { socket } = await recording();
    const writer = socket.compose(1, 0, 100);
    await socket.close();
    expect(() => writer.uint32(1)).toThrow(EncodeError);
    expect(() => socket.commit()).toThrow(expect.objectContaining({ code: "ERR_SOCKET_CLOSED" }));
  });
});

describe("a send that the kernel has no memory for", () => {
  test("is tried again, and nothing overtakes it", async () => {
    const { socket, types, transport } = await recording();
    const { drain } = transport;
    let refusals = 0;
    transport.drain = () => {
      refusals++;
      return refusals <= 3 ? -105 : drain.call(transport);
    };
    commit(socket, 1);
    socket.flush();
    expect(await rejection(socket.request({ type: 2 }))).toMatchObject({
      code: "ENOBUFS",
      syscall: "sendmsg",
    });
    expect(() => commit(socket, 3, pattern(60_000))).toThrow(SystemError);
    expect(types()).toEqual([]);
    // The retry is on a timer.
    while (types().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await socket.request({ type: 4 });
    expect(types()).toEqual([1, 4]);
  });

  test("lets compose throw when every frame waits, with what to do", async () => {
    const { socket, types, transport } = await recording();
    const { drain } = transport;
    transport.drain = () => -105;
    const fill = (): void => {
      for (let i = 0; i < 1000; i++) commit(socket, 1, pattern(1000));
    };
    expect(fill).toThrow(/ENOBUFS; .*try again/);
    transport.drain = drain;
    socket.flush();
    const before = types().length;
    expect(before).toBeGreaterThan(200);
    commit(socket, 2);
    await nextTurn();
    expect(types().slice(before)).toEqual([2]);
  });

  test("makes close reject, with the socket closed", async () => {
    const { socket, transport } = await recording();
    transport.drain = () => -105;
    commit(socket, 1);
    expect(await rejection(socket.close())).toMatchObject({ code: "ENOBUFS" });
    expect(socket.closed).toBe(true);
  });
});

describe("a send that is refused for good", () => {
  test("loses the socket, and its reader hears why", async () => {
    const { socket, transport } = await recording();
    transport.drain = () => -111;
    const running = socket.receive(() => {});
    commit(socket, 1);
    const error = await rejection(running);
    expect(error).toBeInstanceOf(SystemError);
    expect(error).toMatchObject({ code: "ECONNREFUSED", errno: -111, syscall: "sendmsg" });
    expect(socket.closed).toBe(true);
  });

  test("rejects the request whose own send it is, and the socket goes on", async () => {
    const { socket, transport } = await recording();
    const { send } = transport;
    transport.send = () => -90;
    expect(await rejection(socket.request({ type: 1 }))).toMatchObject({
      code: "EMSGSIZE",
      message: expect.stringContaining("send buffer"),
    });
    transport.send = send;
    await socket.request({ type: 1 });
  });
});

test("sending is not reading: both readers may commit while they run", async () => {
  const { socket, types } = await recording();
  const running = socket.receive(() => {});
  commit(socket, 1);
  await until(() => types().length === 1);
  expect(await rejection(socket.readable())).toBeInstanceOf(BusyError);
  await socket.close();
  await running;
});

describe("a subsystem that keeps messages back", () => {
  test("writes them right before what was committed leaves", async () => {
    const { socket, types } = await recording();
    socket.beforeFlush(() => commit(socket, 2));
    commit(socket, 1);
    expect(types()).toEqual([]);
    socket.flush();
    expect(types()).toEqual([1, 2]);
  });

  test("has them leave before the event loop waits, though nothing was committed", async () => {
    const { socket, types } = await recording();
    let kept = true;
    socket.beforeFlush(() => {
      if (kept) commit(socket, 3);
      kept = false;
    });
    socket.flushSoon();
    expect(types()).toEqual([]);
    await nextTurn();
    expect(types()).toEqual([3]);
    await nextTurn();
    expect(types()).toEqual([3]);
  });

  test("has them leave before a request, and before the socket closes", async () => {
    const { socket, types } = await recording();
    let kept = 4;
    socket.beforeFlush(() => {
      if (kept !== 0) commit(socket, kept);
      kept = 0;
    });
    await socket.request({ type: 9 });
    expect(types()).toEqual([4, 9]);
    kept = 5;
    await socket.close();
    expect(types()).toEqual([4, 9, 5]);
  });

  test("does not tear a message that is being composed when another flush comes", async () => {
    const { socket, sent, types } = await recording();
    let kept = true;
    socket.beforeFlush(() => {
      if (kept) commit(socket, 7);
      kept = false;
    });
    commit(socket, 5);
    const writer = socket.compose(6, 0, 4);
    socket.flush();
    expect(types()).toEqual([5]);
    writer.uint8(1).uint8(2).uint8(3).uint8(4);
    socket.commit();
    await nextTurn();
    expect(types()).toEqual([5, 6, 7]);
    expect(sent[1]?.payload).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  test("is not called when the socket was closed", async () => {
    const { socket } = await recording();
    let calls = 0;
    socket.beforeFlush(() => {
      calls++;
    });
    await socket.close();
    expect(calls).toBe(1);
    socket.flush();
    await nextTurn();
    expect(calls).toBe(1);
    expect(() => socket.flushSoon()).toThrow(expect.objectContaining({ code: "ERR_SOCKET_CLOSED" }));
  });
});

test("a send that the kernel has no memory for is counted, and tried again", async () => {
  const { socket, transport, types } = await recording();
  const { drain } = transport;
  let refusals = 3;
  transport.drain = () => (refusals-- > 0 ? -105 : drain.call(transport));
  commit(socket, 1);
  socket.flush();
  await until(() => types().length > 0, 1_000_000);
  expect(types()).toEqual([1]);
  expect(socket.statistics.sendRetries).toBe(3);
});
