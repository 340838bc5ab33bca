import fc from "fast-check";
import { expect, test } from "vitest";
import { type DatagramEdit, inet, verifyChecksums } from "../src/inet/index.js";
import { packets, payload } from "./inet-arbitraries.js";
import { faultsOf } from "./inet-faults.js";
import { build } from "./inet-packets.js";

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
