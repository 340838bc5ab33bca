import { afterEach, describe, expect, test } from "vitest";
import type { NativeSocket } from "../dist/index.js";
import {
  acknowledged,
  EAGAIN,
  ENOBUFS,
  FRAME,
  geometry,
  mapped,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  native,
  nextReadable,
  pattern,
  runFixture,
  thrownBy,
} from "./sandbox.js";

const into = new Uint8Array(4096);
const opened: NativeSocket[] = [];

function open(protocol = NETLINK_ROUTE): NativeSocket {
  const socket = new native.Socket(protocol);
  socket.bind(0, 0);
  opened.push(socket);
  return socket;
}

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

/** Resolves when a socket that became readable just now has been told, and so every one that was readable before. */
async function oneTurn(): Promise<void> {
  const fence = open();
  fence.send(acknowledged(1));
  await nextReadable(fence);
  fence.close();
}

describe("a watched socket", () => {
  test("starts paused", async () => {
    const socket = open();
    let calls = 0;
    socket.onReadable(() => {
      calls++;
    });
    socket.send(acknowledged(1));
    await oneTurn();
    await oneTurn();
    expect(calls).toBe(0);
    socket.resume();
    await oneTurn();
    expect(calls).toBeGreaterThan(0);
  });

  test("calls again and again until it was read empty", async () => {
    const socket = open();
    for (let sequence = 0; sequence < 5; sequence++) socket.send(acknowledged(sequence));
    let read = 0;
    await new Promise<void>((resolve) => {
      socket.onReadable(() => {
        expect(socket.receive(into)).toBe(36);
        read++;
        if (read === 5) resolve();
      });
      socket.resume();
    });
    await oneTurn();
    expect(read).toBe(5);
  });

  test("is silent from a pause on, and tells what came meanwhile after a resume", async () => {
    const socket = open();
    let calls = 0;
    socket.onReadable(() => {
      calls++;
      socket.pause();
    });
    socket.resume();
    socket.send(acknowledged(1));
    await oneTurn();
    await oneTurn();
    expect(calls).toBe(1);
    socket.resume();
    await oneTurn();
    await oneTurn();
    expect(calls).toBe(2);
  });

  test("pause and resume may be repeated", async () => {
    const socket = open();
    socket.pause();
    let calls = 0;
    socket.onReadable(() => {
      calls++;
      socket.receive(into);
    });
    socket.pause();
    socket.resume();
    socket.resume();
    socket.send(acknowledged(1));
    await oneTurn();
    expect(calls).toBe(1);
    socket.pause();
    socket.pause();
    socket.send(acknowledged(2));
    await oneTurn();
    expect(calls).toBe(1);
  });

  test("microtasks run behind each call, before the next", async () => {
    const socket = open();
    for (let sequence = 0; sequence < 3; sequence++) socket.send(acknowledged(sequence));
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      socket.onReadable(() => {
        socket.receive(into);
        order.push("call");
        void Promise.resolve().then(() => order.push("microtask"));
        process.nextTick(() => order.push("tick"));
        if (order.length >= 6) setImmediate(resolve);
      });
      socket.resume();
    });
    expect(order).toEqual(Array.from({ length: 3 }, () => ["call", "tick", "microtask"]).flat());
  });

  test("has one reader", () => {
    const socket = open();
    socket.onReadable(() => undefined);
    expect(thrownBy(() => socket.onReadable(() => undefined))).toMatchObject({ code: "EEXIST" });
  });

  test("may be frozen only before it is watched, which then is refused", () => {
    const socket = Object.freeze(open());
    expect(thrownBy(() => socket.onReadable(() => undefined))).toHaveProperty("code");
  });

  test("may be closed by its own callback", async () => {
    for (let count = 0; count < 20; count++) {
      const socket = open();
      socket.send(acknowledged(1));
      await new Promise<void>((resolve) => {
        socket.onReadable(() => {
          socket.close();
          resolve();
        });
        socket.resume();
      });
    }
  });

  test("may be closed by another's callback in the same turn, and is not called after", async () => {
    const pair = [open(), open()];
    const called: number[] = [];
    for (const [index, socket] of pair.entries()) {
      socket.send(acknowledged(1));
      socket.onReadable(() => {
        called.push(index);
        for (const each of pair) each.close();
      });
    }
    for (const socket of pair) socket.resume();
    await oneTurn();
    await oneTurn();
    expect(called).toHaveLength(1);
  });

  test("a new socket with a closed one's descriptor gets its own calls only", async () => {
    for (let count = 0; count < 20; count++) {
      const first = open();
      let wrong = 0;
      first.onReadable(() => {
        wrong++;
      });
      first.resume();
      first.send(acknowledged(1));
      first.close();
      const second = open();
      second.send(acknowledged(2));
      await nextReadable(second);
      expect(second.receive(into)).toBe(36);
      expect(wrong).toBe(0);
      second.close();
    }
  });
});

describe("an overrun of the receive buffer", () => {
  test("is told as readable, collected by fill as ENOBUFS, and polling goes on", async () => {
    const { socket, rx } = mapped(NETLINK_USERSOCK, geometry(4096, 64));
    opened.push(socket);
    socket.setReceiveBuffer(8192);
    socket.addMembership(1);
    const sender = open(NETLINK_USERSOCK);
    const results: number[] = [];
    let frame = 0;
    let resolveNext = (): void => undefined;
    const emptied = (): Promise<void> =>
      new Promise((resolve) => {
        resolveNext = resolve;
      });
    socket.onReadable(() => {
      let result = socket.fill(64);
      while (result !== 0) {
        results.push(result);
        for (; rx.status(frame) === FRAME.valid; frame = (frame + 1) % 64) rx.setStatus(frame, FRAME.unused);
        result = socket.fill(64);
      }
      resolveNext();
    });
    socket.resume();
    for (let round = 0; round < 3; round++) {
      results.length = 0;
      const first = emptied();
      for (let count = 0; count < 50; count++) sender.send(pattern(1000), 0, 1);
      await first;
      expect(results).toContain(-ENOBUFS);
      expect(results.some((result) => result > 0)).toBe(true);
      results.length = 0;
      const second = emptied();
      sender.send(pattern(8), 0, 1);
      await second;
      expect(results).toEqual([1]);
    }
  });

  test("is collected by receive as well, before what the buffer held", async () => {
    const socket = open(NETLINK_USERSOCK);
    socket.setReceiveBuffer(8192);
    socket.addMembership(1);
    const sender = open(NETLINK_USERSOCK);
    for (let count = 0; count < 50; count++) sender.send(pattern(1000), 0, 1);
    await nextReadable(socket);
    expect(socket.receive(into)).toBe(-ENOBUFS);
    expect(socket.receive(into)).toBe(1000);
    let last = socket.receive(into);
    while (last > 0) last = socket.receive(into);
    expect(last).toBe(-EAGAIN);
    sender.send(pattern(8), 0, 1);
    expect(socket.receive(into)).toBe(8);
  });
});

describe("a process with a watched socket", () => {
  test.each(["a resumed socket keeps the process", "one that is referenced again does"])(
    "%s",
    async (name) => {
      const ended = await runFixture("polling.mjs", [name], {
        onOutput(text) {
          const port = /^port (\d+)\n/.exec(text)?.[1];
          if (port !== undefined) expect(open(NETLINK_USERSOCK).send(pattern(8), Number(port))).toBe(8);
        },
      });
      expect(ended).toMatchObject({ code: 0, signal: null });
      expect(ended.output).toMatch(/^port \d+\nalive\n$/);
    },
  );

  test.each([
    "an unreferenced one does not",
    "nor one that was unreferenced before it was watched",
    "nor does a paused one",
  ])("%s", async (name) => {
    const ended = await runFixture("polling.mjs", [name]);
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(ended.output).toMatch(/^port \d+\n$/);
  });

  test("a callback that throws is an uncaught exception, and polling goes on", async () => {
    const name = "a callback that throws is an uncaught exception, and polling goes on";
    expect(await runFixture("polling.mjs", [name])).toEqual({
      code: 0,
      signal: null,
      output: "thrown in call 1\nthrown in call 2\ncalls 3, caught 2\n",
    });
  });

  test("ends with code 1 when nobody handles what a callback throws", async () => {
    const ended = await runFixture("polling.mjs", ["nobody handles what a callback throws"]);
    expect(ended).toMatchObject({ code: 1, signal: null });
    expect(ended.output).toContain("Error: thrown in the callback");
  });

  test.each(["process.exit in a callback", "process.exit with a watched socket"])(
    "%s ends it with that code",
    async (name) => {
      expect(await runFixture("polling.mjs", [name])).toEqual({ code: 7, signal: null, output: "" });
    },
  );

  test("a watched socket that nobody holds is not collected", async () => {
    const name = "a watched socket that nobody holds is not collected";
    expect(await runFixture("polling.mjs", [name], { node: ["--expose-gc"] })).toEqual({
      code: 0,
      signal: null,
      output: "calls 3\n",
    });
  });
});
