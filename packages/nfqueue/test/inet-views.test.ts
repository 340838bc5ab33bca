import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inet, TCP_ACK, TCP_PSH, TCP_SYN } from "../src/inet/index.js";
import { packets } from "./inet-arbitraries.js";
import { build, packetOf, protocolOf, tcp, udp } from "./inet-packets.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const NOTHING = new Uint8Array(0);

describe("a view", () => {
  test("reads nothing before it is asked", () => {
    const payload = packetOf(4, udp(bytes(1)));
    const datagram = inet(payload);
    payload.set(packetOf(4, udp(bytes(1), 7, 9)));
    expect([datagram.sourcePort, datagram.destinationPort]).toEqual([7, 9]);
  });

  test("shows all of a TCP segment written out by hand", () => {
    // A SYN of 192.168.1.10:51034 to 93.184.216.34:80: MSS 1460, SACK permitted, timestamps, no-operation, window scale 7.
    const datagram = inet(
      hex(`4510 003c 1c46 4000 4006 0000 c0a8 010a 5db8 d822
           c75a 0050 89ab cdef 0000 0000 a0c2 faf0 1234 0000
           0204 05b4 0402 080a 0000 01f4 0000 0002 0103 0307`),
    );
    expect(datagram).toMatchObject({
      version: 4,
      source: "192.168.1.10",
      destination: "93.184.216.34",
      hopLimit: 64,
      dscp: 4,
      ecn: 0,
      identification: 0x1c46,
      dontFragment: true,
      fragment: false,
      fragmentOffset: 0,
      flowLabel: undefined,
      headerLength: 20,
      protocol: 6,
      length: 60,
      truncated: false,
      malformed: undefined,
      transportOffset: 20,
      payloadOffset: 60,
      payloadLength: 0,
      sourcePort: 51_034,
      destinationPort: 80,
      tcpFlags: 0xc2,
    });
    expect(datagram.sourceWord()).toBe(0xc0a8010a);
    expect(datagram.udp).toBeUndefined();
    expect(datagram.tcp).toMatchObject({
      sequence: 0x89abcdef,
      acknowledgement: 0,
      headerLength: 40,
      syn: true,
      ack: false,
      ece: true,
      cwr: true,
      window: 0xfaf0,
      checksum: 0x1234,
      maximumSegmentSize: 1460,
      windowScale: 7,
      selectiveAcknowledgementPermitted: true,
      timestamps: { value: 500, echoReply: 2 },
      optionsMalformed: false,
    });
    expect([...(datagram.tcp?.options ?? [])].map(({ kind, name }) => [kind, name])).toEqual([
      [2, "maximum-segment-size"],
      [4, "selective-acknowledgement-permitted"],
      [8, "timestamps"],
      [3, "window-scale"],
    ]);
  });

  test("shows an IPv6 datagram behind extension headers", () => {
    const extensions = [
      [0, bytes(0, 1, 4, 0, 0, 0, 0)],
      [60, bytes(0, 1, 4, 0, 0, 0, 0)],
    ] as const;
    const datagram = inet(packetOf(6, udp(bytes(9, 8, 7)), { extensions, trafficClass: 0xbb }));
    expect(datagram).toMatchObject({
      version: 6,
      source: "2001:db8::1",
      destination: "2001:db8:1::9",
      dscp: 46,
      ecn: 3,
      flowLabel: 0x12345,
      identification: undefined,
      dontFragment: undefined,
      optionBytes: undefined,
      protocol: 17,
      transportOffset: 56,
      payloadOffset: 64,
    });
    expect([0, 1, 2, 3, 4].map((word) => datagram.destinationWord(word))).toEqual([
      0x20010db8,
      0x00010000,
      0,
      9,
      undefined,
    ]);
    expect([...datagram.extensionHeaders].map(({ protocol, offset }) => [protocol, offset])).toEqual([
      [0, 40],
      [60, 48],
    ]);
    expect(datagram.udp?.payload).toEqual(bytes(9, 8, 7));
  });

  test("makes the view of a header once", () => {
    const datagram = inet(packetOf(4, tcp()));
    expect(datagram.tcp).toBe(datagram.tcp);
  });

  test("shows the packet that an ICMP error is about", () => {
    const about = packetOf(4, udp(new Uint8Array(100), 1000, 2000)).subarray(0, 28);
    const error = inet(packetOf(4, { kind: "icmp", type: 3, code: 3, rest: 0, payload: about }));
    expect(error.icmp).toMatchObject({ type: 3, code: 3, error: true });
    expect(error.embedded).toMatchObject({ sourcePort: 1000, destinationPort: 2000, truncated: true });
    const tooBig = inet(packetOf(6, { kind: "icmp", type: 2, code: 0, rest: 1280, payload: about }));
    expect([tooBig.icmpv6?.rest, tooBig.embedded?.sourcePort]).toEqual([1280, 1000]);
    const echo = inet(packetOf(6, { kind: "icmp", type: 128, code: 0, rest: 0x0007_0009, payload: about }));
    expect(echo.icmpv6).toMatchObject({ type: 128, identifier: 7, sequence: 9, error: false });
    expect([echo.embedded, echo.icmp]).toEqual([undefined, undefined]);
  });

  test("ends where the packet says, not at its padding", () => {
    const datagram = inet(packetOf(4, udp(bytes(1, 2)), { padding: bytes(9, 9, 9) }));
    expect(datagram.udp?.payload).toEqual(bytes(1, 2));
    expect(datagram.length).toBe(30);
  });

  test("of a cut packet shows what is here", () => {
    const options = bytes(2, 4, 5, 180, 1, 3, 3, 7);
    const whole = packetOf(4, tcp({ options, payload: bytes(1, 2, 3) }));
    const cut = inet(whole.subarray(0, 46));
    expect(cut).toMatchObject({ truncated: true, malformed: undefined, tcpFlags: TCP_ACK | TCP_PSH });
    expect(cut.tcp).toMatchObject({ maximumSegmentSize: 1460, windowScale: undefined, payload: NOTHING });
    expect(inet(whole.subarray(0, 30))).toMatchObject({ truncated: true, malformed: "transport-header" });
  });

  test("of a packet too large for its length field goes to the end", () => {
    const ipv4 = packetOf(4, tcp({ payload: bytes(1, 2, 3) }));
    ipv4.set([0, 0], 2);
    expect(inet(ipv4)).toMatchObject({ lengthAbsent: true, payload: bytes(1, 2, 3), truncated: false });
    const ipv6 = packetOf(6, udp(bytes(1, 2, 3)));
    ipv6.set([0, 0], 4);
    ipv6.set([0, 0], 44);
    expect(inet(ipv6)).toMatchObject({ lengthAbsent: true, payload: bytes(1, 2, 3) });
  });

  test("ends a broken list of TCP options, and says so", () => {
    const header = inet(packetOf(4, tcp({ options: bytes(3, 3, 7, 8, 10, 0, 0, 0) }))).tcp;
    expect([...(header?.options ?? [])].map(({ kind }) => kind)).toEqual([3]);
    expect(header).toMatchObject({ optionsMalformed: true, timestamps: undefined });
  });
});

describe("fragments", () => {
  test("of IPv4: the first alone has ports", () => {
    const packet = packetOf(4, udp(new Uint8Array(16)));
    packet.set([0x20, 0], 6);
    expect(inet(packet)).toMatchObject({ fragment: true, moreFragments: true, sourcePort: 5353 });
    packet.set([0x00, 3], 6);
    const later = inet(packet);
    expect(later.protocol).toBe(17);
    packet[9] = 51;
    expect([...inet(packet).extensionHeaders]).toEqual([]);
    expect(later).toMatchObject({ fragment: true, moreFragments: false, fragmentOffset: 24, protocol: 17 });
    expect([later.udp, later.sourcePort, later.payloadOffset]).toEqual([undefined, undefined, 20]);
  });

  test("of IPv6: a later one ends the chain of headers", () => {
    const extensions = [[44, bytes(0, 0, 9, 0xde, 0xad, 0, 1)]] as const;
    const first = inet(packetOf(6, udp(new Uint8Array(16)), { extensions }));
    expect(first).toMatchObject({ fragmentOffset: 8, moreFragments: true, identification: 0xdead0001 });
    expect(first).toMatchObject({ protocol: 17, udp: undefined, payloadOffset: 48 });
    const atomic = [[44, bytes(0, 0, 0, 0, 0, 0, 1)]] as const;
    expect(inet(packetOf(6, udp(bytes(1)), { extensions: atomic }))).toMatchObject({
      fragment: false,
      sourcePort: 5353,
    });
  });

  test("of a first fragment the UDP length reaches beyond", () => {
    const packet = packetOf(4, udp(new Uint8Array(16)));
    packet.set([0x20, 0], 6);
    packet.set([0x10, 0], 24);
    expect(inet(packet).udp).toMatchObject({ length: 4096, payload: new Uint8Array(16) });
  });
});

describe("what is malformed", () => {
  const packet = packetOf(4, udp(bytes(1, 2, 3)));
  const changed = (...changes: [number, number][]): Uint8Array => {
    const copy = packet.slice();
    for (const [at, value] of changes) copy[at] = value;
    return copy;
  };
  test.each([
    ["nothing", NOTHING, "version"],
    ["another version", bytes(0x50, 0, 0, 0), "version"],
    ["a short IPv4 header", packet.subarray(0, 19), "network-header"],
    ["a header length of 16", changed([0, 0x44]), "network-header"],
    ["options beyond the end", changed([0, 0x4f]), "network-header"],
    ["a short IPv6 header", packetOf(6, udp(NOTHING)).subarray(0, 39), "network-header"],
    ["a total length within the header", changed([3, 19]), "total-length"],
    ["a UDP length below 8", changed([25, 7]), "udp-length"],
    ["a UDP length beyond the packet", changed([25, 12]), "udp-length"],
    ["no room for a UDP header", changed([3, 27]), "transport-header"],
    ["a data offset of 16", changed([9, 6]), "transport-header"],
  ])("%s", (_name, payload, reason) => {
    const datagram = inet(payload);
    expect(datagram.malformed).toBe(reason);
    expect([datagram.udp, datagram.tcp, datagram.sourcePort, datagram.payload]).toEqual(
      new Array(4).fill(undefined),
    );
  });

  test("a chain of extension headers that leaves the packet, or is longer than any honest one", () => {
    const beyond = packetOf(6, udp(NOTHING), { extensions: [[0, bytes(9, 0, 0, 0, 0, 0, 0)]] });
    expect(inet(beyond)).toMatchObject({ malformed: "extension-header", source: "2001:db8::1" });
    expect(inet(beyond).protocol).toBeUndefined();
    const options = [60, bytes(0, 1, 4, 0, 0, 0, 0)] as const;
    const chain = (count: number): Uint8Array =>
      packetOf(6, udp(NOTHING), { extensions: new Array(count).fill(options) });
    expect(inet(chain(32)).protocol).toBe(17);
    expect(inet(chain(33)).malformed).toBe("extension-header");
  });
});

test("any packet reads as it was built", () => {
  fc.assert(
    fc.property(packets, (description) => {
      const datagram = inet(build(description));
      const { version, transport } = description;
      expect(datagram).toMatchObject({
        malformed: undefined,
        truncated: false,
        version,
        sourceBytes: description.source,
        destinationBytes: description.destination,
        hopLimit: description.hopLimit,
        dscp: description.trafficClass >> 2,
        ecn: description.trafficClass & 3,
        protocol: protocolOf(description),
      });
      expect([...datagram.extensionHeaders].map(({ protocol, bytes: header }) => [protocol, header])).toEqual(
        description.extensions.map(([protocol, body], at) => {
          const next = description.extensions[at + 1]?.[0] ?? protocolOf(description);
          return [protocol, Uint8Array.of(next, ...body)];
        }),
      );
      expect(datagram.payload).toEqual(transport.payload);
      switch (transport.kind) {
        case "tcp": {
          const { kind, options, ...fields } = transport;
          expect(datagram.tcp).toMatchObject({ ...fields, optionBytes: options, optionsMalformed: false });
          expect(datagram.tcpFlags).toBe(transport.flags);
          expect(datagram.tcp?.syn).toBe((transport.flags & TCP_SYN) !== 0);
          break;
        }
        case "udp": {
          const { kind, ...fields } = transport;
          expect(datagram.udp).toMatchObject({ ...fields, length: 8 + transport.payload.length });
          break;
        }
        case "icmp": {
          const { kind, ...fields } = transport;
          expect(version === 4 ? datagram.icmp : datagram.icmpv6).toMatchObject(fields);
          break;
        }
        case "other":
          expect([datagram.tcp, datagram.udp, datagram.icmp, datagram.icmpv6]).toEqual(
            new Array(4).fill(undefined),
          );
      }
    }),
    { numRuns: 500 },
  );
});
