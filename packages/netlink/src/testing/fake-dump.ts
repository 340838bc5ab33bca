import { NLM_F_ACK_TLVS, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_DONE } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";
import { buildMessage, type FailureDetails, saysMore, writeDetails } from "./fake-answer.js";

/** How a fake dump goes wrong. */
export interface FakeDumpOptions {
  /**
   * Says that what is listed has changed: `true` in every chunk, or asked when one is built. Its first message carries NLM_F_DUMP_INTR then.
   */
  readonly interrupted?: boolean | (() => boolean) | undefined;
  /** The dump ends with this error, in NLMSG_DONE; a negative Linux error number, and what the extended ACK says of it. */
  readonly failure?: ({ readonly errno: number } & FailureDetails) | undefined;
}

/** What every message of one dump has in common. */
export interface DumpAddress {
  readonly sequence: number;
  readonly portId: number;
  /** NETLINK_EXT_ACK is set on the socket. */
  readonly extended: boolean;
}

/**
 * The chunks of a dump, each built when it is asked for: as many items as have room, and NLMSG_DONE behind the last. An item that is
 * larger than the room is a chunk by itself.
 */
export function dumpChunks(
  items: Iterable<Outgoing>,
  { interrupted = false, failure }: FakeDumpOptions,
  { sequence, portId, extended }: DumpAddress,
): (room: number) => Uint8Array | undefined {
  const iterator = items[Symbol.iterator]();
  // Built, and without room in the chunk before.
  let waiting: Uint8Array | undefined;
  let ended = false;

  const build = (item: Outgoing): Uint8Array =>
    buildMessage({ ...item, flags: (item.flags ?? 0) | NLM_F_MULTI }, sequence, portId);

  const buildEnd = (): Uint8Array => {
    const { errno = 0, ...details } = failure ?? {};
    const says = extended && saysMore(details);
    const write = (writer: MessageWriter): void => {
      writer.uint32(errno >>> 0);
      if (says) writeDetails(writer, details);
    };
    const flags = NLM_F_MULTI | (says ? NLM_F_ACK_TLVS : 0);
    return buildMessage({ type: NLMSG_DONE, flags, write }, sequence, portId);
  };

  const next = (): Uint8Array | undefined => {
    if (waiting !== undefined) {
      const message = waiting;
      waiting = undefined;
      return message;
    }
    if (ended) return undefined;
    const { done, value } = iterator.next();
    if (done !== true) return build(value);
    ended = true;
    return buildEnd();
  };

  return (room) => {
    const messages: Uint8Array[] = [];
    let length = 0;
    for (let message = next(); message !== undefined; message = next()) {
      if (length > 0 && length + message.length > room) {
        waiting = message;
        break;
      }
      messages.push(message);
      length += message.length;
    }
    if (length === 0) return undefined;
    const chunk = new Uint8Array(length);
    let offset = 0;
    for (const message of messages) {
      chunk.set(message, offset);
      offset += message.length;
    }
    if (typeof interrupted === "function" ? interrupted() : interrupted) markInterrupted(chunk);
    return chunk;
  };
}

function markInterrupted(chunk: Uint8Array): void {
  const flags = new Uint16Array(chunk.buffer, chunk.byteOffset + 6, 1);
  flags[0] = (flags[0] ?? 0) | NLM_F_DUMP_INTR;
}
