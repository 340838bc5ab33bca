import assert from "node:assert/strict";
import { NLM_F_DUMP } from "../../abi.js";
import { AF_INET, link, RTM_GETLINK, RTM_GETROUTE, RTNLGRP_LINK, route } from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { LITTLE_ROOM } from "./event-cases.js";
import { rejection, rejectionCode, takeTypes } from "./probe.js";
import { loopback, newRoute, type Scene } from "./scene.js";

const FEW_FRAMES: StageSocketOptions = { ring: { frameSize: 4096, frameCount: 8 } };
const MANY = 6000;

const listRoutes = route.message(RTM_GETROUTE, { family: AF_INET });
const getLoopback = link.message(RTM_GETLINK, { index: LOOPBACK_INDEX });

/** Has a dump half read, so that all others of the socket wait for it. */
async function halfRead(socket: NetlinkSocket): Promise<AsyncIterator<unknown, undefined>> {
  const iterator = socket.dump(listRoutes, route, { readAhead: 4 })[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).done, false);
  return iterator;
}

/** Everything that can be pending on a socket at once, and the codes or reasons it rejects with when `end` ends the socket. */
async function pendingWhen(
  scene: Scene,
  options: StageSocketOptions,
  end: (socket: NetlinkSocket) => unknown,
): Promise<unknown[]> {
  await scene.addRoutes(MANY);
  const socket = await scene.openRoute({ ...FEW_FRAMES, ...options });
  const iterator = await halfRead(socket);
  const queued = socket.dump(listRoutes, route)[Symbol.asyncIterator]();
  const outcomes = Promise.all(
    [
      queued.next(),
      socket.dump(listRoutes, route).all(),
      socket.request({ ...listRoutes, flags: NLM_F_DUMP }),
      socket.request([newRoute(MANY + 1), newRoute(MANY + 2)]),
      socket.request(getLoopback, link),
      socket.readable(),
    ].map((promise) => rejectionCode(promise)),
  );
  await end(socket);
  const rest = async (): Promise<void> => {
    while ((await iterator.next()).done !== true);
  };
  return [...(await outcomes), await rejectionCode(rest())];
}

export const settlingCases: readonly ConformanceCase[] = [
  conformanceCase("settling: close() rejects all that is pending with ERR_SOCKET_CLOSED", async (scene) => {
    const codes = await pendingWhen(scene, {}, (socket) => socket.close());
    assert.deepEqual(
      codes,
      Array.from({ length: 7 }, () => "ERR_SOCKET_CLOSED"),
    );
  }),

  conformanceCase(
    "settling: the socket's signal rejects all that is pending with its reason",
    async (scene) => {
      const controller = new AbortController();
      const reason = new Error("enough of it");
      const codes = await pendingWhen(scene, { signal: controller.signal }, () => controller.abort(reason));
      assert.deepEqual(
        codes,
        Array.from({ length: 7 }, () => reason),
      );
    },
  ),

  conformanceCase(
    "settling: a closed socket refuses everything, and closes again in peace",
    async (scene) => {
      const socket = await scene.openRoute();
      await socket.close();
      await socket.close();
      assert.equal(socket.closed, true);
      const refused = [
        socket.request(getLoopback),
        socket.dump(listRoutes, route).all(),
        socket.receive(() => {}),
        socket.readable(),
        (async () => socket.take())(),
        (async () => socket.compose(16, 0, 16))(),
        (async () => socket.addMembership(1))(),
      ];
      for (const promise of refused) assert.equal(await rejectionCode(promise), "ERR_SOCKET_CLOSED");
    },
  ),

  conformanceCase("settling: close() ends the reader that is pushed", async (scene) => {
    const { socket } = await scene.openPair();
    const running = socket.receive(() => {});
    await socket.close();
    await running;
  }),

  conformanceCase(
    "settling: close() ends a subscription that waits, its signal rejects it",
    async (scene) => {
      const socket = await scene.openRoute();
      const closed = await scene.keep(socket.subscribe(RTNLGRP_LINK, link));
      const waiting = closed.next();
      await closed.close();
      assert.equal((await waiting).done, true);
      const controller = new AbortController();
      const aborted = await scene.keep(socket.subscribe(RTNLGRP_LINK, link, { signal: controller.signal }));
      const pending = rejection(aborted.next());
      const reason = new Error("enough of it");
      controller.abort(reason);
      assert.equal(await pending, reason);
      await socket.request(getLoopback);
    },
  ),

  conformanceCase("settling: a request aborted before it is made sends nothing", async (scene) => {
    const socket = await scene.openRoute();
    const reason = new Error("not at all");
    const signal = AbortSignal.abort(reason);
    assert.equal(await rejection(socket.request(newRoute(1), { signal })), reason);
    assert.equal(await rejection(socket.dump(listRoutes, route, { signal }).all()), reason);
    await socket.request(newRoute(1));
  }),

  conformanceCase("settling: requests and dumps are aborted each by their own signal", async (scene) => {
    await scene.addRoutes(MANY);
    const socket = await scene.openRoute(FEW_FRAMES);
    const iterator = await halfRead(socket);
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("enough of it");
    const aborted = [
      socket.request(getLoopback, link, { signal }),
      socket.request([loopback(true), loopback(true)], { signal }),
      socket.request({ ...listRoutes, flags: NLM_F_DUMP }, { signal }),
      socket.dump(listRoutes, route, { signal }).all(),
    ].map((promise) => rejection(promise));
    const untouched = socket.request(getLoopback, link);
    controller.abort(reason);
    assert.deepEqual(await Promise.all(aborted), [reason, reason, reason, reason]);
    assert.equal((await untouched).name, "lo");
    await iterator.return?.();
    assert.ok((await socket.dump(listRoutes, route).all()).length >= MANY);
    assert.deepEqual(takeTypes(socket), []);
  }),

  conformanceCase(
    "settling: a half-read dump is aborted in the middle, and the next one runs",
    async (scene) => {
      await scene.addRoutes(MANY);
      const socket = await scene.openRoute(FEW_FRAMES);
      const controller = new AbortController();
      const reason = new Error("enough of it");
      let items = 0;
      const iterate = async (): Promise<void> => {
        for await (const _ of socket.dump(listRoutes, route, { signal: controller.signal, readAhead: 8 })) {
          items++;
          if (items === 100) controller.abort(reason);
        }
      };
      assert.equal(await rejection(iterate()), reason);
      assert.equal(items, 100);
      assert.ok((await socket.dump(listRoutes, route).all()).length >= MANY);
    },
  ),

  conformanceCase("settling: what waits longer than its timeout rejects with ERR_TIMEOUT", async (scene) => {
    await scene.addRoutes(MANY);
    const socket = await scene.openRoute(FEW_FRAMES);
    const iterator = await halfRead(socket);
    // They wait for the dump before them, which nobody reads on.
    const codes = await Promise.all([
      rejectionCode(socket.dump(listRoutes, route, { timeout: 5 }).all()),
      rejectionCode(socket.request({ ...listRoutes, flags: NLM_F_DUMP }, { timeout: 5 })),
    ]);
    assert.deepEqual(codes, ["ERR_TIMEOUT", "ERR_TIMEOUT"]);
    await iterator.return?.();
    assert.equal((await socket.request(getLoopback, link, { timeout: 60_000 })).name, "lo");
    assert.ok((await socket.dump(listRoutes, route, { timeout: 60_000 }).all()).length >= MANY);
  }),

  conformanceCase(
    "settling: a reply that found no room is ERR_REPLY_LOST, what it asked for is done, and the socket goes on",
    async (scene) => {
      const other = await scene.openRoute();
      const socket = await scene.openRoute(LITTLE_ROOM);
      socket.addMembership(RTNLGRP_LINK);
      for (let number = 0; number < 40; number++) await other.request(loopback(number % 2 === 1));
      assert.equal(await rejectionCode(socket.request(newRoute(1))), "ERR_REPLY_LOST");
      assert.ok(socket.statistics.overruns >= 1);
      assert.equal(await rejectionCode(other.request(newRoute(1))), "EEXIST");
      socket.dropMembership(RTNLGRP_LINK);
      assert.ok(takeTypes(socket).length > 0);
      assert.equal((await socket.request(getLoopback, link)).name, "lo");
    },
  ),
];
