import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  attributes,
  dependingOn,
  indexed,
  list,
  message,
  padding,
  repeated,
  string,
  struct,
  uint8,
  uint16,
  uint32,
} from "../src/index.js";
import { messageOf } from "./schema-messages.js";

const rule = message(struct({ family: uint8, unused: padding(3), index: uint32 }), {
  name: [1, string],
  ports: [2, list(uint16)],
  hops: [3, indexed(attributes({ gateway: [1, uint32] }))],
  labels: [4, repeated(string)],
  limits: [6, struct({ rate: uint32, burst: uint32 })],
  info: [
    5,
    attributes({
      data: [2, dependingOn("kind", { vlan: attributes({ id: [1, uint16] }) })],
      kind: [1, string],
    }),
  ],
});

const value = {
  name: "lo",
  ports: [1, 2],
  hops: [{ gateway: 1 }, { gateway: 2 }],
  labels: ["a", "b"],
  limits: { rate: 1, burst: 2 },
  info: { data: { id: 3 }, kind: "vlan" },
};
const bytes = messageOf((writer) => rule.write(writer, value));

describe("the names of a message's parts", () => {
  test("tell what contains a byte", () => {
    const runs: (string | undefined)[] = [];
    for (let offset = 0; offset < bytes.length; offset++) {
      const path = rule.pathOf(bytes, 0, offset);
      if (offset === 0 || path !== runs.at(-1)) runs.push(path);
    }
    expect(runs).toEqual([
      undefined,
      "family",
      undefined,
      "index",
      "name",
      "ports",
      "ports.0",
      "ports.1",
      "hops",
      "hops.0",
      "hops.0.gateway",
      "hops.1",
      "hops.1.gateway",
      "labels.0",
      "labels.1",
      "limits",
      "limits.rate",
      "limits.burst",
      "info",
      "info.data",
      "info.data.id",
      "info.kind",
    ]);
  });

  test("count from the start of the message, wherever that lies", () => {
    const memory = new Uint8Array(bytes.length + 8).fill(0xff);
    memory.set(bytes, 4);
    for (let offset = 0; offset < bytes.length; offset++) {
      expect(rule.pathOf(memory, 4, offset)).toBe(rule.pathOf(bytes, 0, offset));
    }
  });

  test("tell what is missing, at the top and in a nest", () => {
    const nest = bytes.findIndex((_, offset) => rule.pathOf(bytes, 0, offset) === "info");
    const data = bytes.findIndex((_, offset) => rule.pathOf(bytes, 0, offset) === "info.data");
    expect(rule.nameOf(bytes, 0, undefined, 1)).toBe("name");
    expect(rule.nameOf(bytes, 0, nest, 1)).toBe("info.kind");
    expect(rule.nameOf(bytes, 0, data, 1)).toBe("info.data.id");
    expect(rule.nameOf(bytes, 0, undefined, 99)).toBeUndefined();
    expect(rule.nameOf(bytes, 0, nest, 99)).toBeUndefined();
    expect(rule.nameOf(bytes, 0, 16, 1)).toBeUndefined();
  });

  test("are undefined, and never an exception, for offsets and bytes that make no sense", () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.nat(bytes.length + 40));
    const mutated = fc
      .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 })
      .map((changes) => {
        const copy = bytes.slice();
        for (const [at, octet] of changes) copy[at] = octet;
        return copy;
      });
    fc.assert(
      fc.property(mutated, number, number, number, fc.nat(bytes.length), (memory, start, at, type, end) => {
        for (const base of [0, start]) {
          const path = rule.pathOf(memory.subarray(0, end), base, at);
          expect(path === undefined || path.length > 0).toBe(true);
          const name = rule.nameOf(memory.subarray(0, end), base, at, type);
          expect(name === undefined || name.length > 0).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
