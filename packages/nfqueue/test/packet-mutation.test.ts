import { DecodeError } from "@nlring/netlink";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Conntrack } from "../src/packet/conntrack.js";
import { Packet } from "../src/packet.js";
import { packetOf, recordedMessage, recordedNames } from "./recorded-packets.js";

/** Bytes of the memory behind a message that belong to another, and must never be seen through it. */
const FOREIGN = 0xa5;

const recorded = recordedNames()
  .map(recordedMessage)
  .filter((message) => message.length < 1000);

const mutated = fc
  .record({
    message: fc.constantFrom(...recorded),
    // The header of the message and of the family stay: what breaks them never reaches a packet.
    changes: fc.array(fc.tuple(fc.integer({ min: 20, max: 250 }), fc.integer({ min: 0, max: 255 })), {
      maxLength: 12,
    }),
    cut: fc.option(fc.integer({ min: 20, max: 300 }), { nil: undefined }),
  })
  .map(({ message, changes, cut }) => {
    const copy = message.slice(0, cut);
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });

/** Reads everything that the object's class has a getter for; every failure has to be a DecodeError. */
function readAll(object: object): unknown[] {
  const values: unknown[] = [];
  const getters = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object)));
  for (const [name, { get }] of getters) {
    if (get === undefined) continue;
    try {
      values.push(get.call(object));
    } catch (error) {
      expect(error, name).toBeInstanceOf(DecodeError);
    }
  }
  return values;
}

test("whatever a message holds, each attribute is a value or a DecodeError", () => {
  let packets = 0;
  fc.assert(
    fc.property(mutated, (message) => {
      const packet = packetOf(message);
      if (packet === undefined) return;
      packets++;
      for (const value of readAll(packet)) if (value instanceof Conntrack) readAll(value);
    }),
    { numRuns: 3000 },
  );
  // Else nothing was shown.
  expect(packets).toBeGreaterThan(500);
});

test("bytes that come out of a message lie within it", () => {
  fc.assert(
    fc.property(mutated, (message) => {
      const clean = message.map((value) => (value === FOREIGN ? 0 : value));
      const packet = packetOf(clean);
      if (packet === undefined) return;
      for (const value of readAll(packet)) {
        if (value instanceof Uint8Array) expect(value).not.toContain(FOREIGN);
      }
    }),
    { numRuns: 1000 },
  );
});

test("lengths that change after the packet came are an error, never another message's bytes", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...recorded),
      fc.array(fc.tuple(fc.integer({ min: 20, max: 250 }), fc.integer({ min: 0, max: 255 })), {
        maxLength: 12,
      }),
      (message, changes) => {
        const clean = message.map((value) => (value === FOREIGN ? 0 : value));
        const packet = packetOf(clean);
        expect(packet).toBeInstanceOf(Packet);
        if (packet === undefined) return;
        const memory = new Uint8Array(packet.payload.buffer);
        for (const [at, value] of changes) {
          if (at < clean.length) memory[24 + at] = value === FOREIGN ? 0 : value;
        }
        for (const value of readAll(packet)) {
          if (value instanceof Uint8Array) expect(value).not.toContain(FOREIGN);
          if (value instanceof Conntrack) readAll(value);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
