import assert from "node:assert/strict";
import { NETLINK_ROUTE } from "../../abi.js";
import type { Subscription, SubscriptionEvent } from "../../events/subscription.js";
import type { Message } from "../../message/message.js";
import {
  address,
  link,
  RTM_DELADDR,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_LINK,
} from "../../route/index.js";
import { buildMessage } from "../fake-answer.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { messageBytes, patternMessage, rejection, rejectionCode, takeTypes } from "./probe.js";
import { addressValues, loopback } from "./scene.js";

const GROUP = 3;
/** Little room on every transport: a receive buffer, or where rings are mapped, frames. */
export const LITTLE_ROOM: StageSocketOptions = {
  receiveBuffer: 16_384,
  ring: { frameSize: 4096, frameCount: 8 },
};

const typeOf = { decode: ({ type }: Message): number => type };

async function nextEvent<T>(subscription: Subscription<T>): Promise<SubscriptionEvent<T>> {
  const { done, value } = await subscription.next();
  assert.notEqual(done, true, "the subscription has ended");
  assert.ok(value !== undefined);
  return value;
}

export const eventCases: readonly ConformanceCase[] = [
  conformanceCase(
    "events: of a group come decoded and in order, with their type, group and sender",
    async (scene) => {
      const socket = await scene.openRoute();
      const subscription = await scene.keep(socket.subscribe(RTNLGRP_IPV4_IFADDR, address));
      await socket.request([scene.newAddress(1), address.message(RTM_DELADDR, addressValues(1))]);
      const events = [await nextEvent(subscription), await nextEvent(subscription)];
      assert.deepEqual(
        events.map(
          (event) =>
            event.kind === "message" && [event.type, event.group, event.senderPort, event.body.local],
        ),
        [
          [RTM_NEWADDR, RTNLGRP_IPV4_IFADDR, 0, "10.128.0.1"],
          [RTM_DELADDR, RTNLGRP_IPV4_IFADDR, 0, "10.128.0.1"],
        ],
      );
    },
  ),

  conformanceCase(
    "events: come to a socket of their own, and never to the one that subscribed",
    async (scene) => {
      const socket = await scene.openRoute();
      await scene.keep(socket.subscribe(RTNLGRP_IPV4_IFADDR, address));
      await socket.request(scene.newAddress(1));
      assert.deepEqual(takeTypes(socket), []);
    },
  ),

  conformanceCase(
    "events: of several groups come through one subscription, by their schemas",
    async (scene) => {
      const socket = await scene.openRoute();
      const schemas = { [RTM_NEWLINK]: link, [RTM_DELADDR]: address };
      const subscription = await scene.keep(socket.subscribe([RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR], schemas));
      // A new address has no schema here, and is passed over.
      await socket.request([scene.newAddress(1), address.message(RTM_DELADDR, addressValues(1))]);
      const event = await nextEvent(subscription);
      assert.equal(event.kind === "message" && event.type, RTM_DELADDR);
      await socket.request(loopback(false));
      for (;;) {
        const later = await nextEvent(subscription);
        if (later.kind === "message" && later.group === RTNLGRP_LINK) break;
      }
    },
  ),

  conformanceCase(
    "events: of other senders are passed over",
    async (scene) => {
      const socket = await scene.openRoute();
      const subscription = await scene.keep(socket.subscribe(RTNLGRP_LINK, link));
      const peer = scene.peer(NETLINK_ROUTE);
      peer.multicast(buildMessage(link.message(RTM_NEWLINK, { name: "forged" })), RTNLGRP_LINK);
      await socket.request(loopback(false));
      const event = await nextEvent(subscription);
      assert.equal(event.kind === "message" && event.body.name, "lo");
    },
    ["senders"],
  ),

  conformanceCase("events: of any sender come where that is asked for, with its port", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const subscription = await scene.keep(socket.subscribe(GROUP, typeOf, { senders: "any" }));
    peer.multicast(messageBytes(100), GROUP);
    const event = await nextEvent(subscription);
    assert.ok(event.kind === "message");
    assert.deepEqual([event.body, event.senderPort, event.group], [100, peer.portId, GROUP]);
  }),

  conformanceCase(
    "events: that were lost become a resync behind those that had come, and nothing older follows",
    async (scene) => {
      const { socket, peer } = await scene.openPair();
      const subscription = await scene.keep(
        socket.subscribe(GROUP, typeOf, { senders: "any", ...LITTLE_ROOM }),
      );
      for (let round = 0; round < 3; round++) {
        for (let type = 100; type < 300; type++) peer.multicast(patternMessage(type, 1000), GROUP);
        const before: number[] = [];
        for (
          let event = await nextEvent(subscription);
          event.kind !== "resync";
          event = await nextEvent(subscription)
        )
          before.push(event.body);
        assert.ok(before.length > 0 && before.length < 200);
        assert.deepEqual(
          before,
          before.map((_, index) => 100 + index),
        );
        peer.multicast(messageBytes(500 + round), GROUP);
        const after = await nextEvent(subscription);
        assert.equal(after.kind === "message" && after.body, 500 + round);
      }
    },
  ),

  conformanceCase("events: wake a subscription that waits, and so does their loss", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const subscription = await scene.keep(
      socket.subscribe(GROUP, typeOf, { senders: "any", ...LITTLE_ROOM }),
    );
    const first = subscription.next();
    for (let type = 100; type < 300; type++) peer.multicast(patternMessage(type, 1000), GROUP);
    assert.equal((await first).done, false);
    while ((await nextEvent(subscription)).kind !== "resync");
  }),

  conformanceCase("events: that do not decode reject once, and the next ones come", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const failure = new Error("not this one");
    const choosy = {
      decode({ type }: Message): number {
        if (type === 101) throw failure;
        return type;
      },
    };
    const subscription = await scene.keep(socket.subscribe(GROUP, choosy, { senders: "any" }));
    for (const type of [100, 101, 102]) peer.multicast(messageBytes(type), GROUP);
    assert.equal((await nextEvent(subscription)).kind, "message");
    assert.equal(await rejection(subscription.next()), failure);
    const event = await nextEvent(subscription);
    assert.equal(event.kind === "message" && event.body, 102);
  }),

  conformanceCase("events: end when the loop over them is left", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const subscription = await scene.keep(socket.subscribe(GROUP, typeOf, { senders: "any" }));
    peer.multicast(messageBytes(100), GROUP);
    for await (const event of subscription) {
      assert.equal(event.kind, "message");
      break;
    }
    assert.deepEqual(await subscription.next(), { done: true, value: undefined });
    assert.equal(socket.closed, false);
  }),

  conformanceCase(
    "events: of a group that does not exist are refused, and the socket for them is closed",
    async (scene) => {
      const socket = await scene.open(NETLINK_ROUTE);
      assert.equal(await rejectionCode(socket.subscribe(100_000, link)), "EINVAL");
    },
    ["group-numbers"],
  ),

  conformanceCase(
    "events: joined by number reach the socket's own reader, until the group is left",
    async (scene) => {
      const { socket, peer } = await scene.openPair();
      peer.multicast(messageBytes(99), GROUP);
      socket.addMembership(GROUP);
      peer.multicast(messageBytes(100), GROUP);
      peer.multicast(messageBytes(101), GROUP + 1);
      socket.dropMembership(GROUP);
      peer.multicast(messageBytes(102), GROUP);
      peer.send(messageBytes(103), socket.portId);
      assert.deepEqual(takeTypes(socket), [100, 103]);
    },
  ),
];
