import { DecodeError, type MessageWriter } from "@nlring/netlink";
import { describe, expect, test } from "vitest";
import { NFQA_CT, NFQA_CT_INFO } from "../src/abi.js";
import type { Conntrack } from "../src/packet/conntrack.js";
import { conntrackLines, recordedNames, recordedPacket, writtenPacket } from "./recorded-packets.js";

const NLA_F_NESTED = 0x8000;
const PROTOCOLS: Readonly<Record<string, number>> = { udp: 17, tcp: 6 };
const TCP_NAMES: Readonly<Record<string, string>> = {
  ESTABLISHED: "established",
  CLOSE_WAIT: "close-wait",
  TIME_WAIT: "time-wait",
};

function recordedConntrack(name: string): Conntrack {
  const { conntrack } = recordedPacket(name);
  if (conntrack === undefined) throw new Error(`${name} has no connection`);
  return conntrack;
}

/** A connection with the attributes that are written. */
function writtenConntrack(write: (writer: MessageWriter) => void): Conntrack {
  const { conntrack } = writtenPacket((writer) => {
    const token = writer.openNested(NFQA_CT | NLA_F_NESTED);
    write(writer);
    writer.closeNested(token);
  });
  if (conntrack === undefined) throw new Error("no connection was written");
  return conntrack;
}

function writeTuple(
  writer: MessageWriter,
  type: number,
  addresses: readonly (readonly [number, readonly number[]])[],
  transport: (writer: MessageWriter) => void,
): void {
  const tuple = writer.openNested(type | NLA_F_NESTED);
  const ip = writer.openNested(1 | NLA_F_NESTED);
  for (const [number, octets] of addresses) writer.attributeBytes(number, Uint8Array.from(octets));
  writer.closeNested(ip);
  const protocol = writer.openNested(2 | NLA_F_NESTED);
  transport(writer);
  writer.closeNested(protocol);
  writer.closeNested(tuple);
}

/** All values that a line of `conntrack -L` has for a key: the original direction's first. */
function valuesOf(text: string, key: string): string[] {
  return [...text.matchAll(new RegExp(`\\b${key}=(\\S+)`, "g"))].map(([, value]) => value ?? "");
}

describe("connections as Linux 4.4 sent them", () => {
  // A line is what the kernel listed between two messages: what cannot change in between is compared with every message of the
  // connection, the rest with its nearest ones.
  const lines = conntrackLines().map(({ behind, text }) => ({
    behind,
    text,
    id: Number(valuesOf(text, "id")[0]),
  }));
  const messages = recordedNames().map((name) => ({ name, conntrack: recordedConntrack(name) }));
  const ofLine = (id: number): typeof messages => messages.filter(({ conntrack }) => conntrack.id === id);

  test("there are lines of three connections to compare with", () => {
    expect(lines).toHaveLength(7);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(3);
    for (const { id, text } of lines) expect(ofLine(id), text).not.toHaveLength(0);
  });

  test("tuples, id, mark and zone are those that conntrack lists", () => {
    for (const { text, id } of lines) {
      const [family = "", , protocol = ""] = text.split(/\s+/);
      const [source, replySource] = valuesOf(text, "src");
      const [destination, replyDestination] = valuesOf(text, "dst");
      const [sourcePort, replySourcePort] = valuesOf(text, "sport").map(Number);
      const [destinationPort, replyDestinationPort] = valuesOf(text, "dport").map(Number);
      const without = { icmpType: undefined, icmpCode: undefined, icmpId: undefined, zone: undefined };
      const number = PROTOCOLS[protocol];
      for (const { conntrack, name } of ofLine(id)) {
        expect(recordedPacket(name).family).toBe(family === "ipv6" ? "ip6" : "ip");
        expect(conntrack.original, name).toEqual({
          source,
          destination,
          protocol: number,
          sourcePort,
          destinationPort,
          ...without,
        });
        expect(conntrack.reply, name).toEqual({
          source: replySource,
          destination: replyDestination,
          protocol: number,
          sourcePort: replySourcePort,
          destinationPort: replyDestinationPort,
          ...without,
        });
        expect(conntrack.mark, name).toBe(Number(valuesOf(text, "mark")[0]));
        expect(conntrack.zone, name).toBe(0);
      }
    }
  });

  test("[ASSURED], [UNREPLIED] and the TCP state are those of the nearest messages", () => {
    for (const { behind, text, id } of lines) {
      const own = ofLine(id);
      const before = own.filter(({ name }) => name <= behind).at(-1);
      const after = own.find(({ name }) => name > behind);
      const near = [before, after].flatMap((message) => (message === undefined ? [] : [message.conntrack]));
      const some = (wanted: (conntrack: Conntrack) => boolean): void =>
        expect(near.some(wanted), text).toBe(true);
      some(({ status }) => status.includes("assured") === text.includes("[ASSURED]"));
      some(({ status }) => status.includes("seen-reply") !== text.includes("[UNREPLIED]"));
      const state = TCP_NAMES[text.split(/\s+/)[5] ?? ""];
      if (text.includes(" tcp ")) some(({ tcp }) => tcp?.state === state);
      else some(({ tcp }) => tcp === undefined);
    }
  });

  test("a timeout is the seconds that conntrack lists, give or take the one that passed", () => {
    expect(recordedConntrack("message00.bin").timeout).toBe(0);
    // 299 and 59 were listed in the seconds behind these.
    expect(recordedConntrack("message06.bin").timeout).toBe(300);
    expect(recordedConntrack("message10.bin").timeout).toBe(59);
    expect(recordedConntrack("message12.bin").timeout).toBe(119);
  });

  test("a TCP connection is followed from its first packet to its last", () => {
    const tcp = messages.filter(({ conntrack }) => conntrack.tcp !== undefined);
    expect(tcp.map(({ conntrack }) => conntrack.tcp?.state)).toEqual([
      "syn-sent",
      "syn-received",
      ...new Array(4).fill("established"),
      "fin-wait",
      "close-wait",
      "last-ack",
      "time-wait",
    ]);
    expect(tcp.map(({ name }) => recordedPacket(name).conntrackInfo)).toEqual([
      "new",
      "established-reply",
      "established",
      "established",
      "established-reply",
      "established-reply",
      "established-reply",
      "established",
      "established",
      "established-reply",
    ]);
    expect(recordedConntrack("message05.bin").tcp).toEqual({
      state: "established",
      windowScaleOriginal: 7,
      windowScaleReply: 7,
    });
  });

  test("a status has the names of its bits", () => {
    expect(recordedConntrack("message00.bin").status).toEqual(["destination-nat-done"]);
    expect(recordedConntrack("message05.bin")).toMatchObject({
      statusBits: 0x18e,
      status: ["seen-reply", "assured", "confirmed", "source-nat-done", "destination-nat-done"],
    });
  });
});

describe("connections as the headers of the kernel lay them out", () => {
  test("ICMP has a type, a code and an id, in either version", () => {
    const conntrack = writtenConntrack((writer) => {
      writeTuple(
        writer,
        1,
        [
          [1, [192, 0, 2, 1]],
          [2, [192, 0, 2, 2]],
        ],
        () => {
          writer.attribute(1, 1).uint8(1).pad();
          writer.attributeUint16Network(4, 0x1234);
          writer.attribute(5, 1).uint8(8).pad();
          writer.attribute(6, 1).uint8(0).pad();
        },
      );
      writeTuple(
        writer,
        2,
        [
          [3, new Array(16).fill(0xfe)],
          [4, [0x20, 1, 0xd, 0xb8, ...new Array(12).fill(0)]],
        ],
        () => {
          writer.attribute(1, 1).uint8(58).pad();
          writer.attributeUint16Network(7, 5);
          writer.attribute(8, 1).uint8(129).pad();
          writer.attribute(9, 1).uint8(1).pad();
        },
      );
    });
    expect(conntrack.original).toMatchObject({
      protocol: 1,
      icmpType: 8,
      icmpCode: 0,
      icmpId: 0x1234,
      sourcePort: undefined,
    });
    expect(conntrack.reply).toMatchObject({
      source: "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe",
      destination: "2001:db8::",
      icmpType: 129,
      icmpCode: 1,
      icmpId: 5,
    });
  });

  test("translation is seen in the direction of the answers", () => {
    const ports = (source: number, destination: number) => (writer: MessageWriter) => {
      writer.attribute(1, 1).uint8(6).pad();
      writer.attributeUint16Network(2, source).attributeUint16Network(3, destination);
    };
    const translated = (status: number): Conntrack =>
      writtenConntrack((writer) => {
        writeTuple(
          writer,
          1,
          [
            [1, [10, 0, 0, 1]],
            [2, [192, 0, 2, 80]],
          ],
          ports(40_000, 80),
        );
        writeTuple(
          writer,
          2,
          [
            [1, [10, 0, 0, 80]],
            [2, [198, 51, 100, 7]],
          ],
          ports(8080, 50_000),
        );
        writer.attributeUint32Network(3, status);
      });
    expect(translated(1 << 4)).toMatchObject({
      sourceTranslation: { address: "198.51.100.7", port: 50_000 },
      destinationTranslation: undefined,
    });
    expect(translated(1 << 5)).toMatchObject({
      sourceTranslation: undefined,
      destinationTranslation: { address: "10.0.0.80", port: 8080 },
    });
  });

  test("zone, labels, helper, master, counters and time stamps are read where they are", () => {
    const labels = Uint8Array.from({ length: 16 }, (_, at) => at);
    const conntrack = writtenConntrack((writer) => {
      writer.attributeUint16Network(18, 7).attributeBytes(22, labels);
      const help = writer.openNested(5 | NLA_F_NESTED);
      writer.attributeString(1, "ftp");
      writer.closeNested(help);
      writeTuple(
        writer,
        14,
        [
          [1, [10, 0, 0, 1]],
          [2, [10, 0, 0, 2]],
        ],
        () => writer.attributeUint16Network(2, 1025).attributeUint16Network(3, 21),
      );
      for (const [type, base] of [
        [9, 10n],
        [10, 20n],
      ] as const) {
        const counters = writer.openNested(type | NLA_F_NESTED);
        writer.attribute(1, 8).uint64Network(base);
        writer.attribute(2, 8).uint64Network(base * 100n);
        writer.closeNested(counters);
      }
      const timestamps = writer.openNested(20 | NLA_F_NESTED);
      writer.attribute(1, 8).uint64Network(1_700_000_000_123_456_789n);
      writer.closeNested(timestamps);
    });
    expect(conntrack).toMatchObject({
      zone: 7,
      labels,
      helper: "ftp",
      master: { source: "10.0.0.1", destinationPort: 21 },
      countersOriginal: { packets: 10n, bytes: 1000n },
      countersReply: { packets: 20n, bytes: 2000n },
      timestamps: { start: 1_700_000_000_123_456_789n, stop: undefined },
    });
  });

  test("what a connection does not have is undefined, or 0", () => {
    expect(writtenConntrack(() => {})).toMatchObject({
      original: undefined,
      reply: undefined,
      master: undefined,
      id: undefined,
      mark: 0,
      zone: 0,
      timeout: undefined,
      status: [],
      labels: undefined,
      tcp: undefined,
      helper: undefined,
      sourceTranslation: undefined,
    });
  });

  test.each([
    [0, "established"],
    [1, "related"],
    [2, "new"],
    [3, "established-reply"],
    [4, "related-reply"],
    [5, "new-reply"],
    [7, "untracked"],
    [6, "unknown"],
    [99, "unknown"],
  ])("the information %i of a connection is %s", (number, name) => {
    expect(writtenPacket((writer) => writer.attributeUint32Network(NFQA_CT_INFO, number)).conntrackInfo).toBe(
      name,
    );
  });

  test("a TCP state that newer kernels have is its number", () => {
    const conntrack = writtenConntrack((writer) => {
      const information = writer.openNested(4 | NLA_F_NESTED);
      const tcp = writer.openNested(1 | NLA_F_NESTED);
      writer.attribute(1, 1).uint8(200).pad();
      writer.closeNested(tcp);
      writer.closeNested(information);
    });
    expect(conntrack.tcp?.state).toBe(200);
  });

  test("an attribute that breaks its format is an error where it is read, and the others are read", () => {
    const conntrack = writtenConntrack((writer) => {
      writeTuple(writer, 1, [[1, [1, 2, 3]]], () => {});
      writer.attribute(8, 2).uint16(1).pad();
      writer.attributeUint32Network(12, 5);
    });
    expect(() => conntrack.original).toThrow(DecodeError);
    expect(() => conntrack.mark).toThrow(DecodeError);
    expect(conntrack.id).toBe(5);
  });
});
