import assert from "node:assert/strict";
import type { Watch, WatchEvent } from "../../events/watch.js";
import {
  type Address,
  AF_INET,
  address,
  RTM_DELADDR,
  RTM_GETADDR,
  RTNLGRP_IPV4_IFADDR,
} from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { LITTLE_ROOM } from "./event-cases.js";
import type { Scene } from "./scene.js";
import { addressValues } from "./scene.js";

type AddressEvent = WatchEvent<Address, Address>;

async function watchAddresses(
  scene: Scene,
  socket: NetlinkSocket,
  options: StageSocketOptions = {},
): Promise<Watch<Address, Address>> {
  const list = address.message(RTM_GETADDR, { family: AF_INET });
  const request = { list, item: address, groups: RTNLGRP_IPV4_IFADDR, changes: address };
  return scene.keep(socket.watch(request, options));
}

/** The events up to one of a kind, that one included. */
async function eventsUntil(
  iterator: AsyncIterator<AddressEvent, undefined>,
  kind: AddressEvent["kind"],
): Promise<AddressEvent[]> {
  const events: AddressEvent[] = [];
  for (;;) {
    const { done, value } = await iterator.next();
    assert.ok(done !== true, `the watch ended before ${kind}`);
    events.push(value);
    if (value.kind === kind) return events;
  }
}

const ownItems = (events: readonly AddressEvent[]): string[] =>
  events.flatMap((event) =>
    event.kind === "item" && (event.body.local ?? "").startsWith("10.128.") ? [event.body.local ?? ""] : [],
  );

export const watchCases: readonly ConformanceCase[] = [
  conformanceCase("watches: tell what there is, then synced, then what changes", async (scene) => {
    await scene.addAddresses(3);
    const socket = await scene.openRoute();
    const events = (await watchAddresses(scene, socket))[Symbol.asyncIterator]();
    const listed = await eventsUntil(events, "synced");
    assert.deepEqual(ownItems(listed), ["10.128.0.0", "10.128.0.1", "10.128.0.2"]);
    await socket.request([scene.newAddress(7), address.message(RTM_DELADDR, addressValues(0))]);
    const changes = [...(await eventsUntil(events, "change")), ...(await eventsUntil(events, "change"))];
    assert.deepEqual(
      changes.map((change) => change.kind === "change" && [change.type - RTM_DELADDR, change.body.local]),
      [
        [-1, "10.128.0.7"],
        [0, "10.128.0.0"],
      ],
    );
  }),

  conformanceCase("watches: miss nothing that happens while they list", async (scene) => {
    await scene.addAddresses(2);
    const socket = await scene.openRoute();
    const events = (await watchAddresses(scene, socket))[Symbol.asyncIterator]();
    const first = await events.next();
    assert.equal(first.done, false);
    await socket.request(scene.newAddress(9));
    await eventsUntil(events, "synced");
    const [change] = await eventsUntil(events, "change");
    assert.equal(change?.kind === "change" && change.body.local, "10.128.0.9");
  }),

  conformanceCase("watches: that lost events say resync and list again by themselves", async (scene) => {
    const socket = await scene.openRoute();
    const events = (await watchAddresses(scene, socket, LITTLE_ROOM))[Symbol.asyncIterator]();
    assert.deepEqual(ownItems(await eventsUntil(events, "synced")), []);
    await scene.addAddresses(300);
    const lost = await eventsUntil(events, "resync");
    assert.ok(lost.length < 300);
    assert.ok(lost.slice(0, -1).every(({ kind }) => kind === "change"));
    const listed = await eventsUntil(events, "synced");
    assert.equal(new Set(ownItems(listed)).size, 300);
    await socket.request(scene.newAddress(400));
    const [change] = await eventsUntil(events, "change");
    assert.equal(change?.kind === "change" && change.body.local, "10.128.1.144");
  }),

  conformanceCase("watches: end when the loop over them is left, and the socket stays", async (scene) => {
    const socket = await scene.openRoute();
    const watch = await watchAddresses(scene, socket);
    for await (const event of watch) if (event.kind === "synced") break;
    assert.equal((await watch[Symbol.asyncIterator]().next()).done, true);
    assert.equal(socket.closed, false);
    await socket.request(scene.newAddress(1));
  }),

  conformanceCase("watches: that wait end by close()", async (scene) => {
    const socket = await scene.openRoute();
    const watch = await watchAddresses(scene, socket);
    const events = watch[Symbol.asyncIterator]();
    await eventsUntil(events, "synced");
    const waiting = events.next();
    await watch.close();
    assert.equal((await waiting).done, true);
  }),
];
