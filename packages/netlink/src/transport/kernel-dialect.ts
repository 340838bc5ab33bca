import { type RingGeometry, RxRing, ringLength, TxRing } from "@nlring/ring-core";
import { NLM_F_ACK, NLM_F_REQUEST, NLMSG_NOOP } from "../abi.js";
import { MessageWriter } from "../message/message-writer.js";
import type { MappedSocket } from "./kernel-ring.js";

/** Two frames are enough: one is held, and the kernel comes back to it. */
export const PROBE_FRAMES = 2;

/**
 * Finds out whether the kernel passes over a held frame (from Linux 4.3) by having it come back to one: no version number tells, since
 * distributions carry fixes. The socket is of no more use afterwards.
 *
 * @param socket a route socket with RX and TX rings of this geometry, two frames each
 */
export function skipsHeldFrames(socket: MappedSocket, geometry: RingGeometry): boolean {
  const rx = new RxRing(socket.memory, 0, geometry);
  const tx = new TxRing(socket.memory, ringLength(geometry), geometry);
  const writer = new MessageWriter();
  // Every netlink family of the kernel acknowledges a message that says nothing.
  const askForAnswer = (): number => {
    const frame = tx.reserve();
    const offset = tx.payloadOffset(frame);
    writer.aim(tx.bytes, tx.view, offset, offset + tx.capacity);
    writer.begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 1, socket.portId);
    writer.end();
    tx.commit(writer.position - offset);
    socket.sendRing();
    return rx.next();
  };
  const first = askForAnswer();
  if (first === -1) return false;
  rx.hold(first);
  const second = askForAnswer();
  if (second === -1) return false;
  rx.release(second);
  return askForAnswer() === second;
}
