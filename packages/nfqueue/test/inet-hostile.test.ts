import fc from "fast-check";
import { expect, test } from "vitest";
import { DatagramEditError, type DatagramView, inet, verifyChecksums } from "../src/inet/index.js";
import { packets } from "./inet-arbitraries.js";
import { build } from "./inet-packets.js";
import { gettersOf, readAll } from "./readings.js";

const MARGIN = 70;

/** The bytes with others around them, so that what is read outside shows. */
function surrounded(payload: Uint8Array, sentinel: number): { frame: Uint8Array; inside: Uint8Array } {
  const frame = new Uint8Array(payload.length + 2 * MARGIN).fill(sentinel);
  frame.set(payload, MARGIN);
  return { frame, inside: frame.subarray(MARGIN, MARGIN + payload.length) };
}

function readPacket(payload: Uint8Array): unknown {
  const datagram: DatagramView = inet(payload);
  return [
    readAll(datagram),
    [0, 1, 3, 4, -1, 0.5].map((word) => [datagram.sourceWord(word), datagram.destinationWord(word)]),
    verifyChecksums(payload),
    verifyChecksums(payload, { checksumReady: false }),
  ];
}

function expectHarmless(payload: Uint8Array): void {
  const some = surrounded(payload, 0x00);
  const others = surrounded(payload, 0x4b);
  expect(readPacket(others.inside)).toEqual(readPacket(some.inside));
  expect(some.inside).toEqual(payload);
  try {
    const edit = inet(others.inside).edit({ inPlace: true });
    edit.hopLimit = 1;
    edit.splice(0, 0, Uint8Array.of(1));
    edit.tcp?.setOption(9, Uint8Array.of(1));
    readAll(edit);
    expect(inet(edit.bytes()).length).toBe(edit.bytes().length);
  } catch (error) {
    if (!(error instanceof DatagramEditError)) throw error;
  }
  expect(others.frame.subarray(0, MARGIN)).toEqual(new Uint8Array(MARGIN).fill(0x4b));
  expect(others.frame.subarray(MARGIN + payload.length)).toEqual(new Uint8Array(MARGIN).fill(0x4b));
}

test("what is read of a packet here is what there is to read", () => {
  const names = gettersOf(inet(Uint8Array.of()));
  expect(names).toEqual(expect.arrayContaining(["tcp", "embedded", "extensionHeaders", "malformed"]));
  expect(names.length).toBeGreaterThan(35);
});

test("any bytes are read without a throw, and nothing outside of them", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), expectHarmless), { numRuns: 500 });
});

test("so are bytes that begin as IPv4 and IPv6 do", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 160 }),
      fc.constantFrom(0x45, 0x46, 0x4f, 0x60),
      fc.constantFrom(0, 1, 6, 17, 43, 44, 51, 58, 60, 135),
      fc.option(fc.nat(200)),
      (payload, first, protocol, length) => {
        payload[0] = first;
        payload[first === 0x60 ? 6 : 9] = protocol;
        if (length !== null) payload.set([0, length], first === 0x60 ? 4 : 2);
        expectHarmless(payload);
      },
    ),
    { numRuns: 1000 },
  );
});

test("so is a packet with one byte changed", () => {
  fc.assert(
    fc.property(packets, fc.nat(), fc.nat(255), (description, place, value) => {
      const packet = build(description);
      // Mostly headers: they are what leads a reader astray.
      packet[place % Math.min(packet.length, 120)] = value;
      expectHarmless(packet);
    }),
    { numRuns: 500 },
  );
});

test("so is a packet cut anywhere", () => {
  fc.assert(
    fc.property(packets, fc.nat(), (description, place) => {
      const packet = build(description);
      expectHarmless(packet.subarray(0, place % (packet.length + 1)));
    }),
    { numRuns: 500 },
  );
});

test("bytes that change while they are read lead nobody outside", () => {
  fc.assert(
    fc.property(packets, fc.uint8Array({ minLength: 60, maxLength: 60 }), (description, later) => {
      const packet = build(description);
      const readings = [0x00, 0x4b].map((sentinel) => {
        const { inside } = surrounded(packet, sentinel);
        const datagram = inet(inside);
        expect(datagram.length).toBeGreaterThan(0);
        inside.set(later.subarray(0, Math.min(later.length, inside.length)));
        return readAll(datagram);
      });
      expect(readings[1]).toEqual(readings[0]);
    }),
    { numRuns: 300 },
  );
});
