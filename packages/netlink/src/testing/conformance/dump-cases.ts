import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Message } from "../../message/message.js";
import type { Outgoing } from "../../message/outgoing.js";
import { AF_INET, address, link, RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, route } from "../../route/index.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { rejection, someTurns, takeTypes } from "./probe.js";
import { newRoute } from "./scene.js";

/** So few frames that a long dump cannot lie in them. */
const FEW_FRAMES: StageSocketOptions = { ring: { frameSize: 4096, frameCount: 8 } };
/** A chunk of 32 KiB has some 540 routes, and a look for answers takes no more than four of them. */
const MANY = 6000;

const listRoutes: Outgoing = route.message(RTM_GETROUTE, { family: AF_INET });
const getLoopback = link.message(RTM_GETLINK, { index: LOOPBACK_INDEX });

/** Numbers the scene's routes by what they lead to; -1 for the kernel's own. */
const routeNumber = {
  decode(message: Message): number {
    const { destination = "", destinationLength } = route.decode(message);
    const [first, second = 0, third = 0, fourth = 0] = destination.split(".").map(Number);
    return first === 10 && destinationLength === 32 ? (second << 16) | (third << 8) | fourth : -1;
  },
};

const own = (numbers: readonly number[]): number[] =>
  numbers.filter((number) => number >= 0).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

/** The rest of an iteration. */
async function rest<T>(iterator: AsyncIterator<T, undefined>): Promise<T[]> {
  const items: T[] = [];
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
    items.push(next.value);
  return items;
}

export const dumpCases: readonly ConformanceCase[] = [
  conformanceCase("dumps: hand out every item once, by iteration and by all()", async (scene) => {
    await scene.addRoutes(3000);
    const socket = await scene.openRoute();
    const iterated: number[] = [];
    for await (const number of socket.dump(listRoutes, routeNumber)) iterated.push(number);
    assert.deepEqual(own(iterated), upTo(3000));
    assert.deepEqual(own(await socket.dump(listRoutes, routeNumber).all()), upTo(3000));
    assert.deepEqual(takeTypes(socket), []);
  }),

  conformanceCase("dumps: come whole through frames that are smaller than their chunks", async (scene) => {
    await scene.addRoutes(3000);
    const socket = await scene.openRoute({ ring: { frameSize: 2048, frameCount: 4 } });
    assert.deepEqual(own(await socket.dump(listRoutes, routeNumber).all()), upTo(3000));
  }),

  conformanceCase("dumps: of nothing are empty", async (scene) => {
    const socket = await scene.openRoute();
    const items = socket.dump(listRoutes, routeNumber);
    assert.deepEqual(own(await items.all()), []);
  }),

  conformanceCase(
    "dumps: send nothing before the first item is wanted, and each iteration asks anew",
    async (scene) => {
      const socket = await scene.openRoute();
      const dump = socket.dump(listRoutes, routeNumber);
      await socket.request(newRoute(0));
      assert.deepEqual(own(await dump.all()), [0]);
      await socket.request(newRoute(1));
      assert.deepEqual(own(await dump.all()), [0, 1]);
    },
  ),

  conformanceCase("dumps: are built as they are read: what was added meanwhile is in them", async (scene) => {
    await scene.addRoutes(MANY);
    const socket = await scene.openRoute(FEW_FRAMES);
    const other = await scene.openRoute();
    const iterator = socket.dump(listRoutes, routeNumber, { readAhead: 16 })[Symbol.asyncIterator]();
    const first = await iterator.next();
    await someTurns();
    await other.request(newRoute(MANY));
    const numbers = [...(first.done === true ? [] : [first.value]), ...(await rest(iterator))];
    assert.deepEqual(own(numbers), upTo(MANY + 1));
  }),

  conformanceCase("dumps: decode no further ahead of their reader than readAhead", async (scene) => {
    await scene.addRoutes(500);
    const socket = await scene.openRoute();
    let decoded = 0;
    const counting = {
      decode(message: Message): number {
        decoded++;
        return routeNumber.decode(message);
      },
    };
    const iterator = socket.dump(listRoutes, counting, { readAhead: 10 })[Symbol.asyncIterator]();
    for (let taken = 1; taken <= 30; taken++) {
      await iterator.next();
      await nextTurn();
      assert.ok(decoded - taken <= 10, `${decoded} decoded when ${taken} were taken`);
    }
    await iterator.return?.();
  }),

  conformanceCase("dumps: answer several next() that wait at once in order", async (scene) => {
    await scene.addRoutes(5);
    const socket = await scene.openRoute();
    const iterator = socket.dump(listRoutes, routeNumber)[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 30 }, () => iterator.next()));
    assert.deepEqual(own(results.flatMap(({ done, value }) => (done === true ? [] : [value]))), upTo(5));
    assert.equal(results.at(-1)?.done, true);
  }),

  conformanceCase("dumps: left early leave the socket of use at once, and again", async (scene) => {
    await scene.addRoutes(MANY);
    const socket = await scene.openRoute(FEW_FRAMES);
    for (let turn = 0; turn < 3; turn++) {
      for await (const _ of socket.dump(listRoutes, routeNumber, { readAhead: 4 })) break;
      assert.equal((await socket.request(getLoopback, link)).name, "lo");
    }
    assert.deepEqual(own(await socket.dump(listRoutes, routeNumber).all()), upTo(MANY));
    assert.deepEqual(takeTypes(socket), []);
  }),

  conformanceCase("dumps: several at once take turns", async (scene) => {
    await scene.addRoutes(2000);
    const socket = await scene.openRoute(FEW_FRAMES);
    const lists = await Promise.all(upTo(4).map(() => socket.dump(listRoutes, routeNumber).all()));
    for (const numbers of lists) assert.deepEqual(own(numbers), upTo(2000));
    const first = socket.dump(listRoutes, routeNumber, { readAhead: 4 })[Symbol.asyncIterator]();
    const second = socket.dump(listRoutes, routeNumber, { readAhead: 4 })[Symbol.asyncIterator]();
    const [a, b] = [first.next(), second.next()];
    assert.equal((await a).done, false);
    assert.ok((await rest(first)).length >= 1999);
    assert.equal((await b).done, false);
    assert.ok((await rest(second)).length >= 1999);
  }),

  conformanceCase("dumps: half read, let requests in between be answered", async (scene) => {
    await scene.addRoutes(MANY);
    const socket = await scene.openRoute(FEW_FRAMES);
    const numbers: number[] = [];
    for await (const number of socket.dump(listRoutes, routeNumber, { readAhead: 100 })) {
      numbers.push(number);
      if (numbers.length % 500 === 0) assert.equal((await socket.request(getLoopback, link)).name, "lo");
    }
    assert.deepEqual(own(numbers), upTo(MANY));
  }),

  conformanceCase(
    "dumps: whose items do not decode reject with that, and the socket goes on",
    async (scene) => {
      await scene.addRoutes(2000);
      const socket = await scene.openRoute(FEW_FRAMES);
      const failure = new Error("no route of mine");
      const choosy = {
        decode(message: Message): number {
          const number = routeNumber.decode(message);
          if (number === 700) throw failure;
          return number;
        },
      };
      assert.equal(await rejection(socket.dump(listRoutes, choosy).all()), failure);
      const iterator = socket.dump(listRoutes, choosy, { readAhead: 10 })[Symbol.asyncIterator]();
      assert.equal(await rejection(rest(iterator)), failure);
      assert.equal((await iterator.next()).done, true);
      assert.deepEqual(own(await socket.dump(listRoutes, routeNumber).all()), upTo(2000));
    },
  ),

  conformanceCase(
    "dumps: by request() show each item to the visitor, and resolve with the end",
    async (scene) => {
      await scene.addAddresses(100);
      const socket = await scene.openRoute();
      const found: string[] = [];
      const request = { ...address.message(RTM_GETADDR, { family: AF_INET }), flags: 0x300 };
      await socket.request(request, { visit: (reply) => found.push(address.decode(reply).local ?? "") });
      assert.equal(found.filter((local) => local.startsWith("10.128.")).length, 100);
    },
  ),
];
