import { DecodeError } from "@nlring/netlink";
import { describe, expect, test } from "vitest";
import {
  NFQA_CAP_LEN,
  NFQA_CGROUP_CLASSID,
  NFQA_EXP,
  NFQA_GID,
  NFQA_HWADDR,
  NFQA_IFINDEX_PHYSINDEV,
  NFQA_IFINDEX_PHYSOUTDEV,
  NFQA_L2HDR,
  NFQA_MARK,
  NFQA_PAYLOAD,
  NFQA_PRIORITY,
  NFQA_SECCTX,
  NFQA_SKB_INFO,
  NFQA_TIMESTAMP,
  NFQA_UID,
  NFQA_VLAN,
} from "../src/abi.js";
import { PacketDecidedError } from "../src/errors.js";
import { Packet } from "../src/packet.js";
import { packetOf, recordedMessage, recordedPacket, writtenPacket } from "./recorded-packets.js";

const NLA_F_NESTED = 0x8000;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("packets as Linux 4.4 sent them", () => {
  test("a UDP packet on OUTPUT has its mark, owner, interface and connection", () => {
    expect(attributesOf(recordedPacket("message00.bin"))).toEqual({
      id: 1,
      family: "ip",
      hook: "output",
      etherType: 0x0800,
      mark: 0x77,
      priority: 0,
      inputInterface: 0,
      outputInterface: 1,
      physicalInputInterface: 0,
      physicalOutputInterface: 0,
      hardwareAddress: undefined,
      timestamp: undefined,
      length: 61,
      originalLength: 61,
      truncated: false,
      gso: false,
      checksumReady: false,
      checksumVerified: true,
      uid: 0,
      gid: 0,
      cgroupClassId: 0,
      vlan: undefined,
      layer2Header: undefined,
      conntrackInfo: "new",
      expectation: undefined,
      securityContext: undefined,
    });
  });

  test("an ICMP error on INPUT has the address of its sender, and belongs to the connection it is about", () => {
    expect(attributesOf(recordedPacket("message02.bin"))).toMatchObject({
      id: 3,
      hook: "input",
      mark: 0,
      inputInterface: 1,
      outputInterface: 0,
      hardwareAddress: "00:00:00:00:00:00",
      length: 89,
      checksumReady: true,
      uid: undefined,
      gid: undefined,
      conntrackInfo: "related-reply",
    });
  });

  test("a TCP packet of many segments is one packet", () => {
    for (const [name, length] of [
      ["message06.bin", 3052],
      ["message08.bin", 9052],
    ] as const) {
      expect(attributesOf(recordedPacket(name))).toMatchObject({
        length,
        truncated: false,
        checksumReady: false,
      });
    }
  });

  test("a packet of IPv6 says so", () => {
    expect(attributesOf(recordedPacket("message13.bin"))).toMatchObject({
      id: 14,
      family: "ip6",
      etherType: 0x86dd,
      length: 51,
      conntrackInfo: "new",
    });
  });
});

describe("attributes as the headers of the kernel lay them out", () => {
  test("a time stamp is seconds and microseconds, told in nanoseconds", () => {
    const packet = writtenPacket((writer) =>
      writer.attribute(NFQA_TIMESTAMP, 16).uint64Network(1_700_000_000n).uint64Network(999_999n),
    );
    expect(packet.timestamp).toBe(1_700_000_000_999_999_000n);
  });

  test("a VLAN tag is told whole and in its parts", () => {
    const packet = writtenPacket((writer) => {
      const vlan = writer.openNested(NFQA_VLAN | NLA_F_NESTED);
      writer.attributeUint16Network(1, 0x88a8).attributeUint16Network(2, 0xa123);
      writer.closeNested(vlan);
    });
    expect(packet.vlan).toEqual({ protocol: 0x88a8, tci: 0xa123, id: 0x123, priority: 5 });
  });

  test("half a VLAN tag is none", () => {
    const packet = writtenPacket((writer) => {
      const vlan = writer.openNested(NFQA_VLAN | NLA_F_NESTED);
      writer.attributeUint16Network(1, 0x8100);
      writer.closeNested(vlan);
    });
    expect(packet.vlan).toBeUndefined();
  });

  test("numbers are read in network byte order", () => {
    const packet = writtenPacket((writer) => {
      writer.attributeUint32Network(NFQA_PRIORITY, 0x8000_0001);
      writer.attributeUint32Network(NFQA_CGROUP_CLASSID, 0x10_0001);
      writer.attributeUint32Network(NFQA_UID, 0xffff_fffe);
      writer.attributeUint32Network(NFQA_GID, 1000);
      writer.attributeUint32Network(NFQA_IFINDEX_PHYSINDEV, 7);
      writer.attributeUint32Network(NFQA_IFINDEX_PHYSOUTDEV, 8);
    });
    expect(attributesOf(packet)).toMatchObject({
      priority: 0x8000_0001,
      cgroupClassId: 0x10_0001,
      uid: 0xffff_fffe,
      gid: 1000,
      physicalInputInterface: 7,
      physicalOutputInterface: 8,
    });
  });

  test("bytes are copies that outlive the packet", () => {
    const packet = writtenPacket((writer) => {
      writer.attributeBytes(NFQA_L2HDR, bytes(1, 2, 3));
      writer.attributeBytes(NFQA_SECCTX, bytes(4, 0));
      writer.attributeBytes(NFQA_EXP, bytes(5));
      writer.attributeBytes(NFQA_PAYLOAD, bytes(9, 9));
    });
    const kept = [packet.layer2Header, packet.securityContext, packet.expectation];
    new Uint8Array(packet.payload.buffer).fill(0xff);
    expect(kept).toEqual([bytes(1, 2, 3), bytes(4, 0), bytes(5)]);
  });

  test("a packet that was cut says how long it was", () => {
    const packet = writtenPacket((writer) => {
      writer.attributeUint32Network(NFQA_CAP_LEN, 1500);
      writer.attributeBytes(NFQA_PAYLOAD, new Uint8Array(64));
    });
    expect(attributesOf(packet)).toMatchObject({ length: 64, originalLength: 1500, truncated: true });
  });

  test.each([
    [0, { checksumReady: true, gso: false, checksumVerified: true }],
    [1, { checksumReady: false, gso: false, checksumVerified: true }],
    [2, { checksumReady: true, gso: true, checksumVerified: true }],
    [4, { checksumReady: true, gso: false, checksumVerified: false }],
  ])("the bits %i of NFQA_SKB_INFO are told one by one", (bits, wanted) => {
    expect(
      attributesOf(writtenPacket((writer) => writer.attributeUint32Network(NFQA_SKB_INFO, bits))),
    ).toMatchObject(wanted);
  });

  test("a hardware address is as long as it says, within its room", () => {
    const hardware = (length: number, room: number): Packet =>
      writtenPacket((writer) => {
        writer
          .attribute(NFQA_HWADDR, 4 + room)
          .uint16Network(length)
          .uint16(0);
        for (let at = 0; at < room; at++) writer.uint8(at + 1);
        writer.pad();
      });
    expect(hardware(6, 8).hardwareAddress).toBe("01:02:03:04:05:06");
    expect(hardware(8, 8).hardwareAddress).toBe("01:02:03:04:05:06:07:08");
    expect(hardware(0, 8).hardwareAddress).toBe("");
    expect(() => hardware(6, 4).hardwareAddress).toThrow(DecodeError);
    expect(() => hardware(9, 12).hardwareAddress).toThrow(DecodeError);
    expect(() => hardware(0xffff, 8).hardwareAddress).toThrow(DecodeError);
  });
});

describe("attributes that break their format", () => {
  test("a number that is cut short is an error where it is read, with its place", () => {
    const packet = writtenPacket((writer) => writer.attribute(NFQA_PRIORITY, 2).uint16(1).pad());
    expect(packet.inputInterface).toBe(0);
    expect(() => packet.priority).toThrow(expect.objectContaining({ code: "ERR_DECODE", offset: 32 }));
  });

  test("a mark that is cut short counts as none", () => {
    const packet = writtenPacket((writer) => writer.attribute(NFQA_MARK, 2).uint16(1).pad());
    expect(packet.mark).toBe(0);
  });

  test("lengths that change under the packet are noticed", () => {
    const packet = writtenPacket((writer) => writer.attributeUint32Network(NFQA_PRIORITY, 1));
    new Uint8Array(packet.payload.buffer).fill(0xff, 24 + 20 + 12);
    expect(() => packet.priority).toThrow(DecodeError);
  });

  test("a message whose attributes leave it is no packet", () => {
    const message = recordedMessage("message00.bin");
    new DataView(message.buffer).setUint16(20, 0xffff);
    expect(packetOf(message)).toBeUndefined();
  });
});

test("every attribute throws once the packet has its verdict", () => {
  const packet = recordedPacket("message00.bin");
  const names = attributeNames();
  expect(names).toContain("conntrack");
  packet.drop();
  for (const name of names) expect(() => Reflect.get(packet, name), name).toThrow(PacketDecidedError);
});

/** Getters of a packet, but what a decided one still tells. */
function attributeNames(): string[] {
  const getters = Object.entries(Object.getOwnPropertyDescriptors(Packet.prototype)).filter(
    ([, { get }]) => get !== undefined,
  );
  return getters.map(([name]) => name).filter((name) => !["decided", "held"].includes(name));
}

/** All attributes but the bytes and the connection, which have tests of their own. */
function attributesOf(packet: Packet): Record<string, unknown> {
  const names = ["id", ...attributeNames()].filter((name) => !["payload", "conntrack"].includes(name));
  return Object.fromEntries(names.map((name) => [name, Reflect.get(packet, name)]));
}
