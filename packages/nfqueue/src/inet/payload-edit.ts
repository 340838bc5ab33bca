import type { DatagramView } from "./datagram-view.js";
import { checkBytes, checkRange, type EditMemory } from "./edit-memory.js";

/** Replaces a part of a packet's payload: `start` and `deleteCount` in bytes, counted from the payload's start. */
export function splicePayload(
  datagram: DatagramView,
  memory: EditMemory,
  start: number,
  deleteCount: number,
  inserted: Uint8Array | undefined,
): void {
  memory.requireChecksum("payload");
  const { payloadOffset, payloadLength } = datagram;
  checkRange("start", start, payloadLength);
  checkRange("deleteCount", deleteCount, payloadLength - start);
  if (inserted !== undefined) checkBytes("payload", inserted);
  memory.splice(payloadOffset + start, deleteCount, inserted ?? NOTHING);
}

const NOTHING = new Uint8Array(0);

/** Replaces the whole payload of a packet. */
export function replacePayload(datagram: DatagramView, memory: EditMemory, payload: Uint8Array): void {
  checkBytes("payload", payload);
  splicePayload(datagram, memory, 0, datagram.payloadLength, payload);
}
