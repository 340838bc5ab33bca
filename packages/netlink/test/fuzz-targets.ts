import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Mutator, Random } from "../../../tools/mutations.js";
import { align, HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../src/abi.js";
import { formatMessage } from "../src/diagnostics/format-message.js";
import { DecodeError, EncodeError } from "../src/errors.js";
import { conclude, errorNumber } from "../src/message/acknowledgement.js";
import type { AttributeReader } from "../src/message/attribute.js";
import { Message, OWN_MEMORY } from "../src/message/message.js";
import { MessageWriter } from "../src/message/message-writer.js";
import { readPcap } from "../src/pcap/index.js";
import * as route from "../src/route/index.js";
import { MessageSchema } from "../src/schema/message-schema.js";
import type { NetlinkSocket } from "../src/socket.js";
import type { MemoryTransport } from "../src/testing/index.js";

const KEEPER = { holdFrame: () => {}, releaseFrame: () => {} };
const CORPUS = readCorpus(new URL("./fixtures/corpus/", import.meta.url));

/** Every recorded message, cut out of what was sent and received together. */
function readCorpus(folder: URL): [Uint8Array, ...Uint8Array[]] {
  const messages: Uint8Array[] = [];
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".pcap"))) {
    for (const { bytes } of readPcap(readFileSync(new URL(name, folder)))) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at + NLMSG_HDRLEN <= bytes.length; ) {
        const length = view.getUint32(at, HOST_IS_LITTLE_ENDIAN);
        messages.push(bytes.subarray(at, at + length));
        at += align(length);
      }
    }
  }
  const [first, ...others] = messages;
  if (first === undefined) throw new Error("the corpus is empty");
  return [first, ...others];
}

const SCHEMAS = Object.values(route).filter((value) => value instanceof MessageSchema);

/** Walks attributes as readers by hand do, into whatever says that it is nested. */
function walk(attributes: AttributeReader, depth: number): number {
  let sum = 0;
  while (attributes.next()) {
    sum = (sum * 31 + attributes.type + attributes.length) | 0;
    if (attributes.length >= 8) sum ^= Number(attributes.uint64() & 0xffffn);
    else if (attributes.length >= 4) sum ^= attributes.uint32();
    if (attributes.isNested && depth < 8) sum ^= walk(attributes.nested(), depth + 1);
    else if (attributes.length < 32) sum ^= attributes.string().length;
  }
  return sum;
}

/** What decodes a message: each takes any bytes, and its result depends on nothing but the message. */
const TARGETS: readonly ((message: Message, bytes: Uint8Array) => unknown)[] = [
  ...SCHEMAS.map((schema) => (message: Message) => schema.decode(message)),
  (message) => walk(message.attributes(4), 0),
  (message) => errorNumber(message),
  (message, bytes) => {
    const { error, acknowledgement } = conclude(message, {
      outgoing: { type: message.type, schema: SCHEMAS[0] },
      bytes,
      offset: message.offset,
    });
    return [error?.message, error !== undefined && "path" in error ? error.path : undefined, acknowledgement];
  },
  (message, bytes) =>
    SCHEMAS.map((schema) => schema.pathOf(bytes, message.offset, 20 + (message.sequence & 63))),
  (message, bytes) =>
    formatMessage(bytes.subarray(message.offset, message.end), { protocol: message.flags % 20 }),
];

/** Runs a target and says how it ended; anything but a result or a DecodeError with its place in the message is thrown. */
function outcome(target: (typeof TARGETS)[number], message: Message): unknown {
  try {
    // The header may say that the message is longer than it is.
    return target(message, message.bytes.subarray(0, message.end));
  } catch (error) {
    const length = message.end - message.offset;
    if (error instanceof DecodeError && error.offset >= 0 && error.offset <= length) return error.message;
    throw error;
  }
}

/** A socket that messages are delivered to as to any other. */
export interface Delivery {
  readonly socket: NetlinkSocket;
  readonly transport: MemoryTransport;
}

/**
 * Sends `count` mutated messages through every decoder, and through a socket. Now and then one is decoded twice, with other bytes around
 * it: a result that differs has read outside. What was decoded is encoded again, which must succeed or be EncodeError.
 */
export function fuzz(count: number, seed: number, { socket, transport }: Delivery): void {
  const random = new Random(seed);
  const mutator = new Mutator(random, CORPUS);
  const { memory, view, start } = mutator;
  for (let round = 0; round < count; round++) {
    const length = mutator.next();
    try {
      takeAll(socket, transport, memory.subarray(start, start + length));
      if (length < NLMSG_HDRLEN) continue;
      const message = new Message(KEEPER, OWN_MEMORY, memory, view, start, start + length, 0, 0);
      const twice = random.below(8) === 0;
      for (const target of TARGETS) {
        mutator.surround(length, 0);
        const first = outcome(target, message);
        if (!twice) continue;
        mutator.surround(length, 0xff);
        if (!isDeepStrictEqual(first, outcome(target, message)))
          throw new Error("the result depends on bytes outside of the message");
      }
      if (twice) reencode(message);
    } catch (error) {
      const bytes = Buffer.from(memory.subarray(start, start + length)).toString("hex");
      throw new Error(`seed ${seed}, round ${round}, message ${bytes}`, { cause: error });
    }
  }
}

/** Has a socket cut the bytes into messages, each of which lies within the ring. */
function takeAll(socket: NetlinkSocket, transport: MemoryTransport, bytes: Uint8Array): void {
  transport.deliver(bytes);
  for (let message = socket.take(); message !== undefined; message = socket.take()) {
    if (message.end > message.bytes.length || message.end - message.offset > bytes.length)
      throw new Error("a message lies outside of what was delivered");
    message.release();
  }
}

function reencode(message: Message): void {
  for (const schema of SCHEMAS) {
    const writer = MessageWriter.growing();
    writer.begin(message.type, 0, 0, 0);
    try {
      // Each schema takes what it decoded itself, which the union of them all cannot say.
      schema.message(message.type, schema.decode(message) as never).write?.(writer);
      writer.end();
    } catch (error) {
      if (!(error instanceof EncodeError || error instanceof DecodeError)) throw error;
    }
  }
}
