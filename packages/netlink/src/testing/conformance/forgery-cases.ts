import assert from "node:assert/strict";
import { NETLINK_ROUTE, NLMSG_ERROR } from "../../abi.js";
import { EPERM } from "../../errno.js";
import { link, RTM_GETLINK, RTM_NEWLINK, RTNLGRP_LINK } from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { buildMessage } from "../fake-answer.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import { type ConformanceCase, conformanceCase } from "./case.js";
import { rejection, takeNext } from "./probe.js";
import { loopback } from "./scene.js";

const getLoopback = link.message(RTM_GETLINK, { index: LOOPBACK_INDEX });

/** The sequence number that the next request of the socket will have. */
async function nextSequence(socket: NetlinkSocket): Promise<number> {
  const error = await rejection(socket.request(link.message(RTM_GETLINK, { index: 0x7fff_ff00 })));
  assert.ok(error instanceof Error && "sequence" in error && typeof error.sequence === "number");
  return error.sequence + 1;
}

/** An error that looks as if it answered the request with this number. */
function forgedError(sequence: number, portId: number): Uint8Array {
  const refusal = {
    type: NLMSG_ERROR,
    write: (writer: Parameters<NonNullable<typeof getLoopback.write>>[0]) => {
      writer
        .uint32(EPERM >>> 0)
        .uint32(32)
        .uint32(RTM_GETLINK)
        .uint32(sequence)
        .uint32(portId);
    },
  };
  return buildMessage(refusal, sequence, portId);
}

export const forgeryCases: readonly ConformanceCase[] = [
  conformanceCase(
    "answers: another process's message is none, however it looks",
    async (scene) => {
      const socket = await scene.openRoute();
      const peer = scene.peer(NETLINK_ROUTE);
      const sequence = await nextSequence(socket);
      peer.send(forgedError(sequence, socket.portId), socket.portId);
      peer.send(
        buildMessage(link.message(RTM_NEWLINK, { name: "forged" }), sequence, socket.portId),
        socket.portId,
      );
      assert.equal((await socket.request(getLoopback, link)).name, "lo");
      const forged = await takeNext(socket);
      assert.deepEqual(
        [forged.type, forged.sequence, forged.portId, forged.senderPort],
        [NLMSG_ERROR, sequence, socket.portId, peer.portId],
      );
    },
    ["senders"],
  ),

  conformanceCase(
    "answers: a message of another process to a group is none",
    async (scene) => {
      const socket = await scene.openRoute();
      socket.addMembership(RTNLGRP_LINK);
      const peer = scene.peer(NETLINK_ROUTE);
      const sequence = await nextSequence(socket);
      peer.multicast(forgedError(sequence, socket.portId), RTNLGRP_LINK);
      assert.equal((await socket.request(getLoopback, link)).name, "lo");
      const forged = await takeNext(socket);
      assert.deepEqual(
        [forged.type, forged.senderPort, forged.group],
        [NLMSG_ERROR, peer.portId, RTNLGRP_LINK],
      );
    },
    ["senders"],
  ),

  conformanceCase("answers: those that nobody waits for any more reach no other request", async (scene) => {
    const socket = await scene.openRoute();
    const controller = new AbortController();
    const aborted = rejection(socket.request(getLoopback, link, { signal: controller.signal }));
    socket.flush();
    controller.abort(new Error("not wanted any more"));
    await aborted;
    const [acknowledgement, reply] = await Promise.all([
      socket.request(loopback(true)),
      socket.request(getLoopback, link),
    ]);
    assert.deepEqual(acknowledgement, {});
    assert.equal(reply.name, "lo");
    assert.equal(socket.take(), undefined);
  }),
];
