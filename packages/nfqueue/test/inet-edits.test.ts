import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DatagramEdit, DatagramEditError, inet, verifyChecksums } from "../src/inet/index.js";
import { packets, payload } from "./inet-arbitraries.js";
import { build, packetOf, slowChecksum, slowTransportChecksum, tcp, udp } from "./inet-packets.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const NOTHING = new Uint8Array(0);

/** Which checksums and lengths of a packet are wrong, by a count that shares nothing with the library. */
function faultsOf(packet: Uint8Array): string[] {
  const faults: string[] = [];
  const word = (at: number): number => ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
  const version = (packet[0] ?? 0) >> 4;
  let at = version === 4 ? ((packet[0] ?? 0) & 0xf) * 4 : 40;
  let protocol = packet[version === 4 ? 9 : 6] ?? 0;
  if (version === 4) {
    if (slowChecksum([...packet.subarray(0, at)]) !== 0) faults.push("header checksum");
    if (word(2) !== packet.length) faults.push("total length");
  } else if (word(4) !== packet.length - 40) faults.push("payload length");
  while (version === 6 && [0, 43, 44, 60].includes(protocol)) {
    const length = protocol === 44 ? 8 : ((packet[at + 1] ?? 0) + 1) * 8;
    protocol = packet[at] ?? 0;
    at += length;
  }
  const segment = [...packet.subarray(at)];
  const [source, destination] =
    version === 4
      ? [packet.subarray(12, 16), packet.subarray(16, 20)]
      : [packet.subarray(8, 24), packet.subarray(24, 40)];
  if (protocol === 17 && word(at + 4) !== segment.length) faults.push("UDP length");
  if (protocol === 17 && word(at + 6) === 0) faults.push("no UDP checksum");
  if ([6, 17, 58].includes(protocol)) {
    if (slowTransportChecksum(source, destination, protocol, segment) !== 0) faults.push("checksum");
  } else if (version === 4 && protocol === 1 && slowChecksum(segment) !== 0) faults.push("ICMP checksum");
  return faults;
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error instanceof DatagramEditError ? error.code : error;
  }
  return undefined;
}

const edited = (packet: Uint8Array, change: (edit: DatagramEdit) => void): Uint8Array => {
  const edit = inet(packet).edit();
  change(edit);
  return edit.bytes();
};

describe("a rewrite", () => {
  test.each([4, 6] as const)("gives IPv%i UDP a longer and a shorter answer", (version) => {
    const packet = packetOf(version, udp(bytes(1, 2, 3)));
    const before = packet.slice();
    for (const answer of [new Uint8Array(1000).fill(7), bytes(5), NOTHING]) {
      const result = edited(packet, ({ udp }) => {
        if (udp !== undefined) udp.payload = answer;
      });
      expect(faultsOf(result)).toEqual([]);
      expect(inet(result).udp?.payload).toEqual(answer);
    }
    expect(packet).toEqual(before);
  });

  test("writes a full checksum where there was a partial one, or none", () => {
    for (const checksum of [0, 0x1234]) {
      const packet = packetOf(4, udp(bytes(1, 2, 3)));
      packet.set([checksum >> 8, checksum & 0xff], 26);
      expect(faultsOf(edited(packet, () => {}))).toEqual([]);
    }
  });

  test("writes 0xffff for a UDP checksum of 0", () => {
    // Two bytes of payload make the sum whatever it takes for the checksum to come out as 0.
    const checksum = inet(packetOf(4, udp(bytes(0, 0)))).udp?.checksum ?? 0;
    const result = edited(packetOf(4, udp(bytes(0, 0))), (edit) => {
      edit.payload = bytes(checksum >> 8, checksum & 0xff);
    });
    expect(inet(result).udp?.checksum).toBe(0xffff);
    expect(faultsOf(result)).toEqual([]);
  });

  test("translates addresses and ports", () => {
    for (const [version, source] of [
      [4, "203.0.113.9"],
      [6, "2001:db8:ffff::1"],
    ] as const) {
      const result = edited(packetOf(version, tcp()), (edit) => {
        edit.source = source;
        edit.sourcePort = 1;
        edit.destination = inet(packetOf(version, tcp())).sourceBytes ?? "";
        edit.destinationPort = 65_535;
      });
      expect(faultsOf(result)).toEqual([]);
      expect(inet(result)).toMatchObject({ source, sourcePort: 1, destinationPort: 65_535 });
      expect(inet(result).destination).toBe(inet(packetOf(version, tcp())).source);
    }
  });

  test("sets the fields of TCP by name", () => {
    const result = edited(packetOf(6, tcp({ flags: 0x010 })), ({ tcp }) => {
      if (tcp === undefined) return;
      tcp.syn = true;
      tcp.ae = true;
      tcp.ack = false;
      tcp.sequence = 0xffff_ffff;
      tcp.acknowledgement = 7;
      tcp.window = 9;
      tcp.urgentPointer = 3;
    });
    expect(faultsOf(result)).toEqual([]);
    expect(inet(result).tcp).toMatchObject({
      flags: 0x102,
      sequence: 0xffff_ffff,
      acknowledgement: 7,
      window: 9,
      urgentPointer: 3,
      headerLength: 20,
    });
  });

  test("sets the fields of the IP header", () => {
    const ipv4 = edited(packetOf(4, udp(bytes(1))), (edit) => {
      edit.hopLimit = 1;
      edit.dscp = 46;
      edit.ecn = 2;
      edit.identification = 0x0102;
      edit.dontFragment = false;
    });
    expect(faultsOf(ipv4)).toEqual([]);
    expect(inet(ipv4)).toMatchObject({
      hopLimit: 1,
      dscp: 46,
      ecn: 2,
      identification: 0x0102,
      dontFragment: false,
    });
    const ipv6 = edited(packetOf(6, udp(bytes(1)), { trafficClass: 0xff }), (edit) => {
      edit.hopLimit = 2;
      edit.flowLabel = 0xabcde;
      edit.dscp = 0;
    });
    expect(faultsOf(ipv6)).toEqual([]);
    expect(inet(ipv6)).toMatchObject({ version: 6, hopLimit: 2, flowLabel: 0xabcde, dscp: 0, ecn: 3 });
  });

  test("of ICMP keeps its checksum right, of ICMPv6 with the pseudo header", () => {
    for (const version of [4, 6] as const) {
      const type = version === 4 ? 8 : 128;
      const result = edited(
        packetOf(version, { kind: "icmp", type, code: 0, rest: 1, payload: bytes(1, 2, 3) }),
        (edit) => {
          const icmp = edit.icmp ?? edit.icmpv6;
          if (icmp === undefined) return;
          icmp.type = type + 1;
          icmp.identifier = 77;
          icmp.sequence = 78;
          icmp.payload = bytes(1, 2, 3, 4);
        },
      );
      expect(faultsOf(result)).toEqual([]);
      const header = inet(result).icmp ?? inet(result).icmpv6;
      expect(header).toMatchObject({ type: type + 1, identifier: 77, sequence: 78, rest: 0x004d_004e });
    }
  });

  test("splices a payload, also with a part of itself", () => {
    const result = edited(packetOf(4, tcp({ payload: bytes(1, 2, 3, 4, 5) })), ({ tcp }) => {
      // What moves out of the way lands on what is inserted.
      tcp?.splice(0, 1, tcp.payload.subarray(3));
      tcp?.splice(4, 1);
    });
    expect(inet(result).tcp?.payload).toEqual(bytes(4, 5, 2, 3, 5));
    expect(faultsOf(result)).toEqual([]);
  });

  test("keeps what UDP does not count behind what it counts", () => {
    const packet = packetOf(4, udp(bytes(1, 2, 3, 9, 9)));
    packet.set([0, 11], 24);
    const result = edited(packet, (edit) => {
      edit.payload = bytes(5, 6, 7, 8);
    });
    expect(result.subarray(28)).toEqual(bytes(5, 6, 7, 8, 9, 9));
    expect(inet(result).udp).toMatchObject({ length: 12, payload: bytes(5, 6, 7, 8) });
    expect(verifyChecksums(result)).toEqual({ network: "right", transport: "right" });
  });

  test("leaves padding out", () => {
    expect(edited(packetOf(4, udp(bytes(1)), { padding: bytes(0, 0, 0) }), () => {})).toHaveLength(29);
  });
});

describe("a rewrite in place", () => {
  test("writes into the packet's own bytes where the length stays, and shrinks there", () => {
    const packet = packetOf(4, udp(bytes(1, 2, 3)));
    const edit = inet(packet).edit({ inPlace: true });
    edit.destinationPort = 99;
    expect(edit.bytes().buffer).toBe(packet.buffer);
    expect(inet(packet).destinationPort).toBe(99);
    edit.payload = bytes(4);
    expect(edit.bytes().buffer).toBe(packet.buffer);
    expect(faultsOf(edit.bytes())).toEqual([]);
  });

  test("goes on in memory of its own where it gets longer, and writes no byte behind the packet", () => {
    const frame = new Uint8Array(100).fill(0xee);
    frame.set(packetOf(4, udp(bytes(1, 2, 3))), 11);
    const edit = inet(frame.subarray(11, 42)).edit({ inPlace: true });
    edit.payload = bytes(9, 9);
    edit.payload = bytes(1, 2, 3, 4, 5);
    expect(edit.bytes().buffer).not.toBe(frame.buffer);
    expect(faultsOf(edit.bytes())).toEqual([]);
    expect(frame.subarray(42)).toEqual(new Uint8Array(58).fill(0xee));
  });
});

describe("TCP options", () => {
  const syn = tcp({ flags: 2, options: bytes(2, 4, 5, 180, 1, 3, 3, 7), payload: bytes(1, 2) });

  test("of the same length are changed in their place", () => {
    const result = edited(packetOf(4, syn), ({ tcp }) => {
      if (tcp !== undefined) tcp.maximumSegmentSize = 1200;
    });
    expect(inet(result).tcp?.optionBytes).toEqual(bytes(2, 4, 4, 176, 1, 3, 3, 7));
    expect(faultsOf(result)).toEqual([]);
  });

  test("are added and removed, and the data offset follows", () => {
    const result = edited(packetOf(6, syn), ({ tcp }) => {
      if (tcp === undefined) return;
      tcp.timestamps = { value: 1, echoReply: 0xffff_ffff };
      tcp.selectiveAcknowledgementPermitted = true;
      tcp.windowScale = undefined;
      tcp.setOption(254, bytes(1));
    });
    expect(faultsOf(result)).toEqual([]);
    expect(inet(result).tcp).toMatchObject({
      headerLength: 40,
      maximumSegmentSize: 1460,
      windowScale: undefined,
      selectiveAcknowledgementPermitted: true,
      timestamps: { value: 1, echoReply: 0xffff_ffff },
      payload: bytes(1, 2),
    });
    const bare = edited(result, ({ tcp }) => {
      for (const kind of [2, 4, 8, 254]) tcp?.removeOption(kind);
    });
    expect(inet(bare).tcp).toMatchObject({ headerLength: 20, payload: bytes(1, 2) });
    expect(faultsOf(bare)).toEqual([]);
  });

  test("are taken whole, and no more than a header has room for", () => {
    const edit = inet(packetOf(4, syn)).edit();
    const header = edit.tcp;
    if (header === undefined) throw new Error("no TCP");
    header.options = [
      { kind: 5, value: new Uint8Array(34) },
      { kind: 4, value: NOTHING },
    ];
    const before = edit.bytes().slice();
    expect(codeOf(() => header.setOption(3, bytes(7)))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => header.setOption(1, NOTHING))).toBe("ERR_OUT_OF_RANGE");
    expect(edit.bytes()).toEqual(before);
    expect(faultsOf(before)).toEqual([]);
    expect(header.headerLength).toBe(60);
  });

  test("keep a value that ends like padding", () => {
    const result = edited(packetOf(4, tcp({ options: bytes(254, 4, 1, 1) })), ({ tcp }) => {
      tcp?.setOption(4, NOTHING);
    });
    expect(inet(result).tcp?.optionBytes).toEqual(bytes(254, 4, 1, 1, 4, 2, 0, 0));
  });
});

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

type Change = readonly [name: string, number: number, content: Uint8Array];
const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.tuple(
    fc.constantFrom("payload", "splice", "address", "port", "hops", "flags", "sequence", "option", "remove"),
    fc.nat(0xffff),
    payload,
  ),
  { maxLength: 8 },
);

function apply(edit: DatagramEdit, [name, number, content]: Change): void {
  const { tcp } = edit;
  switch (name) {
    case "payload":
      edit.payload = content;
      break;
    case "splice": {
      const start = number % ((edit.payload?.length ?? 0) + 1);
      edit.splice(start, Math.min(2, (edit.payload?.length ?? 0) - start), content);
      break;
    }
    case "address": {
      const address = new Uint8Array(edit.version === 4 ? 4 : 16).fill(number);
      if (edit.protocol === 253) break;
      if (number % 2 === 0) edit.source = address;
      else edit.destination = address;
      break;
    }
    case "port":
      if (edit.sourcePort === undefined) break;
      if (number % 2 === 0) edit.sourcePort = number;
      else edit.destinationPort = number;
      break;
    case "hops":
      edit.hopLimit = number & 0xff;
      edit.dscp = number & 63;
      break;
    case "flags":
      if (tcp !== undefined) tcp.flags = number & 0x1ff;
      break;
    case "sequence":
      if (tcp !== undefined) tcp.sequence = (number * 65_537) >>> 0;
      break;
    case "option":
      if (tcp !== undefined && tcp.headerLength <= 48) tcp.setOption(2 + (number % 253), content.slice(0, 6));
      break;
    case "remove":
      for (const { kind } of [...(tcp?.options ?? [])].slice(0, 1)) tcp?.removeOption(kind);
      break;
  }
}

test("any run of edits leaves lengths and checksums right, in a copy and in place alike", () => {
  fc.assert(
    fc.property(packets, changes, fc.nat(3), (description, run, offset) => {
      const packet = build(description);
      const frame = new Uint8Array(packet.length + offset);
      frame.set(packet, offset);
      const copy = inet(packet).edit();
      const inPlace = inet(frame.subarray(offset)).edit({ inPlace: true });
      for (const change of run) {
        apply(copy, change);
        apply(inPlace, change);
      }
      const result = copy.bytes();
      expect(faultsOf(result)).toEqual([]);
      expect(inPlace.bytes()).toEqual(result);
      expect(verifyChecksums(result).transport).toBe(copy.transportLayer === 0 ? "unknown" : "right");
      expect(inet(result).malformed).toBeUndefined();
      expect(packet).toEqual(build(description));
      const last = run.findLast(([name]) => name === "payload" || name === "splice");
      if (last?.[0] === "payload") expect(inet(result).payload).toEqual(last[2]);
    }),
    { numRuns: 400 },
  );
});
