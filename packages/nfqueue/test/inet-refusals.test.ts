import { describe, expect, test } from "vitest";
import { type DatagramEdit, inet, verifyChecksums } from "../src/inet/index.js";
import { codeOf, faultsOf } from "./inet-faults.js";
import { packetOf, udp } from "./inet-packets.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const NOTHING = new Uint8Array(0);

describe("what is refused", () => {
  const packet = packetOf(4, udp(bytes(1, 2, 3)));

  test("a packet that is malformed, cut, or beyond its length field", () => {
    const big = packet.slice();
    big.set([0, 0], 2);
    expect([
      codeOf(() => inet(bytes(0x45, 0)).edit()),
      codeOf(() => inet(packet.subarray(0, 30)).edit()),
      codeOf(() => inet(big).edit()),
    ]).toEqual(["ERR_PACKET_MALFORMED", "ERR_PACKET_TRUNCATED", "ERR_PACKET_TOO_LONG"]);
  });

  test("more than 65,535 bytes", () => {
    const edit = inet(packet).edit();
    edit.payload = new Uint8Array(65_507);
    expect(faultsOf(edit.bytes())).toEqual([]);
    expect(codeOf(() => edit.splice(0, 0, bytes(1)))).toBe("ERR_PACKET_TOO_LONG");
    expect(edit.bytes()).toHaveLength(65_535);
    const ipv6 = inet(packetOf(6, udp(NOTHING))).edit();
    ipv6.payload = new Uint8Array(65_527);
    expect(faultsOf(ipv6.bytes())).toEqual([]);
    expect(codeOf(() => ipv6.splice(3, 0, bytes(1)))).toBe("ERR_PACKET_TOO_LONG");
  });

  test("what a fragment's checksum covers, and nothing else of it", () => {
    const fragments = [0x2000, 0x0003].map((field) => {
      const fragment = packetOf(4, udp(new Uint8Array(16)));
      fragment.set([field >> 8, field & 0xff], 6);
      return fragment;
    });
    const extensions = [[44, bytes(0, 0, 9, 0, 0, 0, 1)]] as const;
    fragments.push(packetOf(6, udp(new Uint8Array(16)), { extensions }));
    for (const fragment of fragments) {
      const edit = inet(fragment).edit();
      expect(codeOf(() => Object.assign(edit, { payload: NOTHING }))).toBe("ERR_FRAGMENT");
      expect(codeOf(() => Object.assign(edit, { source: edit.destination }))).toBe("ERR_FRAGMENT");
      if (edit.udp !== undefined) {
        expect(codeOf(() => Object.assign(edit, { sourcePort: 1 }))).toBe("ERR_FRAGMENT");
      } else expect(codeOf(() => Object.assign(edit, { sourcePort: 1 }))).toBe("ERR_FIELD_ABSENT");
      edit.hopLimit = 5;
      if (edit.version === 4) edit.dontFragment = false;
      const result = edit.bytes();
      expect(inet(result)).toMatchObject({
        hopLimit: 5,
        moreFragments: inet(fragment).moreFragments,
        fragmentOffset: inet(fragment).fragmentOffset,
      });
      const headerLength = edit.version === 4 ? 20 : 40;
      expect(result.subarray(headerLength)).toEqual(fragment.subarray(headerLength));
      if (edit.version === 4) expect(verifyChecksums(result).network).toBe("right");
    }
  });

  test("what an authentication header covers", () => {
    const extensions = [[51, bytes(2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0)]] as const;
    const edit = inet(packetOf(6, udp(bytes(1)), { extensions })).edit();
    expect(edit.protocol).toBe(17);
    expect(codeOf(() => Object.assign(edit, { payload: NOTHING }))).toBe("ERR_CHECKSUM_UNKNOWN");
    edit.hopLimit = 3;
  });

  test("addresses that an unknown checksum may cover, while others change", () => {
    const other = (protocol: number): DatagramEdit =>
      inet(packetOf(4, { kind: "other", protocol, payload: bytes(1, 2) })).edit();
    expect(codeOf(() => Object.assign(other(33), { source: "1.2.3.4" }))).toBe("ERR_CHECKSUM_UNKNOWN");
    const gre = other(47);
    gre.source = "1.2.3.4";
    expect(faultsOf(gre.bytes())).toEqual([]);
  });

  test("a source or destination route that does not tell its end", () => {
    const unknown = [[43, bytes(2, 77, 1, 0, 0, 0, 0, ...new Array(16).fill(1))]] as const;
    const route = bytes(131, 7, 4, 10, 0, 0, 1, 0);
    expect([
      codeOf(() => inet(packetOf(6, udp(bytes(1)), { extensions: unknown })).edit()),
      codeOf(() => inet(packetOf(4, udp(bytes(1)), { ipOptions: route })).edit()),
    ]).toEqual(["ERR_CHECKSUM_UNKNOWN", "ERR_CHECKSUM_UNKNOWN"]);
  });

  test("fields that the packet does not have, and values that do not fit", () => {
    const edit = inet(packet).edit();
    const ipv6 = inet(packetOf(6, udp(bytes(1)))).edit();
    const other = inet(packetOf(4, { kind: "other", protocol: 47, payload: NOTHING })).edit();
    expect([
      codeOf(() => Object.assign(edit, { flowLabel: 1 })),
      codeOf(() => Object.assign(ipv6, { identification: 1 })),
      codeOf(() => Object.assign(ipv6, { dontFragment: true })),
      codeOf(() => Object.assign(other, { sourcePort: 1 })),
    ]).toEqual(new Array(4).fill("ERR_FIELD_ABSENT"));
    const before = edit.bytes().slice();
    const refused: Record<string, unknown>[] = [
      { hopLimit: 256 },
      { dscp: 64 },
      { ecn: -1 },
      { identification: 65_536 },
      { sourcePort: 1.5 },
      { destinationPort: "53" },
      { source: "::1" },
      { source: "here" },
      { destination: bytes(1, 2, 3) },
      { payload: "text" },
    ];
    for (const change of refused) {
      expect(codeOf(() => Object.assign(edit, change))).toBe("ERR_OUT_OF_RANGE");
    }
    expect(codeOf(() => edit.splice(4, 0))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => edit.splice(0, 4))).toBe("ERR_OUT_OF_RANGE");
    expect(edit.bytes()).toEqual(before);
  });

  test("writing to a view that only reads", () => {
    expect(() => Object.assign(inet(packet), { hopLimit: 1 })).toThrow(TypeError);
  });
});
