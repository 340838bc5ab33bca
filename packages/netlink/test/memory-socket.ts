import { setImmediate as nextTurn } from "node:timers/promises";
import type { Message } from "../src/message/message.js";
import { NetlinkSocket } from "../src/socket.js";
import type { SocketOptions } from "../src/socket-options.js";
import { FakeKernel, type KernelRequest, MemoryTransport } from "../src/testing/index.js";

export const PROTOCOL = 12;

export interface MemorySocket {
  readonly socket: NetlinkSocket;
  readonly kernel: FakeKernel;
  /** The kernel's side of the socket. */
  readonly transport: MemoryTransport;
}

/** A socket without a kernel, and the means to play the kernel. */
export async function openMemorySocket(
  handler: (request: KernelRequest) => void = () => {},
  options: Omit<SocketOptions, "transport"> = {},
): Promise<MemorySocket> {
  const kernel = new FakeKernel(handler);
  const opened: MemoryTransport[] = [];
  const socket = await NetlinkSocket.open(PROTOCOL, {
    ...options,
    transport: {
      open(request) {
        const transport = kernel.open(request);
        if (transport instanceof MemoryTransport) opened.push(transport);
        return transport;
      },
    },
  });
  const [transport] = opened;
  if (transport === undefined) throw new Error("the fake kernel opened no memory transport");
  return { socket, kernel, transport };
}

export interface MessageFields {
  readonly type?: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly portId?: number;
  readonly payload?: Uint8Array;
}

/** The bytes of one message, written without the code under test; unpadded. */
export function messageBytes({
  type = 100,
  flags = 0,
  sequence = 0,
  portId = 0,
  payload = new Uint8Array(0),
}: MessageFields): Uint8Array {
  const bytes = new Uint8Array(16 + payload.length);
  new Uint32Array(bytes.buffer, 0, 1)[0] = bytes.length;
  new Uint16Array(bytes.buffer, 4, 2).set([type, flags]);
  new Uint32Array(bytes.buffer, 8, 2).set([sequence, portId]);
  bytes.set(payload, 16);
  return bytes;
}

/** The same bytes behind each other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Bytes that tell their place, so that a wrong one shows. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff);
}

export function payloadOf(message: Message): Uint8Array {
  return message.bytes.slice(message.payloadOffset, message.end);
}

/** Takes all that waits now; the messages are not released. */
export function takeAll(socket: NetlinkSocket): Message[] {
  const messages: Message[] = [];
  for (let message = socket.take(); message !== undefined; message = socket.take()) messages.push(message);
  return messages;
}

/** Lets the event loop go on until `condition` holds; fails rather than waiting forever. */
export async function until(condition: () => boolean, turns = 1000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (condition()) return;
    await nextTurn();
  }
  throw new Error(`the condition did not come about in ${turns} turns of the event loop`);
}

/** What a promise rejects with; fails where it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise resolved");
}
