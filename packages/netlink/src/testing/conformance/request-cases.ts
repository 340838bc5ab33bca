import assert from "node:assert/strict";
import { NLM_F_DUMP } from "../../abi.js";
import { observeSockets } from "../../diagnostics/observe-sockets.js";
import type { Outgoing } from "../../message/outgoing.js";
import {
  address,
  link,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_SETLINK,
  RTNLGRP_IPV4_IFADDR,
  route,
} from "../../route/index.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import { type ConformanceCase, conformanceCase } from "./case.js";
import { LITTLE_ROOM } from "./event-cases.js";
import { rejection, rejectionCode, takeTypes } from "./probe.js";
import { loopback, newRoute } from "./scene.js";

const NO_LINK = 0x7fff_ff00;
const getLoopback: Outgoing = link.message(RTM_GETLINK, { index: LOOPBACK_INDEX });
const getNone: Outgoing = link.message(RTM_GETLINK, { index: NO_LINK });

/** Where there is little room, a reply may be lost; that is not what is looked at. */
function mayBeLost(error: unknown): void {
  assert.ok(error instanceof Error && "code" in error && error.code === "ERR_REPLY_LOST", String(error));
}

export const requestCases: readonly ConformanceCase[] = [
  conformanceCase("requests: resolve with the ACK, and have their effect", async (scene) => {
    const socket = await scene.openRoute();
    assert.deepEqual(await socket.request(newRoute(1)), {});
    const routes = await socket.dump(route.message(RTM_GETROUTE), route).all();
    assert.ok(routes.some(({ destination }) => destination === "10.0.0.1"));
  }),

  conformanceCase(
    "requests: one reply comes decoded, and the ACK behind it is nobody else's",
    async (scene) => {
      const socket = await scene.openRoute();
      const { index, name, mtu } = await socket.request(getLoopback, link);
      assert.deepEqual([index, name, mtu], [LOOPBACK_INDEX, "lo", 65_536]);
      assert.deepEqual(takeTypes(socket), []);
    },
  ),

  conformanceCase("requests: no reply is ERR_NO_REPLY, and many are ERR_MANY_REPLIES", async (scene) => {
    await scene.addAddresses(3);
    const socket = await scene.openRoute();
    assert.equal(await rejectionCode(socket.request(loopback(true), link)), "ERR_NO_REPLY");
    const many = socket.request(address.message(RTM_GETADDR, {}, NLM_F_DUMP), address);
    assert.equal(await rejectionCode(many), "ERR_MANY_REPLIES");
  }),

  conformanceCase("requests: 200 in flight each have their own answer", async (scene) => {
    const socket = await scene.openRoute();
    // No pattern that answers which moved by one would show, too.
    const there = (number: number): boolean => (number * number) % 7 < 3;
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    await Promise.all(numbers.filter(there).map((number) => socket.request(newRoute(number))));
    const outcomes = await Promise.allSettled(numbers.map((number) => socket.request(newRoute(number))));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      numbers.map((number) => (there(number) ? "rejected" : "fulfilled")),
    );
  }),

  conformanceCase("requests: those of one tick leave in one send", async (scene) => {
    const socket = await scene.openRoute();
    const sends: number[] = [];
    const stop = observeSockets({
      sent: ({ portId, bytes }) => {
        if (portId === socket.portId) sends.push(bytes.length);
      },
    });
    await Promise.all(Array.from({ length: 20 }, () => socket.request(getLoopback, link)));
    stop();
    // A request is a header of 16 bytes and a struct of 16.
    assert.deepEqual(sends, [20 * 32]);
  }),

  conformanceCase("requests: thousands of one tick all settle", async (scene) => {
    const socket = await scene.openRoute();
    const outcomes = await Promise.all(Array.from({ length: 5000 }, () => socket.request(getLoopback, link)));
    assert.ok(outcomes.every(({ name }) => name === "lo"));
  }),

  conformanceCase(
    "requests: thousands of one tick all settle with a receive buffer of 4 KiB",
    async (scene) => {
      const socket = await scene.openRoute({
        receiveBuffer: 4096,
        ring: { frameSize: 4096, frameCount: 4 },
      });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 3000 }, (_, number) =>
          socket.request(number % 2 === 0 ? loopback(true) : getNone),
        ),
      );
      for (const [number, outcome] of outcomes.entries()) {
        if (outcome.status === "fulfilled") assert.equal(number % 2, 0);
        else
          assert.ok(
            outcome.reason.code === "ERR_REPLY_LOST" ||
              (number % 2 === 1 && outcome.reason.code === "ENODEV"),
          );
      }
    },
  ),

  conformanceCase(
    "requests: made one after the other without waiting for answers all settle",
    async (scene) => {
      const socket = await scene.openRoute();
      const replies: Promise<unknown>[] = [];
      for (let number = 0; number < 2000; number++) {
        replies.push(socket.request(getLoopback, link));
        // Another microtask, and no turn of the event loop.
        await undefined;
      }
      for (const { status } of await Promise.allSettled(replies)) assert.equal(status, "fulfilled");
    },
  ),

  ...[1, 64, 128].map((count) =>
    conformanceCase(
      `requests: in an endless chain of ${count} at a time leave the event loop its turns`,
      async (scene) => {
        for (const options of [{}, LITTLE_ROOM]) {
          const socket = await scene.openRoute(options);
          let turns = 0;
          const timer = setImmediate(function turn() {
            turns++;
            if (turns < 3) setImmediate(turn);
          });
          for (let round = 0; round < 1000 && turns < 3; round++) {
            await Promise.all(
              Array.from({ length: count }, () => socket.request(getLoopback, link).catch(mayBeLost)),
            );
          }
          clearImmediate(timer);
          assert.equal(turns, 3);
        }
      },
    ),
  ),

  conformanceCase(
    "requests: several in one send reject with the first error in order, and the others have their effect",
    async (scene) => {
      const socket = await scene.openRoute();
      const invalid = newRoute(2);
      await socket.request(invalid);
      const error = await rejectionCode(socket.request([newRoute(3), getNone, invalid, newRoute(4)]));
      assert.equal(error, "ENODEV");
      assert.equal(await rejectionCode(socket.request(newRoute(4))), "EEXIST");
      assert.equal((await socket.request([loopback(true), loopback(true)])).length, 2);
    },
  ),

  conformanceCase("requests: without an ACK resolve unless the kernel complains", async (scene) => {
    const socket = await scene.openRoute();
    await socket.request({ ...newRoute(5), acknowledge: false });
    assert.equal(await rejectionCode(socket.request({ ...newRoute(5), acknowledge: false })), "EEXIST");
  }),

  conformanceCase(
    "requests: a visitor sees the replies before the request resolves, and what it throws rejects it",
    async (scene) => {
      const socket = await scene.openRoute();
      const seen: string[] = [];
      const visited = socket.request(getLoopback, {
        visit: (reply) => seen.push(link.decode(reply).name ?? ""),
      });
      await visited.then(() => seen.push("resolved"));
      assert.deepEqual(seen, ["lo", "resolved"]);
      const failure = new Error("not wanted");
      const visit = (): void => {
        throw failure;
      };
      assert.equal(await rejection(socket.request(getLoopback, { visit })), failure);
      await socket.request(getLoopback);
    },
  ),

  conformanceCase("requests: an event that carries a request's numbers is no answer to it", async (scene) => {
    const socket = await scene.openRoute();
    socket.addMembership(RTNLGRP_IPV4_IFADDR);
    let visited = 0;
    await socket.request(scene.newAddress(1), { visit: () => visited++ });
    assert.equal(visited, 0);
    const event = socket.take();
    assert.equal(event?.type, RTM_NEWADDR);
    assert.equal(event.group, RTNLGRP_IPV4_IFADDR);
    assert.equal(event.portId, socket.portId);
    event.release();
    socket.dropMembership(RTNLGRP_IPV4_IFADDR);
    await socket.request(scene.newAddress(2));
    assert.deepEqual(takeTypes(socket), []);
  }),

  conformanceCase(
    "requests: a name that the schema has not rejects before anything is sent",
    async (scene) => {
      const socket = await scene.openRoute();
      const nonsense: object = { nonsense: 1 };
      assert.equal(await rejectionCode(socket.request(link.message(RTM_SETLINK, nonsense))), "ERR_ENCODE");
      await socket.request(getLoopback);
    },
  ),
];
