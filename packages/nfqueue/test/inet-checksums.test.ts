import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checksumOf, inet, verifyChecksums } from "../src/inet/index.js";
import { packets } from "./inet-arbitraries.js";
import { build, packetOf, slowChecksum, slowTransportChecksum, tcp, udp } from "./inet-packets.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("the internet checksum", () => {
  test("is that of RFC 1071's own example", () => {
    expect(checksumOf(bytes(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
  });

  test("is the slow one's for any bytes at any alignment", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(3), (content, offset) => {
        const shifted = new Uint8Array(content.length + offset);
        shifted.set(content, offset);
        expect(checksumOf(shifted.subarray(offset))).toBe(slowChecksum([...content]));
      }),
    );
  });

  test("carries over the longest packets", () => {
    for (const length of [65_535, 65_536, 131_073, 200_000]) {
      const content = new Uint8Array(length + 1).fill(0xff);
      content[length - 1] = 0x7e;
      const expected = slowChecksum([...content.subarray(0, length)]);
      expect(checksumOf(content.subarray(0, length))).toBe(expected);
      expect(checksumOf(content.copyWithin(1, 0).subarray(1))).toBe(expected);
    }
  });
});

describe("verifyChecksums", () => {
  test("finds any one changed bit", () => {
    fc.assert(
      fc.property(packets, fc.nat(), fc.nat(7), (description, place, bit) => {
        const packet = build({ ...description, padding: new Uint8Array(0) });
        const datagram = inet(packet);
        fc.pre(datagram.transportLayer !== 0);
        expect(verifyChecksums(packet)).toEqual({
          network: description.version === 4 ? "right" : "none",
          transport: "right",
        });
        // Of the header, bits that do not change where things lie.
        const at = datagram.transportOffset + (place % (packet.length - datagram.transportOffset));
        fc.pre(!(datagram.transportLayer === 6 && at === datagram.transportOffset + 12));
        fc.pre(!(datagram.transportLayer === 17 && (at - datagram.transportOffset) >> 1 === 2));
        packet[at] = (packet[at] ?? 0) ^ (1 << bit);
        fc.pre(inet(packet).udp?.checksum !== 0);
        expect(verifyChecksums(packet).transport).toBe("wrong");
        if (description.version === 4) {
          packet[8] = (packet[8] ?? 0) ^ (1 << bit);
          expect(verifyChecksums(packet).network).toBe("wrong");
        }
      }),
    );
  });

  test("calls a partial checksum so where it may be one, and wrong elsewhere", () => {
    for (const [version, transport, at] of [
      [4, udp(bytes(1, 2, 3)), 26],
      [6, tcp(), 56],
    ] as const) {
      const packet = packetOf(version, transport);
      const {
        sourceBytes = bytes(),
        destinationBytes = bytes(),
        protocol = 0,
        transportOffset,
      } = inet(packet);
      // The sum of the pseudo header is what a segment of zeros does not change.
      const zeros = new Array<number>(packet.length - transportOffset).fill(0);
      const sum = ~slowTransportChecksum(sourceBytes, destinationBytes, protocol, zeros) & 0xffff;
      packet.set([sum >> 8, sum & 0xff], at);
      expect(verifyChecksums(packet).transport).toBe("wrong");
      expect(verifyChecksums(packet, { checksumReady: true }).transport).toBe("wrong");
      expect(verifyChecksums(packet, { checksumReady: false }).transport).toBe("partial");
      packet[at] = (packet[at] ?? 0) ^ 1;
      expect(verifyChecksums(packet, { checksumReady: false }).transport).toBe("wrong");
    }
  });

  test("says none and unknown where there is nothing to verify", () => {
    const none = packetOf(4, udp(bytes(1)));
    none.set([0, 0], 26);
    const fragment = packetOf(4, udp(bytes(1)));
    fragment.set([0x20, 0], 6);
    expect([
      verifyChecksums(none).transport,
      verifyChecksums(fragment).transport,
      verifyChecksums(packetOf(4, udp(bytes(1, 2))).subarray(0, 29)),
      verifyChecksums(packetOf(6, { kind: "other", protocol: 47, payload: bytes(1) })),
      verifyChecksums(bytes()),
    ]).toEqual([
      "none",
      "unknown",
      { network: "right", transport: "unknown" },
      { network: "none", transport: "unknown" },
      { network: "unknown", transport: "unknown" },
    ]);
  });
});

describe("the pseudo header", () => {
  const final = bytes(0x20, 1, 0xd, 0xb8, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77);
  const other = new Uint8Array(16).fill(3);

  /** A UDP packet with these extension headers whose checksum was made for other addresses than the header's. */
  const sent = (
    extensions: readonly (readonly [number, Uint8Array])[],
    addresses: { readonly source?: Uint8Array; readonly destination?: Uint8Array },
  ): Uint8Array => {
    const packet = packetOf(6, udp(bytes(1, 2, 3)), { extensions });
    const { transportOffset: at, sourceBytes = bytes(), destinationBytes = bytes() } = inet(packet);
    const segment = [...packet.subarray(at)];
    segment.fill(0, 6, 8);
    const { source = sourceBytes, destination = destinationBytes } = addresses;
    const checksum = slowTransportChecksum(source, destination, 17, segment);
    packet.set([checksum >> 8, checksum & 0xff], at + 6);
    return packet;
  };

  test.each([
    ["type 0: the last address", [4, 0, 1, 0, 0, 0, 0, ...other, ...final]],
    ["type 2: the home address", [2, 2, 1, 0, 0, 0, 0, ...final]],
    ["type 4: the first segment of the list", [4, 4, 1, 1, 0, 0, 0, ...final, ...other]],
  ])("has the final destination of a routing header of %s", (_name, body) => {
    const packet = sent([[43, Uint8Array.from(body)]], { destination: final });
    expect(verifyChecksums(packet).transport).toBe("right");
    expect(inet(packet).edit().bytes()).toEqual(packet);
    // Segments left 0: the packet has arrived.
    packet[43] = 0;
    expect(verifyChecksums(packet).transport).toBe("wrong");
  });

  test("has the home address of a mobile sender", () => {
    const option = bytes(2, 1, 2, 0, 0, 0xc9, 16, ...final);
    const packet = sent([[60, option]], { source: final });
    expect(verifyChecksums(packet).transport).toBe("right");
    expect(inet(packet).edit().bytes()).toEqual(packet);
  });
});
