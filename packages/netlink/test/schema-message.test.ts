import { inspect } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DecodeError, EncodeError } from "../src/errors.js";
import {
  attributes,
  bytes,
  dependingOn,
  enumeration,
  flag,
  int32,
  list,
  message,
  padding,
  repeated,
  string,
  struct,
  trailingBytes,
  uint8,
  uint16,
  uint32,
  uint64,
  unknownAttributes,
} from "../src/index.js";
import { messageOf, received, thrown } from "./schema-messages.js";

const link = message(
  struct({
    family: uint8,
    padding1: padding(1),
    type: uint16,
    index: int32,
    flags: uint32,
    change: uint32,
  }),
  {
    name: [3, string],
    mtu: [4, uint32],
    carrier: [33, flag],
    names: [53, repeated(string)],
    statistics: [7, struct({ received: uint32, sent: uint32 })],
    linkInfo: [
      18,
      attributes({
        kind: [1, string],
        data: [2, dependingOn("kind", { vlan: attributes({ id: [1, uint16] }) })],
      }),
    ],
  },
);

const vlan = {
  index: 7,
  flags: 1,
  name: "eth0.5",
  mtu: 1500,
  linkInfo: { kind: "vlan", data: { id: 5 } },
};

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a message schema", () => {
  test("decodes what it encoded, header fields first and zero where they were left out", () => {
    const decoded = link.decode(
      received(
        messageOf((writer) => link.write(writer, vlan)),
        20,
      ),
    );
    expect(decoded).toStrictEqual({ family: 0, type: 0, change: 0, ...vlan });
    expect(Object.keys(decoded)).toEqual([
      "family",
      "type",
      "index",
      "flags",
      "change",
      "name",
      "mtu",
      "linkInfo",
    ]);
  });

  test("says the same of every message of a shape, and of other shapes in between", () => {
    const values = Array.from({ length: 40 }, (_, index) => ({
      family: index % 3,
      type: 0xffff - index,
      index: -1 - index,
      flags: 2 ** 32 - 1 - index,
      change: index * 2 ** 26,
      ...(index % 5 === 0 ? { mtu: index * 2 ** 26, name: `eth${index}` } : { name: `eth${index}` }),
      ...(index % 7 === 0 ? {} : { mtu: 2 ** 31 + index }),
      ...(index % 11 === 0 ? { carrier: true as const, names: ["a", `b${index}`] } : {}),
    }));
    for (const value of [...values, ...values]) {
      const decoded = link.decode(received(messageOf((writer) => link.write(writer, value))));
      expect(decoded).toStrictEqual(value);
      expect(Object.keys(decoded)).toEqual(Object.keys(value));
    }
  });

  test("says the same where no code may be made of text", () => {
    vi.stubGlobal(
      "Function",
      class {
        constructor() {
          throw new EvalError("Code generation from strings disallowed for this context");
        }
      },
    );
    const decodesIn = message(struct({ family: uint8, padding1: padding(3) }), { name: [3, string] });
    for (const name of ["a", "b", "c"]) {
      const bytesOfOne = messageOf((writer) => decodesIn.write(writer, { family: 1, name }));
      expect(decodesIn.decode(received(bytesOfOne))).toStrictEqual({ family: 1, name });
    }
  });

  test("names that are no identifiers are names like others", () => {
    const odd = message(struct({ "a-b": uint8, 'quote"\\\u2028': uint8, "1": uint16 }), {
      "`${x}`": [1, uint32],
      constructor: [2, uint32],
    });
    const value = { "1": 3, "a-b": 1, 'quote"\\\u2028': 2, "`${x}`": 4, constructor: 5 };
    const bytesOfOne = messageOf((writer) => odd.write(writer, value));
    for (let again = 0; again < 3; again++) expect(odd.decode(received(bytesOfOne))).toStrictEqual(value);
  });

  test("does not mistake one attribute's number for another's", () => {
    const pair = message(struct({ one: uint32, other: uint32 }), { third: [1, uint32], fourth: [2, uint32] });
    const numbers = [1, 2, 3, 4, 3, 1, 4, 2, 1, 1, 1, 1, 4, 3, 2, 1, 1, 3, 1, 3];
    for (let at = 0; at < numbers.length; at += 4) {
      const [one, other, third, fourth] = numbers.slice(at, at + 4);
      const value = { one, other, third, fourth };
      expect(pair.decode(received(messageOf((writer) => pair.write(writer, value))))).toEqual(value);
    }
  });

  test("hands out objects that share nothing", () => {
    const bytesOfOne = messageOf((writer) => link.write(writer, vlan));
    const [first, second] = Array.from({ length: 5 }, () => link.decode(received(bytesOfOne))).slice(-2);
    if (first?.linkInfo === undefined) throw new Error("there is no linkInfo");
    first.linkInfo.kind = "changed";
    first.mtu = 1;
    expect(second).toMatchObject(vlan);
    expect(link.decode(received(bytesOfOne))).toMatchObject(vlan);
  });

  test("keeps unknown attributes out of sight, and writes them back behind the others", () => {
    const original = messageOf((writer) => {
      writer.uint32(0).uint32(1).uint32(0).uint32(0);
      writer.attributeString(3, "lo").attributeBytes(1000, Uint8Array.of(1, 2, 3));
      writer.closeNested(writer.attributeUint32(4, 9).openNested(77));
    });
    const decoded = link.decode(received(original));
    expect(decoded[unknownAttributes]).toEqual([
      { type: 1000, payload: Uint8Array.of(1, 2, 3) },
      { type: 0x8000 | 77, payload: new Uint8Array(0) },
    ]);
    expect(inspect(decoded)).not.toContain("payload");
    expect(JSON.parse(JSON.stringify(decoded))).toEqual({ ...decoded });
    const again = messageOf((writer) => link.write(writer, decoded));
    const expected = messageOf((writer) => {
      writer.uint32(0).uint32(1).uint32(0).uint32(0).attributeString(3, "lo").attributeUint32(4, 9);
      writer.closeNested(writer.attributeBytes(1000, Uint8Array.of(1, 2, 3)).openNested(77));
    });
    expect(again).toEqual(expected);
  });

  test("has no key for unknown attributes where there are none", () => {
    const decoded = link.decode(received(messageOf((writer) => link.write(writer, vlan))));
    expect(unknownAttributes in decoded).toBe(false);
  });

  test("keeps the end of a struct that is longer than known, and reads a shorter one as if zeros followed", () => {
    const header = [0, 1, 0, 0] as const;
    const grown = messageOf((writer) => {
      for (const word of header) writer.uint32(word);
      writer.attribute(7, 12).uint32(1).uint32(2).uint32(3);
    });
    const decoded = link.decode(received(grown));
    expect(decoded.statistics).toMatchObject({ received: 1, sent: 2 });
    expect(decoded.statistics?.[trailingBytes]).toHaveLength(4);
    expect(messageOf((writer) => link.write(writer, decoded))).toEqual(grown);
    const shrunk = messageOf((writer) => {
      for (const word of header) writer.uint32(word);
      writer.attribute(7, 6).uint32(1).uint16(0x0101).pad();
    });
    const small = link.decode(received(shrunk)).statistics;
    expect(small?.received).toBe(1);
    expect([0x0101, 0x0101_0000]).toContain(small?.sent);
  });

  test("a message shorter than its header reads as if zeros followed", () => {
    const short = messageOf((writer) => writer.uint32(0).uint16(0x0101));
    expect(link.decode(received(short))).toMatchObject({ family: 0, flags: 0, change: 0 });
    expect(link.decode(received(messageOf(() => {})))).toEqual({
      family: 0,
      type: 0,
      index: 0,
      flags: 0,
      change: 0,
    });
  });

  test("the last attribute may lack its padding, and the last of two counts", () => {
    const decoded = link.decode(
      received(
        messageOf((writer) => {
          writer.uint32(0).uint32(0).uint32(0).uint32(0);
          writer.attributeUint32(4, 1).attributeUint32(4, 2).attribute(3, 1).uint8(0x6c);
        }),
      ),
    );
    expect(decoded).toMatchObject({ mtu: 2, name: "l" });
  });

  test("reads a dependent attribute that stands before what it depends on", () => {
    const decoded = link.decode(
      received(
        messageOf((writer) => {
          const info = writer.uint32(0).uint32(0).uint32(0).uint32(0).openNested(18);
          const data = writer.openNested(2);
          writer.attributeUint16(1, 12).closeNested(data).attributeString(1, "vlan").closeNested(info);
        }),
      ),
    );
    expect(decoded.linkInfo).toEqual({ data: { id: 12 }, kind: "vlan" });
  });

  test("keeps the bytes of a case that it does not know, and writes bytes as they are", () => {
    const value = { linkInfo: { kind: "bridge", data: Uint8Array.of(1, 2, 3, 4) } };
    expect(link.decode(received(messageOf((writer) => link.write(writer, value))))).toMatchObject(value);
  });

  test("a case may hang on a field of the header", () => {
    const address = message(struct({ family: uint8, rest: padding(3) }), {
      local: [2, dependingOn("family", { 2: uint32, 10: uint64 })],
    });
    for (const value of [
      { family: 2, local: 5 },
      { family: 10, local: 5n },
      { family: 7, local: Uint8Array.of(1) },
    ]) {
      expect(address.decode(received(messageOf((writer) => address.write(writer, value))))).toEqual(value);
    }
  });

  test("a header is padded to 4 bytes, and may be none at all", () => {
    const odd = message(struct({ command: uint8, version: uint8, more: uint8 }), { value: [1, uint8] });
    expect(odd.headerLength).toBe(4);
    expect(odd.decode(received(messageOf((writer) => odd.write(writer, { more: 9, value: 3 }))))).toEqual({
      command: 0,
      version: 0,
      more: 9,
      value: 3,
    });
    const bare = message(undefined, { value: [1, uint8] });
    expect(bare.headerLength).toBe(0);
    expect(bare.decode(received(messageOf((writer) => bare.write(writer, { value: 3 }))))).toEqual({
      value: 3,
    });
  });

  test("a false flag and undefined are not written", () => {
    const value = { carrier: false, mtu: undefined };
    expect(messageOf((writer) => link.write(writer, value))).toHaveLength(16 + 16);
  });

  test("makes what a socket sends, with the schema that names its parts", () => {
    const outgoing = link.message(19, vlan, 0x400);
    expect(outgoing).toMatchObject({ type: 19, flags: 0x400, schema: link });
    const sent = messageOf((writer) => outgoing.write?.(writer));
    expect(link.decode(received(sent))).toMatchObject(vlan);
  });

  test("is refused where names or numbers collide", () => {
    expect(() => message(struct({ index: int32 }), { index: [1, uint8] })).toThrow(TypeError);
    expect(() => attributes({ one: [1, uint8], other: [1, uint8] })).toThrow(/one and other/);
    expect(() => attributes({ large: [0x4000, uint8] })).toThrow(TypeError);
    expect(() => struct({ text: string })).toThrow(/text/);
    expect(() => list(bytes)).toThrow(TypeError);
    expect(() => attributes({ ["__proto__"]: [1, uint8] })).toThrow(TypeError);
  });
});

describe("the fault in a message", () => {
  const hostile = (write: Parameters<typeof messageOf>[0]): unknown =>
    thrown(() => link.decode(received(messageOf(write), 12)));

  test("has its path and its offset from the start of the message", () => {
    const error = hostile((writer) => {
      const info = writer.uint32(0).uint32(0).uint32(0).uint32(0).attributeUint32(4, 1).openNested(18);
      const data = writer.attributeString(1, "vlan").openNested(2);
      writer.attributeUint8(1, 12).closeNested(data).closeNested(info);
    });
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ path: "linkInfo.data.id", offset: 16 + 16 + 8 + 4 + 12 + 4 });
    expect(error).toMatchObject({ message: expect.stringContaining("linkInfo.data.id") });
  });

  test("has none where an attribute of the message itself breaks the format", () => {
    const error = hostile((writer) => {
      writer.uint32(0).uint32(0).uint32(0).uint32(0).uint16(2).uint16(3);
    });
    expect(error).toMatchObject({ code: "ERR_DECODE", offset: 32 });
    expect(Object.keys(error ?? {})).not.toContain("path");
  });

  test.each([
    [{ mtu: "1500" }, "mtu"],
    [{ mtu: 1.5 }, "mtu"],
    [{ mtu: -1 }, "mtu"],
    [{ mtu: Number.NaN }, "mtu"],
    [{ mtu: 2 ** 32 }, "mtu"],
    [{ mtu: 1n }, "mtu"],
    [{ mtu: null }, "mtu"],
    [{ family: 300 }, "family"],
    [{ index: 2 ** 31 }, "index"],
    [{ name: 5 }, "name"],
    [{ name: "a\0b" }, "name"],
    [{ name: "x".repeat(65_531) }, "name"],
    [{ carrier: 1 }, "carrier"],
    [{ names: "one" }, "names"],
    [{ names: ["one", 2] }, "names.1"],
    [{ statistics: { received: 1n } }, "statistics.received"],
    [{ statistics: { recieved: 1 } }, "statistics"],
    [{ statistics: [] }, "statistics"],
    [{ linkInfo: { kind: "vlan", data: { id: 70_000 } } }, "linkInfo.data.id"],
    [{ linkInfo: { kind: "vlan", data: { idd: 7 } } }, "linkInfo.data"],
    [{ linkInfo: { kind: "dummy", data: { id: 7 } } }, "linkInfo.data"],
    [{ linkInfo: "vlan" }, "linkInfo"],
    [{ nmae: "eth0" }, undefined],
    [{ padding1: 0 }, undefined],
  ])("that is encoded is named: %o", (value, path) => {
    const outgoing = Reflect.apply(link.message, link, [19, value]);
    const error = thrown(() => messageOf((writer) => outgoing.write?.(writer)));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error).toMatchObject({ code: "ERR_ENCODE" });
    expect(error instanceof EncodeError ? error.path : "").toBe(path);
  });

  test("gives the message up, so that the half of it is not sent", () => {
    expect(() =>
      messageOf((writer) => {
        expect(() => link.write(writer, { mtu: -1 })).toThrow(EncodeError);
      }),
    ).toThrow(/given up/);
  });

  test("names the names that there are", () => {
    const kinds = message(undefined, { kind: [1, enumeration({ unicast: 1, local: 2 })] });
    expect(() => messageOf((writer) => Reflect.apply(kinds.write, kinds, [writer, { kind: "x" }]))).toThrow(
      'kind: unknown name "x": it is one of unicast, local',
    );
    expect(() => messageOf((writer) => Reflect.apply(kinds.write, kinds, [writer, { kin: 1 }]))).toThrow(
      'unknown field "kin": there are kind',
    );
  });
});
