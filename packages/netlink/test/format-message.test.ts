import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOST_IS_LITTLE_ENDIAN, NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE } from "../src/abi.js";
import { formatMessage } from "../src/diagnostics/format-message.js";
import { MessageWriter } from "../src/message/message-writer.js";
import { joined, messageBytes } from "./memory-socket.js";

const REQUEST = 0x01;
const ERROR = 2;
const DONE = 3;
const CAPPED = 0x100;
const ACK_TLVS = 0x200;

function written(type: number, flags: number, write: (writer: MessageWriter) => void): Uint8Array {
  const writer = MessageWriter.growing();
  writer.begin(type, flags, 7, 42);
  write(writer);
  writer.end();
  return writer.finished();
}

function firstLine(protocol: number, type: number, flags: number, payload?: Uint8Array): string {
  const bytes = messageBytes({ type, flags, ...(payload === undefined ? {} : { payload }) });
  return formatMessage(bytes, { protocol }).split("\n")[0] ?? "";
}

describe("the line of a message", () => {
  test("says type, flags, sequence, port and length", () => {
    const bytes = messageBytes({ type: 18, flags: 0x301, sequence: 5, portId: 99 });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE })).toBe(
      "RTM_GETLINK (18) flags REQUEST|DUMP sequence 5 port 99, 16 bytes",
    );
  });

  test.each([
    [NETLINK_ROUTE, 16, "RTM_NEWLINK (16)"],
    [NETLINK_ROUTE, 26, "RTM_GETROUTE (26)"],
    [NETLINK_ROUTE, 27, "type 27 (27)"],
    [NETLINK_ROUTE, 58, "RTM_GETMULTICAST (58)"],
    [NETLINK_ROUTE, 67, "RTM_SETNEIGHTBL (67)"],
    [NETLINK_ROUTE, 122, "RTM_GETTUNNEL (122)"],
    [NETLINK_ROUTE, 60_000, "type 60000 (60000)"],
    [NETLINK_ROUTE, 9, "type 9 (9)"],
    [NETLINK_NETFILTER, 0x0301, "NFQNL_MSG_VERDICT (769)"],
    [NETLINK_NETFILTER, 0x0a06, "NFT_MSG_NEWRULE (2566)"],
    [NETLINK_NETFILTER, 0x0102, "IPCTNL_MSG_CT_DELETE (258)"],
    [NETLINK_NETFILTER, 16, "NFNL_MSG_BATCH_BEGIN (16)"],
    [NETLINK_NETFILTER, 0x0309, "queue message 9 (777)"],
    [NETLINK_NETFILTER, 0xff01, "subsystem 255 message 1 (65281)"],
    [15, 16, "type 16 (16)"],
    [NETLINK_ROUTE, 4, "NLMSG_OVERRUN (4)"],
  ])("names type of protocol %i: %i is %s", (protocol, type, expected) => {
    expect(firstLine(protocol, type, 0)).toContain(`${expected} flags none`);
  });

  test("names generic netlink's commands, which lie in the payload", () => {
    expect(firstLine(NETLINK_GENERIC, 16, 0, Uint8Array.of(3, 1, 0, 0))).toMatch(
      /^CTRL_CMD_GETFAMILY \(16\)/,
    );
    expect(firstLine(NETLINK_GENERIC, 28, 0, Uint8Array.of(3, 1, 0, 0))).toMatch(
      /^family 28 command 3 \(28\)/,
    );
    expect(firstLine(NETLINK_GENERIC, 28, 0)).toMatch(/^family 28 \(28\)/);
  });

  test.each([
    [NETLINK_ROUTE, 18, 0x100, "ROOT"],
    [NETLINK_ROUTE, 18, 0x200, "MATCH"],
    [NETLINK_ROUTE, 16, 0x300, "REPLACE|EXCL"],
    [NETLINK_ROUTE, 16, 0xe00, "EXCL|CREATE|APPEND"],
    [NETLINK_ROUTE, 19, 0x100, "REPLACE"],
    [NETLINK_ROUTE, 17, 0x300, "NONREC|BULK"],
    [NETLINK_NETFILTER, 0x0101, 0x300, "DUMP"],
    [NETLINK_NETFILTER, 0x0102, 0x100, "NONREC"],
    [NETLINK_NETFILTER, 0x0100, 0x600, "EXCL|CREATE"],
    [NETLINK_NETFILTER, 0x0302, 0x300, "0x300"],
    [NETLINK_GENERIC, 28, 0x300, "DUMP"],
    [NETLINK_GENERIC, 28, 0x200, "0x200"],
    [NETLINK_ROUTE, DONE, 0x202, "MULTI|ACK_TLVS"],
    [NETLINK_ROUTE, 18, 0x8000, "0x8000"],
  ])(
    "gives flags their sense by the message: protocol %i type %i flags %i are %s",
    (protocol, type, flags, expected) => {
      expect(firstLine(protocol, type, flags)).toContain(` flags ${expected} sequence`);
    },
  );
});

describe("attributes", () => {
  test("are a tree with numbers, lengths, bytes and text", () => {
    const bytes = written(16, REQUEST, (writer) => {
      writer.uint32(0).uint32(1).uint32(0).uint32(0).attributeString(3, "lo");
      const nested = writer.openNested(26);
      const inner = writer.openNested(2);
      writer.attributeUint8(1, 255);
      writer.closeNested(inner).closeNested(nested);
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE }).split("\n").slice(2)).toEqual([
      '  [3] 3 bytes: 6c 6f 00 "lo"',
      "  [26] nested, 12 bytes",
      "    [2] nested, 8 bytes",
      "      [1] 1 byte: ff",
    ]);
  });

  test("are nested only where the flag says so", () => {
    const bytes = written(16, 0, (writer) => {
      writer.uint32(0).uint32(1).uint32(0).uint32(0);
      // A whole attribute as the payload of another.
      writer.attributeBytes(26, Uint8Array.of(8, 0, 1, 0, 1, 2, 3, 4));
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE })).toContain(
      "[26] 8 bytes: 08 00 01 00 01 02 03 04",
    );
  });

  test("say that they are in network order", () => {
    const bytes = written(0x0301, 0, (writer) => writer.uint32(0).attributeUint32(1 | 0x4000, 0));
    expect(formatMessage(bytes, { protocol: NETLINK_NETFILTER })).toContain("[1] network order 4 bytes: 00");
  });

  test("are cut short after 32 bytes, with their length told", () => {
    const bytes = written(0x0300, 0, (writer) =>
      writer.uint32(0).attributeBytes(10, new Uint8Array(900).fill(65)),
    );
    const text = formatMessage(bytes, { protocol: NETLINK_NETFILTER });
    expect(text).toContain(`[10] 900 bytes: ${"41 ".repeat(32)}... "${"A".repeat(32)}" ...`);
  });

  test("whose length cannot be are shown as bytes, behind those before them", () => {
    const payload = joined(
      new Uint8Array(4),
      Uint8Array.of(5, 0, 1, 0, 9, 0, 0, 0),
      Uint8Array.of(99, 0, 2, 0),
    );
    const text = formatMessage(messageBytes({ type: 0x0300, payload }), { protocol: NETLINK_NETFILTER });
    expect(text.split("\n").slice(2)).toEqual([
      "  [1] 1 byte: 09",
      '  no attribute: 4 bytes: 63 00 02 00 "c.."',
    ]);
  });

  test("are not looked for in protocols whose headers are unknown", () => {
    const text = formatMessage(messageBytes({ type: 16, payload: Uint8Array.of(8, 0, 1, 0, 1, 2, 3, 4) }), {
      protocol: 9,
    });
    expect(text.split("\n").slice(1)).toEqual(["  payload: 8 bytes: 08 00 01 00 01 02 03 04"]);
  });
});

describe("an error", () => {
  test("has its name, the request it answers, and what the kernel says in words", () => {
    const bytes = written(ERROR, CAPPED | ACK_TLVS, (writer) => {
      writer.uint32(-22 >>> 0);
      writer.uint32(48).uint16(24).uint16(0x605).uint32(2).uint32(99);
      writer.attributeString(1, "bad\x1b[31m").attributeUint32(2, 36).attributeUint32(5, 4);
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE }).split("\n").slice(1)).toEqual([
      "  error: EINVAL (-22)",
      "  request: RTM_NEWROUTE (24) flags REQUEST|ACK|EXCL|CREATE sequence 2 port 99",
      '  text: "bad.[31m"',
      "  offset: 36",
      "  missing type: 4",
    ]);
  });

  test("of 0 is an acknowledgement", () => {
    const bytes = written(ERROR, CAPPED, (writer) => {
      writer.uint32(0).uint32(16).uint16(18).uint16(5).uint32(2).uint32(99);
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE })).toContain("error: 0 (acknowledged)");
  });

  test("that repeats the request shows it, and the attributes behind it", () => {
    const bytes = written(ERROR, ACK_TLVS, (writer) => {
      writer.uint32(-1 >>> 0);
      writer.uint32(18).uint16(18).uint16(1).uint32(2).uint32(99).uint8(7).uint8(8).pad();
      writer.attributeUint32(2, 16);
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE }).split("\n").slice(3)).toEqual([
      "  repeated: 4 bytes: 07 08 00 00",
      "  offset: 16",
    ]);
  });

  test("that is capped does not have the request's command, whatever lies behind", () => {
    const bytes = written(ERROR, CAPPED | ACK_TLVS, (writer) => {
      writer
        .uint32(-22 >>> 0)
        .uint32(20)
        .uint16(16)
        .uint16(1)
        .uint32(2)
        .uint32(99);
      writer.attributeString(1, "no");
    });
    expect(formatMessage(bytes, { protocol: NETLINK_GENERIC })).toContain("request: family 16 (16)");
  });

  test("that lies about the request's length is shown as far as it goes", () => {
    for (const length of [0xffff_fffe, 1000, 0]) {
      const bytes = written(ERROR, 0, (writer) => {
        writer
          .uint32(-22 >>> 0)
          .uint32(length)
          .uint16(18)
          .uint16(1)
          .uint32(2)
          .uint32(99)
          .uint32(5);
      });
      const lines = formatMessage(bytes, { protocol: NETLINK_ROUTE }).split("\n");
      expect(lines.at(-1)).toBe(`  ${length === 0 ? "payload" : "repeated"}: 4 bytes: 05 00 00 00`);
    }
  });

  test("has its numbers as bytes where they are none", () => {
    const bytes = written(ERROR, CAPPED | ACK_TLVS, (writer) => {
      writer
        .uint32(-22 >>> 0)
        .uint32(20)
        .uint16(18)
        .uint16(1)
        .uint32(2)
        .uint32(99);
      writer.attributeBytes(2, Uint8Array.of(1, 2));
    });
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE })).toContain("offset: 2 bytes: 01 02");
  });

  test("too short for the request it answers is shown as bytes", () => {
    const text = formatMessage(messageBytes({ type: ERROR, payload: Uint8Array.of(1, 2) }), { protocol: 0 });
    expect(text).toContain("no error: 2 bytes: 01 02");
  });

  test("ends a dump", () => {
    const bytes = written(DONE, ACK_TLVS, (writer) => writer.uint32(-11 >>> 0).attributeString(1, "later"));
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE }).split("\n").slice(1)).toEqual([
      "  error: EAGAIN (-11)",
      '  text: "later"',
    ]);
  });
});

describe("bytes of any kind", () => {
  test("several messages are all said", () => {
    const bytes = joined(messageBytes({ type: 16 }), messageBytes({ type: 17 }));
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE }).match(/RTM_\w+/g)).toEqual([
      "RTM_NEWLINK",
      "RTM_DELLINK",
    ]);
  });

  test("what is no message is shown as bytes", () => {
    expect(formatMessage(Uint8Array.of(1, 2, 3), { protocol: 0 })).toBe("no message: 3 bytes: 01 02 03");
    expect(formatMessage(new Uint8Array(0), { protocol: 0 })).toBe("");
  });

  test("a view into other bytes is read where it lies", () => {
    const bytes = joined(Uint8Array.of(9, 9, 9), messageBytes({ type: 16 })).subarray(3);
    expect(formatMessage(bytes, { protocol: NETLINK_ROUTE })).toContain("RTM_NEWLINK");
  });

  test("shared memory is read", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    shared.set(messageBytes({ type: 16 }));
    expect(formatMessage(shared, { protocol: NETLINK_ROUTE })).toContain("RTM_NEWLINK");
  });

  test("nesting without end is followed to a bound", () => {
    const depth = 10_000;
    const bytes = new Uint8Array(20 + depth * 4);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, HOST_IS_LITTLE_ENDIAN);
    view.setUint16(4, 0x0300, HOST_IS_LITTLE_ENDIAN);
    for (let level = 0; level < depth; level++) {
      view.setUint16(20 + level * 4, (depth - level) * 4, HOST_IS_LITTLE_ENDIAN);
      view.setUint16(22 + level * 4, 0x8001, HOST_IS_LITTLE_ENDIAN);
    }
    const lines = formatMessage(bytes, { protocol: NETLINK_NETFILTER }).split("\n");
    expect(lines.length).toBeLessThan(30);
    expect(lines.at(-1)).toContain("nested too deep");
  });

  const types = fc.oneof(
    fc.constantFrom(2, 3, 16, 18, 24, 0x0300, 0x0a06),
    fc.integer({ min: 0, max: 0xffff }),
  );
  const protocols = fc.constantFrom(0, 4, 12, 16, 200);
  /** Attributes that mostly fit, of which some lie about their lengths. */
  const runs = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 24 }), fc.nat(0xffff), fc.uint8Array({ maxLength: 20 })), {
      maxLength: 12,
    })
    .map((attributes) =>
      joined(
        ...attributes.map(([length, type, payload]) => {
          const header = Uint8Array.of(length, 0, type & 0xff, type >> 8);
          return joined(header, payload);
        }),
      ),
    );

  test("hostile payloads are said in printable lines, and never throw", () => {
    fc.assert(
      fc.property(protocols, types, fc.nat(0xffff), runs, (protocol, type, flags, payload) => {
        const text = formatMessage(messageBytes({ type, flags, payload }), { protocol });
        expect(text).toMatch(/^[\x20-\x7e\n]+$/);
        // Each line stands for bytes of its own, so the text is bounded by them.
        expect(text.length).toBeLessThan(600 + payload.length * 60);
      }),
      { numRuns: 2000 },
    );
  });

  test("hostile bytes are said in printable lines, and never throw", () => {
    fc.assert(
      fc.property(protocols, fc.uint8Array({ maxLength: 200 }), (protocol, bytes) => {
        expect(formatMessage(bytes, { protocol })).toMatch(/^[\x20-\x7e\n]*$/);
      }),
      { numRuns: 2000 },
    );
  });
});
