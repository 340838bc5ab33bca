import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { readPcap } from "@nlring/netlink/pcap";
import { Mutator, Random } from "../../../tools/mutations.js";
import { MESSAGE_PACKET } from "../src/abi.js";
import { DatagramEditError, inet, verifyChecksums } from "../src/inet/index.js";
import { PacketLayout } from "../src/packet/layout.js";
import { Packet } from "../src/packet.js";
import { readAll } from "./readings.js";
import { cursorAt, NO_QUEUE, recordedMessage, recordedNames, writtenMessage } from "./recorded-packets.js";

const NETLINK_CORPUS = new URL("../../netlink/test/fixtures/corpus/nfqueue.pcap", import.meta.url);
/** Larger ones have no more places where they can break, and take longer. */
const LARGEST = 2048;

/** What no recorded packet has, with numbers of include/uapi/linux/netfilter/nfnetlink_queue.h. */
const RARE = writtenMessage((writer) => {
  const timestamp = new Uint8Array(16);
  writer.attributeBytes(4, timestamp).attribute(9, 12).uint16Network(6).uint16(0).uint64(0x1122n);
  writer.attributeUint32Network(14, 7).attributeUint32Network(16, 1000).attributeUint32Network(17, 1000);
  writer.attributeString(18, "system_u:object_r:packet_t:s0").attributeBytes(20, new Uint8Array(14));
  const tag = writer.openNested(19);
  writer.attributeUint16Network(1, 0x8100).attributeUint16Network(2, 42);
  writer.closeNested(tag);
  writer.attributeBytes(15, new Uint8Array(20)).attributeUint32Network(21, 6);
  writer.attributeUint32Network(22, 0x10001);
});

/** Packets as two kernels sent them: with connections, and with what a newer one tells. */
function readCorpus(): readonly [Uint8Array, ...Uint8Array[]] {
  const messages = [
    ...recordedNames().map(recordedMessage),
    RARE,
    ...[...readPcap(readFileSync(NETLINK_CORPUS))].map(({ bytes }) => bytes),
  ].filter(({ length }) => length <= LARGEST);
  const [first, ...others] = messages.filter(
    (bytes) => ((bytes[5] ?? 0) << 8) + (bytes[4] ?? 0) === MESSAGE_PACKET,
  );
  if (first === undefined) throw new Error("the corpus is empty");
  return [first, ...others];
}

const CORPUS = readCorpus();
const LAYOUT = new PacketLayout();

/** The packet in a message; undefined where it is none. */
function packetIn(view: DataView, start: number, length: number): Packet | undefined {
  const message = cursorAt(view, start, start + length);
  return LAYOUT.read(message) ? new Packet(NO_QUEUE, message, LAYOUT) : undefined;
}

/** All that the decoders say of a packet: its attributes, its connection, the headers in it and their checksums. */
function readPacket(packet: Packet): unknown {
  const datagram = inet(packet.payload);
  return [readAll(packet), readAll(datagram), verifyChecksums(packet.payload)];
}

/** Rewrites what is in the packet, or is refused. What comes of it has right checksums, and the packet is as it was. */
function rewrite(packet: Packet, random: Random): void {
  const before = packet.copy();
  try {
    const edit = inet(packet.payload).edit();
    edit.hopLimit = random.below(256);
    edit.splice(random.below(8), random.below(8), new Uint8Array(random.below(32)));
    const { network, transport } = verifyChecksums(edit.bytes());
    if (network === "wrong" || transport === "wrong")
      throw new Error(`an edit left checksums ${network} and ${transport}`);
  } catch (error) {
    if (!(error instanceof DatagramEditError)) throw error;
  }
  if (!before.every((octet, at) => octet === packet.readUint8(at)))
    throw new Error("an edit changed the packet that it came from");
}

/** Reads the packet again with other bytes around its message. */
function expectNothingFromOutside(mutator: Mutator, length: number, packet: Packet, before: unknown): void {
  mutator.surround(length, 0xff);
  const after = readPacket(packet);
  mutator.surround(length, 0);
  if (!isDeepStrictEqual(before, after))
    throw new Error("the result depends on bytes outside of the message");
}

/** Changes a message under its packet, as whoever maps the ring can. */
function changeLater(random: Random, memory: Uint8Array, start: number, length: number): void {
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    memory[start + 20 + random.below(Math.max(1, length - 20))] = random.below(256);
  }
}

/**
 * Reads `count` mutated messages by every decoder of packets; returns how many were still packets. Each getter gives a value or throws
 * DecodeError. Now and then one is read twice, with other bytes around it: a result that differs has read outside. So is one whose bytes
 * change when it is a packet already.
 */
export function fuzz(count: number, seed: number): number {
  const random = new Random(seed);
  const mutator = new Mutator(random, CORPUS);
  const { memory, view, start } = mutator;
  let packets = 0;
  for (let round = 0; round < count; round++) {
    const length = mutator.next();
    // What is shorter than its header reaches nobody.
    if (length < 16) continue;
    try {
      mutator.surround(length, 0);
      const packet = packetIn(view, start, length);
      if (packet === undefined) continue;
      packets++;
      const first = readPacket(packet);
      if (random.below(4) !== 0) continue;
      expectNothingFromOutside(mutator, length, packet, first);
      rewrite(packet, random);
      changeLater(random, memory, start, length);
      expectNothingFromOutside(mutator, length, packet, readPacket(packet));
    } catch (error) {
      const bytes = Buffer.from(memory.subarray(start, start + length)).toString("hex");
      throw new Error(`seed ${seed}, round ${round}, message ${bytes}`, { cause: error });
    }
  }
  return packets;
}
