import { readFileSync } from "node:fs";
import { MessageCursor, type MessageWriter, MessageWriter as Writer } from "@nlring/netlink";
import { MESSAGE_PACKET, NFQA_PACKET_HDR } from "../src/abi.js";
import { PacketLayout } from "../src/packet/layout.js";
import { Packet, type PacketQueue } from "../src/packet.js";

const FOLDER = new URL("./fixtures/packets/linux-4.4.11/", import.meta.url);
/** Of messages that lie in no ring. */
export const NO_KEEPER = { holdFrame: () => {}, releaseFrame: () => {} };
/** Of packets that come from none. */
export const NO_QUEUE: PacketQueue = { decide: (packet) => Packet.settle(packet, NO_KEEPER), hold: () => {} };

/** A line of what `conntrack -L -o extended,id,timestamp` said while the messages were recorded. */
export interface ConntrackLine {
  /** The message that was received last before it. */
  readonly behind: string;
  readonly text: string;
}

interface TraceLine {
  readonly op: string;
  readonly file?: string;
  readonly line?: string;
}

function trace(): TraceLine[] {
  const lines = readFileSync(new URL("trace.jsonl", FOLDER), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TraceLine);
}

/** Names of the recorded messages, in the order in which they came. */
export function recordedNames(): string[] {
  return trace().flatMap(({ op, file }) => (op === "message" && file !== undefined ? [file] : []));
}

/** One message NFQNL_MSG_PACKET, its header included, as the kernel sent it. */
export function recordedMessage(name: string): Uint8Array {
  return Uint8Array.from(readFileSync(new URL(name, FOLDER)));
}

export function conntrackLines(): ConntrackLine[] {
  const lines: ConntrackLine[] = [];
  let behind = "";
  for (const { op, file, line } of trace()) {
    if (op === "message" && file !== undefined) behind = file;
    else if (op === "command" && line !== undefined) lines.push({ behind, text: line });
  }
  return lines;
}

/** A cursor at a message from the kernel that lies in no ring. */
export function cursorAt(view: DataView, offset: number, end: number): MessageCursor {
  return Object.assign(new MessageCursor(), { view, offset, end });
}

/** The packet in a message, at an offset that no reading from the start of memory can pass for right; undefined where it is none. */
export function packetOf(message: Uint8Array): Packet | undefined {
  const frame = 24;
  const memory = new Uint8Array(frame + message.length + 64).fill(0xa5);
  memory.set(message, frame);
  const end = frame + message.length;
  const view = new DataView(memory.buffer);
  const received = cursorAt(view, frame, end);
  const layout = new PacketLayout();
  return layout.read(received) ? new Packet(NO_QUEUE, received, layout) : undefined;
}

export function recordedPacket(name: string): Packet {
  const packet = packetOf(recordedMessage(name));
  if (packet === undefined) throw new Error(`${name} is no packet`);
  return packet;
}

/** A message of an IPv4 rule on INPUT with the attributes that are written. */
export function writtenMessage(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = Writer.growing().begin(MESSAGE_PACKET, 0, 0, 0);
  writer.uint8(2).uint8(0).uint16Network(0);
  writer.attribute(NFQA_PACKET_HDR, 7).uint32Network(1).uint16Network(0x0800).uint8(1).pad();
  write(writer);
  writer.end();
  return writer.finished();
}

/** The packet in such a message. */
export function writtenPacket(write: (writer: MessageWriter) => void): Packet {
  const packet = packetOf(writtenMessage(write));
  if (packet === undefined) throw new Error("no packet was written");
  return packet;
}
