import { describe, expect, test } from "vitest";
import { type DatagramEdit, inet, verifyChecksums } from "../src/inet/index.js";
import { codeOf, faultsOf } from "./inet-faults.js";
import { packetOf, tcp, udp } from "./inet-packets.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const NOTHING = new Uint8Array(0);

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
