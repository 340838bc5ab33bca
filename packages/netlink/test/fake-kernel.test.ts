import { describe, expect, test } from "vitest";
import { NETLINK_ROUTE, NLM_F_DUMP } from "../src/abi.js";
import { ReplyLostError } from "../src/errors.js";
import type { Outgoing } from "../src/message/outgoing.js";
import { attributes } from "../src/schema/attribute-set.js";
import { uint32 } from "../src/schema/integer.js";
import { message } from "../src/schema/message-schema.js";
import { NetlinkSocket } from "../src/socket.js";
import type { SocketOptions } from "../src/socket-options.js";
import { FakeKernel, type FakeKernelOptions, type KernelRequest } from "../src/testing/index.js";
import { rejection } from "./memory-socket.js";

const item = message(undefined, { number: [1, uint32], nest: [2, attributes({ depth: [1, uint32] })] });
const GET = 40;
const LIST = 41;

async function openFake(
  handler: (request: KernelRequest) => void,
  options: FakeKernelOptions = {},
  socketOptions: SocketOptions = {},
): Promise<{ socket: NetlinkSocket; kernel: FakeKernel }> {
  const kernel = new FakeKernel(handler, options);
  return { socket: await NetlinkSocket.open(NETLINK_ROUTE, { ...socketOptions, transport: kernel }), kernel };
}

describe.each([
  ["in memory", {}],
  ["mapped before 4.3", { mapped: "before-4.3" }],
  ["mapped from 4.3", { mapped: "from-4.3" }],
] as const)("a fake kernel %s", (_, options) => {
  test("decodes a request and replies by a schema", async () => {
    const { socket } = await openFake((request) => {
      const { number = 0 } = item.decode(request.message);
      request.reply(item.message(GET, { number: number + 1 }));
    }, options);
    expect(await socket.request(item.message(GET, { number: 6 }), item)).toEqual({ number: 7 });
  });

  test("lets a handler take its request apart", async () => {
    const { socket } = await openFake(({ message: { type }, reply, dump, fail, acknowledge }) => {
      if (type === GET) reply(item.message(GET, { number: 1 }));
      else if (type === LIST) dump([item.message(GET, { number: 2 })]);
      else if (type === LIST + 1) acknowledge({ text: "well" });
      else fail(-1);
    }, options);
    expect(await socket.request({ type: GET }, item)).toEqual({ number: 1 });
    expect(await socket.dump({ type: LIST }, item).all()).toEqual([{ number: 2 }]);
    expect(await socket.request({ type: LIST + 1 })).toMatchObject({ kernelText: "well" });
    expect(await rejection(socket.request({ type: LIST + 2 }))).toMatchObject({ code: "EPERM" });
  });

  test("builds a dump as it is read", async () => {
    let built = 0;
    function* items(): Generator<Outgoing> {
      for (let number = 0; number < 20_000; number++) {
        built++;
        yield item.message(GET, { number });
      }
    }
    const shape = { ring: { frameSize: 4096, frameCount: 8 } };
    const { socket } = await openFake((request) => request.dump(items()), options, shape);
    let count = 0;
    for await (const { number } of socket.dump({ type: LIST }, item, { readAhead: 10 })) {
      expect(number).toBe(count++);
      if (count === 5) expect(built).toBeLessThan(10_000);
    }
    expect([count, built]).toEqual([20_000, 20_000]);
  });

  test("interrupts dumps on demand, from the chunk on that it is told", async () => {
    let asked = 0;
    const numbers = Array.from({ length: 2000 }, (_, number) => item.message(GET, { number }));
    // The third chunk of the first dump.
    const { socket } = await openFake(
      (request) => request.dump(numbers, { interrupted: () => ++asked === 3 }),
      options,
    );
    expect(await socket.dump({ type: LIST }, item).all()).toHaveLength(2000);
    asked = 0;
    expect(await rejection(socket.dump({ type: LIST }, item, { retries: 0 }).all())).toMatchObject({
      code: "ERR_DUMP_INTERRUPTED",
    });
  });

  test("ends a dump with an error in words", async () => {
    const { socket } = await openFake(
      (request) =>
        request.dump([item.message(GET, { number: 1 })], {
          failure: { errno: -2, text: "no more of them", cookie: Uint8Array.of(1) },
        }),
      options,
    );
    expect(await rejection(socket.dump({ type: LIST }, item).all())).toMatchObject({
      code: "ENOENT",
      kernelText: "no more of them",
      cookie: Uint8Array.of(1),
    });
  });

  test("says of an error all that the extended ACK can", async () => {
    const { socket } = await openFake((request) => {
      request.fail(-22, {
        text: "not like this",
        offset: 20,
        cookie: Uint8Array.of(7, 8),
        missingType: 1,
        missingNest: 16,
        policy: { kind: "int32", minimum: -5n, maximum: 5n },
      });
    }, options);
    expect(await rejection(socket.request(item.message(GET, { nest: { depth: 1 } })))).toMatchObject({
      code: "EINVAL",
      kernelText: "not like this",
      offset: 20,
      path: "nest.depth",
      cookie: Uint8Array.of(7, 8),
      missing: { type: 1, nestOffset: 16, path: "nest.depth" },
      policy: { kind: "int32", minimum: -5n, maximum: 5n },
    });
  });

  test("acknowledges with a warning and a cookie", async () => {
    const { socket } = await openFake(
      (request) => request.acknowledge({ text: "this once", cookie: Uint8Array.of(9) }),
      options,
    );
    expect(await socket.request({ type: GET })).toEqual({
      kernelText: "this once",
      cookie: Uint8Array.of(9),
    });
  });

  test("loses what it is told to, and nothing else", async () => {
    const { socket, kernel } = await openFake(() => {}, options);
    kernel.lose(socket.portId, 1);
    expect(await rejection(socket.request({ type: GET }))).toBeInstanceOf(ReplyLostError);
    await socket.request({ type: GET });
    expect(socket.statistics).toMatchObject({ overruns: 1, drops: 1 });
    expect(() => kernel.lose(1, 1)).toThrow(RangeError);
  });

  test("runs one dump at a time on a socket", async () => {
    const { socket } = await openFake(
      (request) => {
        request.dump(Array.from({ length: 5000 }, (_, number) => item.message(GET, { number })));
      },
      options,
      { ring: { frameSize: 4096, frameCount: 2 } },
    );
    // In one send, past the turns that the socket would have them take.
    const dumps = [1, 2].map(() => ({ type: LIST, flags: NLM_F_DUMP, acknowledge: false }));
    expect(await rejection(socket.request(dumps))).toMatchObject({ code: "EBUSY" });
  });
});
