import { Message } from "../src/message/message.js";
import { MessageWriter } from "../src/message/message-writer.js";

/** The bytes of one message, header and all, as `write` makes its body. */
export function messageOf(write: (writer: MessageWriter) => void, type = 1): Uint8Array {
  const writer = MessageWriter.growing().begin(type, 0, 0, 0);
  write(writer);
  const length = writer.written;
  writer.end();
  return writer.finished().slice(0, length);
}

/** A received message over bytes, with other memory around it. */
export function received(bytes: Uint8Array, before = 0): Message {
  const memory = new Uint8Array(before + bytes.length + 16).fill(0xa5);
  memory.set(bytes, before);
  const keeper = { holdFrame() {}, releaseFrame() {} };
  const view = new DataView(memory.buffer);
  return new Message(keeper, 0, memory, view, before, before + bytes.length, 0, 0);
}

/** What a call throws; fails where it returns. */
export function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
