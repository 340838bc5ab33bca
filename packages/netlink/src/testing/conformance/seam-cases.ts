import assert from "node:assert/strict";
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLMSG_ERROR } from "../../abi.js";
import { observeSockets } from "../../diagnostics/observe-sockets.js";
import { EEXIST } from "../../errno.js";
import { errorNumber } from "../../message/acknowledgement.js";
import type { Message } from "../../message/message.js";
import { RTM_NEWROUTE, route } from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { LITTLE_ROOM } from "./event-cases.js";
import {
  messageBytes,
  pattern,
  patternMessage,
  payloadOf,
  rejectionCode,
  takeNext,
  takeTypes,
} from "./probe.js";
import { newRoute, routeValues } from "./scene.js";

const SMALL_FRAMES: StageSocketOptions = { ring: { frameSize: 4096, frameCount: 8 } };
const GROUP = 5;

/** Composes the request for a route that nobody waits for the answer to. */
function composeRoute(socket: NetlinkSocket, number: number, flags = 0): void {
  route.write(socket.compose(RTM_NEWROUTE, flags | NLM_F_CREATE | NLM_F_EXCL, 256), routeValues(number));
  socket.commit();
}

export const seamCases: readonly ConformanceCase[] = [
  conformanceCase(
    "the reader: gets 60 KiB through frames of 4 KiB whole, and in order with small ones",
    async (scene) => {
      const { socket, peer } = await scene.openPair(SMALL_FRAMES);
      const lengths = [8, 60 * 1024, 100, 4056, 4057, 12];
      for (let round = 0; round < 3; round++) {
        for (const length of lengths) peer.send(patternMessage(100, length, length), socket.portId);
        for (const length of lengths) {
          const message = await takeNext(socket);
          assert.deepEqual(payloadOf(message), pattern(length, length));
          message.release();
        }
      }
      const { truncated, malformed, overruns, received } = socket.statistics;
      assert.deepEqual([truncated, malformed, overruns, received], [0, 0, 0, 18]);
    },
  ),

  conformanceCase("the reader: is pushed messages in order, until the socket closes", async (scene) => {
    const { socket, peer } = await scene.openPair(SMALL_FRAMES);
    const types: number[] = [];
    const running = socket.receive(({ type }) => {
      types.push(type);
      if (type < 150) peer.send(messageBytes(type + 1), socket.portId);
      else void socket.close();
    });
    peer.send(messageBytes(100), socket.portId);
    await running;
    assert.deepEqual(
      types,
      Array.from({ length: 51 }, (_, index) => 100 + index),
    );
  }),

  conformanceCase("the reader: is one: a second is refused with ERR_BUSY", async (scene) => {
    const { socket } = await scene.openPair();
    const running = socket.receive(() => {});
    assert.equal(await rejectionCode(socket.receive(() => {})), "ERR_BUSY");
    assert.equal(await rejectionCode(socket.readable()), "ERR_BUSY");
    assert.equal(await rejectionCode((async () => socket.take())()), "ERR_BUSY");
    await socket.close();
    await running;
  }),

  conformanceCase("the reader: finds what came while answers were awaited, in order", async (scene) => {
    const socket = await scene.openRoute();
    socket.addMembership(5);
    for (let number = 1; number <= 5; number++) await socket.request(scene.newAddress(number));
    assert.equal(takeTypes(socket).length, 5);
  }),

  conformanceCase("held messages: keep their bytes while the ring goes around", async (scene) => {
    const { socket, peer } = await scene.openPair(SMALL_FRAMES);
    const held: Message[] = [];
    for (let number = 0; number < 60; number++) {
      peer.send(patternMessage(100, 500, number), socket.portId);
      const message = await takeNext(socket);
      message.hold();
      held.push(message);
    }
    for (const [number, message] of held.entries())
      assert.deepEqual(payloadOf(message), pattern(500, number));
    for (const message of held) message.release();
    peer.send(messageBytes(200), socket.portId);
    assert.equal((await takeNext(socket)).type, 200);
  }),

  conformanceCase("held messages: in receive() outlive the visitor", async (scene) => {
    const { socket, peer } = await scene.openPair(SMALL_FRAMES);
    const held: Message[] = [];
    const running = socket.receive((message) => {
      if (held.length < 3) {
        message.hold();
        held.push(message);
      }
      if (message.type === 140) {
        assert.deepEqual(
          held.map(payloadOf),
          [100, 101, 102].map((type) => pattern(300, type)),
        );
        void socket.close();
      } else peer.send(patternMessage(message.type + 1, 300, message.type + 1), socket.portId);
    });
    peer.send(patternMessage(100, 300, 100), socket.portId);
    await running;
  }),

  conformanceCase(
    "frames: that are not released stop the reading, and the first release lets it go on",
    async (scene) => {
      const { socket, peer } = await scene.openPair(SMALL_FRAMES);
      for (let number = 0; number < 20; number++)
        peer.send(patternMessage(100 + number, 50, number), socket.portId);
      const taken: Message[] = [];
      for (let message = socket.take(); message !== undefined; message = socket.take()) taken.push(message);
      assert.equal(taken.length, 8);
      for (const [number, message] of taken.entries())
        assert.deepEqual(payloadOf(message), pattern(50, number));
      for (const message of taken) message.release();
      // Where the ring is all the room there is, the others found none.
      takeTypes(socket);
      peer.send(messageBytes(200), socket.portId);
      for (;;) {
        const message = await takeNext(socket);
        message.release();
        if (message.type === 200) break;
      }
    },
  ),

  conformanceCase(
    "frames: are free again while all of them are in the reader's hands, for answers",
    async (scene) => {
      const socket = await scene.openRoute(SMALL_FRAMES);
      socket.addMembership(5);
      const other = await scene.openRoute();
      for (let number = 1; number <= 8; number++) await other.request(scene.newAddress(number));
      const taken: Message[] = [];
      for (let message = socket.take(); message !== undefined; message = socket.take()) taken.push(message);
      assert.equal(taken.length, 8);
      await socket.request(newRoute(1));
      for (const message of taken) message.release();
    },
  ),

  conformanceCase(
    "composed messages: leave in one send, at flush() or before the turn ends",
    async (scene) => {
      const socket = await scene.openRoute();
      await socket.request(newRoute(1));
      let sends = 0;
      const stop = observeSockets({
        sent: ({ portId }) => {
          if (portId === socket.portId) sends++;
        },
      });
      for (let number = 0; number < 30; number++) composeRoute(socket, 1);
      assert.deepEqual([sends, takeTypes(socket)], [0, []]);
      socket.flush();
      // The kernel answers inside the send, and nobody asked for it: the complaints are the reader's.
      const complaints: number[] = [];
      for (let message = socket.take(); message !== undefined; message = socket.take()) {
        assert.deepEqual([message.type, message.sequence], [NLMSG_ERROR, 0]);
        complaints.push(errorNumber(message));
        message.release();
      }
      assert.deepEqual(
        complaints,
        Array.from({ length: 30 }, () => EEXIST),
      );
      composeRoute(socket, 1);
      await socket.readable();
      assert.deepEqual(takeTypes(socket), [NLMSG_ERROR]);
      stop();
      assert.equal(sends, 2);
    },
  ),

  conformanceCase("composed messages: and requests keep their order", async (scene) => {
    const socket = await scene.openRoute();
    composeRoute(socket, 1);
    assert.equal(await rejectionCode(socket.request(newRoute(1))), "EEXIST");
    const first = socket.request(newRoute(2));
    composeRoute(socket, 2);
    await first;
    socket.flush();
    assert.deepEqual(takeTypes(socket), [NLMSG_ERROR]);
  }),

  conformanceCase("composed messages: with an ACK asked for have it come to the reader", async (scene) => {
    const socket = await scene.openRoute();
    composeRoute(socket, 3, NLM_F_ACK);
    socket.flush();
    const message = await takeNext(socket);
    assert.deepEqual([message.type, message.sequence, errorNumber(message)], [NLMSG_ERROR, 0, 0]);
  }),

  conformanceCase("composed messages: that were committed are sent by close()", async (scene) => {
    const socket = await scene.openRoute();
    const other = await scene.openRoute();
    composeRoute(socket, 4);
    await socket.close();
    assert.equal(await rejectionCode(other.request(newRoute(4))), "EEXIST");
  }),

  conformanceCase("losses: of an ordinary socket are counted, and what had come is read", async (scene) => {
    const { socket, peer } = await scene.openPair(LITTLE_ROOM);
    socket.addMembership(GROUP);
    for (let type = 100; type < 300; type++) peer.multicast(patternMessage(type, 1000), GROUP);
    const types = takeTypes(socket);
    assert.ok(types.length > 0 && types.length < 200);
    assert.deepEqual(
      types,
      types.map((_, index) => 100 + index),
    );
    assert.deepEqual([socket.statistics.overruns, socket.losses], [1, 1]);
    peer.multicast(messageBytes(400), GROUP);
    assert.deepEqual(takeTypes(socket), [400]);
  }),

  conformanceCase(
    "losses: with noEnobufs show in the drop counter alone, to the last one",
    async (scene) => {
      const { socket, peer } = await scene.openPair({ ...LITTLE_ROOM, noEnobufs: true });
      socket.addMembership(GROUP);
      for (let type = 100; type < 200; type++) peer.multicast(patternMessage(type, 1000), GROUP);
      const received = takeTypes(socket).length;
      const { overruns, drops } = socket.statistics;
      assert.deepEqual([overruns, drops], [0, 100 - received]);
    },
    ["drop-counter"],
  ),
];
