import { setImmediate as nextTurn } from "node:timers/promises";
import type { Message } from "../../message/message.js";
import type { MessageWriter } from "../../message/message-writer.js";
import type { NetlinkSocket } from "../../socket.js";
import { buildMessage } from "../fake-answer.js";

/** The bytes of a message for a peer to send. */
export function messageBytes(type: number, write?: (writer: MessageWriter) => void): Uint8Array {
  return buildMessage({ type, write });
}

/** A message with a payload of so many bytes that tell their place. */
export function patternMessage(type: number, length: number, seed = 0): Uint8Array {
  return messageBytes(type, (writer) => writer.bytes(pattern(length, seed)));
}

export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff);
}

export function payloadOf(message: Message): Uint8Array {
  return message.bytes.slice(message.payloadOffset, message.end);
}

/** The next message of the socket's reader, waited for. */
export async function takeNext(socket: NetlinkSocket): Promise<Message> {
  for (;;) {
    const message = socket.take();
    if (message !== undefined) return message;
    await socket.readable();
  }
}

/** Takes and releases all that waits now; returns the types. */
export function takeTypes(socket: NetlinkSocket): number[] {
  const types: number[] = [];
  for (let message = socket.take(); message !== undefined; message = socket.take()) {
    types.push(message.type);
    message.release();
  }
  return types;
}

/** What a promise rejects with; throws where it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`resolved, and was to reject: ${String(value)}`);
}

/** The `code` of what a promise rejects with. */
export async function rejectionCode(promise: Promise<unknown>): Promise<unknown> {
  const error = await rejection(promise);
  return error instanceof Error && "code" in error ? error.code : error;
}

/** Lets the event loop turn a few times, so that whatever would happen by itself has happened. */
export async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
}
