import assert from "node:assert/strict";
import { HOST_IS_LITTLE_ENDIAN } from "../../abi.js";
import { ipAddress } from "../../schema/address.js";
import { indexed, list } from "../../schema/array.js";
import { attributes } from "../../schema/attribute-set.js";
import { repeated } from "../../schema/attribute-type.js";
import { bytes, flag } from "../../schema/bytes.js";
import { int32, uint8, uint16Network, uint32, uint32Network, uint64 } from "../../schema/integer.js";
import { message } from "../../schema/message-schema.js";
import { trailingBytes, unknownAttributes } from "../../schema/remainder.js";
import { struct } from "../../schema/struct.js";
import { string } from "../../schema/text.js";
import { buildMessage } from "../fake-answer.js";
import { type ConformanceCase, conformanceCase } from "./case.js";
import { messageBytes, payloadOf, rejection, takeNext, takeTypes } from "./probe.js";
import type { Scene } from "./scene.js";

const TYPE = 100;

/** Receives what a peer sends, and decodes it. */
async function received<T>(
  scene: Scene,
  sent: Uint8Array,
  decoder: { decode(message: Awaited<ReturnType<typeof takeNext>>): T },
): Promise<T> {
  const { socket, peer } = await scene.openPair();
  peer.send(sent, socket.portId);
  const one = await takeNext(socket);
  try {
    return decoder.decode(one);
  } finally {
    one.release();
  }
}

const everything = message(struct({ kind: uint8, port: uint16Network, spare: uint8, index: int32 }), {
  name: [1, string],
  mark: [2, uint32Network],
  size: [3, uint64],
  present: [4, flag],
  address: [5, ipAddress],
  nest: [6, attributes({ depth: [1, uint32], inner: [2, attributes({ depth: [1, uint32] })] })],
  numbers: [7, list(uint32)],
  entries: [8, indexed(attributes({ name: [1, string] }))],
  again: [9, repeated(uint8)],
  raw: [10, bytes],
});

export const messageCases: readonly ConformanceCase[] = [
  conformanceCase("messages: every kind of attribute is read as it was written", async (scene) => {
    const value = {
      kind: 7,
      port: 53,
      spare: 0,
      index: -5,
      name: "eth0",
      mark: 0x0102_0304,
      size: 0xffff_ffff_ffff_ffffn,
      present: true,
      address: "2001:db8::1",
      nest: { depth: 1, inner: { depth: 2 } },
      numbers: [1, 2, 0xffff_ffff],
      entries: [{ name: "one" }, { name: "two" }],
      again: [3, 4, 5],
      raw: Uint8Array.of(9, 8, 7),
    };
    const sent = buildMessage(everything.message(TYPE, value));
    assert.deepEqual(await received(scene, sent, everything), value);
  }),

  conformanceCase(
    "messages: numbers are in host order, and in network order where that is said",
    async (scene) => {
      const sent = messageBytes(TYPE, (writer) =>
        writer.bytes(Uint8Array.of(1, 0, 53, 0, 1, 2, 3, 4, 8, 0, 2, 0)),
      );
      const view = new DataView(sent.buffer, sent.byteOffset, sent.byteLength);
      view.setUint16(24, 8, HOST_IS_LITTLE_ENDIAN);
      view.setUint16(26, 2, HOST_IS_LITTLE_ENDIAN);
      const longer = new Uint8Array(sent.length + 4);
      longer.set(sent);
      longer.set([1, 2, 3, 4], sent.length);
      new DataView(longer.buffer).setUint32(0, longer.length, HOST_IS_LITTLE_ENDIAN);
      const decoded = await received(scene, longer, everything);
      assert.equal(decoded.port, 53);
      assert.equal(decoded.mark, 0x0102_0304);
      assert.equal(decoded.index, new DataView(longer.buffer).getInt32(20, HOST_IS_LITTLE_ENDIAN));
    },
  ),

  conformanceCase("messages: the last attribute may lack its padding", async (scene) => {
    const whole = messageBytes(TYPE, (writer) =>
      writer
        .uint32(0)
        .uint32(0)
        .attributeBytes(10, Uint8Array.of(1, 2, 3, 4, 5)),
    );
    const unpadded = whole.slice(0, whole.length - 3);
    new DataView(unpadded.buffer).setUint32(0, unpadded.length, HOST_IS_LITTLE_ENDIAN);
    assert.deepEqual((await received(scene, unpadded, everything)).raw, Uint8Array.of(1, 2, 3, 4, 5));
  }),

  conformanceCase(
    "messages: a struct of an older kernel reads as if zeros followed, one of a newer keeps the rest",
    async (scene) => {
      const statistics = message(undefined, { counters: [1, struct({ packets: uint32, octets: uint32 })] });
      const older = messageBytes(TYPE, (writer) => writer.attributeUint32(1, 5));
      assert.deepEqual((await received(scene, older, statistics)).counters, { packets: 5, octets: 0 });
      const newer = messageBytes(TYPE, (writer) => {
        const nest = writer.openAttribute(1);
        writer.uint32(5).uint32(6).uint32(7).closeAttribute(nest);
      });
      const { counters } = await received(scene, newer, statistics);
      assert.equal(counters?.octets, 6);
      assert.equal(counters?.[trailingBytes]?.length, 4);
    },
  ),

  conformanceCase("messages: unknown attributes are kept and written back", async (scene) => {
    const sent = messageBytes(TYPE, (writer) => writer.uint32(0).uint32(0).attributeUint32(999, 5));
    const decoded = await received(scene, sent, everything);
    assert.deepEqual(
      decoded[unknownAttributes]?.map(({ type }) => type),
      [999],
    );
    assert.deepEqual(buildMessage(everything.message(TYPE, decoded)), sent);
  }),

  conformanceCase(
    "messages: a length that leaves its nest is a DecodeError with offset and path, and costs nothing else",
    async (scene) => {
      const { socket, peer } = await scene.openPair();
      const sent = buildMessage(everything.message(TYPE, { nest: { inner: { depth: 2 } } }));
      // nla_len of nest.inner.depth: header 16, struct 8, then two attribute headers.
      new DataView(sent.buffer, sent.byteOffset).setUint16(32, 200, HOST_IS_LITTLE_ENDIAN);
      peer.send(sent, socket.portId);
      peer.send(messageBytes(TYPE + 1), socket.portId);
      const broken = await takeNext(socket);
      const error = await rejection((async () => everything.decode(broken))());
      broken.release();
      assert.ok(error instanceof Error && "code" in error && "offset" in error && "path" in error);
      assert.deepEqual([error.code, error.offset, error.path], ["ERR_DECODE", 32, "nest.inner"]);
      assert.equal((await takeNext(socket)).type, TYPE + 1);
    },
  ),

  conformanceCase("messages: bytes that are none are counted and passed over", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const lengthy = messageBytes(TYPE);
    new DataView(lengthy.buffer, lengthy.byteOffset).setUint32(0, 5000, HOST_IS_LITTLE_ENDIAN);
    const brief = messageBytes(TYPE);
    new DataView(brief.buffer, brief.byteOffset).setUint32(0, 15, HOST_IS_LITTLE_ENDIAN);
    for (const bad of [Uint8Array.of(1, 2, 3), lengthy, brief]) peer.send(bad, socket.portId);
    peer.send(messageBytes(TYPE + 1), socket.portId);
    assert.equal((await takeNext(socket)).type, TYPE + 1);
    assert.equal(socket.statistics.malformed, 3);
  }),

  conformanceCase("messages: several in one send come one by one, and tell their sender", async (scene) => {
    const { socket, peer } = await scene.openPair();
    const parts = [1, 2, 3].map((number) => messageBytes(TYPE + number, (writer) => writer.uint32(number)));
    peer.send(Uint8Array.from(parts.flatMap((part) => [...part])), socket.portId);
    const first = await takeNext(socket);
    assert.equal(first.senderPort, peer.portId);
    assert.equal(first.group, 0);
    assert.equal(payloadOf(first).length, 4);
    first.release();
    assert.deepEqual(takeTypes(socket), [TYPE + 2, TYPE + 3]);
  }),
];
