import { describe, expect, test } from "vitest";
import { NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_DONE } from "../src/abi.js";
import type { Message } from "../src/message/message.js";
import type { KernelRequest } from "../src/testing/index.js";
import { openMemorySocket, rejection } from "./memory-socket.js";

const LIST = { type: 26 };
const number = {
  decode: (message: Message): number => message.view.getUint32(message.payloadOffset, true),
};

/** Answers a dump with the numbers from 0, in one go. */
function answerDump(request: KernelRequest, count: number, flags = 0): void {
  for (let value = 0; value < count; value++)
    request.reply(27, NLM_F_MULTI | flags, (writer) => writer.uint32(value));
  request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

describe("a dump", () => {
  test("inside the loop over another one goes on", async () => {
    const { socket } = await openMemorySocket((request) => answerDump(request, 40));
    const sums: number[] = [];
    for await (const outer of socket.dump(LIST, number, { readAhead: 4 })) {
      let sum = outer;
      for await (const inner of socket.dump(LIST, number, { readAhead: 4 })) sum += inner;
      sums.push(sum);
    }
    expect(sums).toEqual(numbers(40).map((outer) => outer + 780));
    await socket.close();
  });

  test("whose iterator was forgotten holds up no other", async () => {
    const { socket } = await openMemorySocket((request) => answerDump(request, 40));
    const forgotten = socket.dump(LIST, number, { readAhead: 4 })[Symbol.asyncIterator]();
    expect(await forgotten.next()).toEqual({ done: false, value: 0 });
    expect(await socket.dump(LIST, number).all()).toEqual(numbers(40));
    expect(await forgotten.next()).toEqual({ done: false, value: 1 });
    await socket.close();
  });

  test("that was left while it waited for its turn is never asked for", async () => {
    let asked = 0;
    const { socket } = await openMemorySocket((request) => {
      asked++;
      answerDump(request, 3);
    });
    const first = socket.dump(LIST, number, { readAhead: 1 })[Symbol.asyncIterator]();
    expect(await first.next()).toEqual({ done: false, value: 0 });
    const second = socket.dump(LIST, number)[Symbol.asyncIterator]();
    const next = second.next();
    await second.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await first.next()).toEqual({ done: false, value: 1 });
    expect(await socket.dump(LIST, number).all()).toEqual([0, 1, 2]);
    expect(asked).toBe(2);
    await socket.close();
  });

  test("asked for with request and a visitor waits for its turn as well", async () => {
    const running: number[] = [];
    const { socket } = await openMemorySocket((request) => {
      running.push(request.message.type);
      answerDump(request, 2);
    });
    const seen: number[] = [];
    const visited = socket.request(
      { type: 30, flags: NLM_F_DUMP },
      { visit: (reply) => seen.push(number.decode(reply)) },
    );
    const [, listed] = await Promise.all([visited, socket.dump(LIST, number).all()]);
    expect(seen).toEqual([0, 1]);
    expect(listed).toEqual([0, 1]);
    expect(running).toEqual([30, 26]);
    await socket.close();
  });

  test("that is inconsistent is asked for again behind those that wait", async () => {
    // More than a turn of the event loop reads, so that the second comes while the first is read.
    const count = 20_000;
    const asked: number[] = [];
    const { socket } = await openMemorySocket(
      (request) => {
        asked.push(request.message.type);
        answerDump(request, count, asked.length === 1 ? NLM_F_DUMP_INTR : 0);
      },
      { receiveBuffer: 1 << 25 },
    );
    const both = [socket.dump(LIST, number).all(), socket.dump({ type: 30 }, number).all()];
    expect(await Promise.all(both)).toEqual([numbers(count), numbers(count)]);
    expect(asked).toEqual([26, 30, 26]);
    await socket.close();
  });
});

describe("a request's write", () => {
  test("that throws rejects its request alone", async () => {
    const types: number[] = [];
    const { socket } = await openMemorySocket((request) => void types.push(request.message.type));
    const failure = new Error("not today");
    const write = (): never => {
      throw failure;
    };
    const results = [
      socket.request({ type: 40 }),
      rejection(socket.request({ type: 41, write })),
      socket.request({ type: 42 }),
    ];
    expect((await Promise.all(results))[1]).toBe(failure);
    expect(types).toEqual([40, 42]);
    await socket.close();
  });

  test("cannot make another request, and what it tried to does no harm", async () => {
    const types: number[] = [];
    const { socket } = await openMemorySocket((request) => void types.push(request.message.type));
    let inner: Promise<unknown> | undefined;
    const write = (): void => {
      inner = rejection(socket.request({ type: 41 }));
      socket.flush();
    };
    await Promise.all([socket.request({ type: 39 }), socket.request({ type: 40, write })]);
    expect(await inner).toMatchObject({ code: "ERR_ENCODE" });
    expect(types).toEqual([39, 40]);
    await socket.close();
  });
});
