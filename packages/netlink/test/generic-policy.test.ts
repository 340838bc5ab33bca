import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AttributePolicies,
  type AttributePolicyTree,
  defineFamily,
  type FamilyPolicy,
  GenericNetlink,
  type OperationPolicy,
} from "../src/generic/index.js";
import { FakeGenericKernel, FakeKernel } from "../src/testing/index.js";

const COMMANDS = [1, 2, 200];
const family = defineFamily("limits", {
  commands: { first: { command: 1, reply: {} }, second: { command: 2, reply: {} }, last: { command: 200 } },
});

/** What `policy()` makes of a policy that a fake kernel serves. */
async function told(policy: FamilyPolicy): Promise<FamilyPolicy> {
  const kernel = new FakeGenericKernel();
  kernel.serveFamily(family, {}, { policy });
  const generic = await GenericNetlink.open({ transport: kernel });
  try {
    return await generic.policy("limits");
  } finally {
    await generic.close();
  }
}

/** Without the indices, which are the kernel's own and mean nothing outside of its dump. */
function shape(policies: AttributePolicies | undefined, depth = 4): unknown {
  if (policies === undefined || depth === 0) return undefined;
  return [...policies].map(([number, { policyIndex, nested, ...rest }]) => {
    const known = Object.entries(rest).filter(([, value]) => value !== undefined);
    return [number, Object.fromEntries(known.toSorted()), shape(nested, depth - 1)];
  });
}

function shapes(policy: FamilyPolicy): unknown {
  return [...policy].map(([command, operation]) => [command, shape(operation.do), shape(operation.dump)]);
}

const number = fc.integer({ min: 1, max: 0x3fff });
const signed = fc.record({
  kind: fc.constantFrom("int8" as const, "int32" as const, "int64" as const),
  minimum: fc.bigInt(-(2n ** 63n), -1n),
  maximum: fc.bigInt(0n, 2n ** 63n - 1n),
});
const unsigned = fc.record({
  kind: fc.constantFrom("uint8" as const, "uint64" as const),
  minimum: fc.bigInt(0n, 2n ** 63n),
  maximum: fc.bigInt(2n ** 63n, 2n ** 64n - 1n),
});
const text = fc.record({
  kind: fc.constantFrom("string" as const, "binary" as const),
  maximumLength: fc.nat(),
});
const bits = fc.record({ kind: fc.constant("bitfield32" as const), mask: fc.bigInt(0n, 2n ** 32n - 1n) });
const masked = fc.record({ kind: fc.constant("uint32" as const), mask: fc.bigInt(0n, 2n ** 64n - 1n) });
const unknownKind = fc.record({ kind: fc.integer({ min: 100, max: 1000 }) });
const leaf: fc.Arbitrary<AttributePolicyTree> = fc.oneof(signed, unsigned, text, bits, masked, unknownKind);
const policies: fc.Arbitrary<AttributePolicies> = fc.letrec<{ policies: AttributePolicies }>((tie) => ({
  policies: fc
    .array(
      fc.tuple(
        number,
        fc.oneof(
          { depthSize: "small", withCrossShrink: true },
          leaf,
          tie("policies").map((nested) => ({ kind: "nested" as const, maximumType: 9, nested })),
        ),
      ),
      { maxLength: 4 },
    )
    .map((entries) => new Map(entries)),
})).policies;
const operation: fc.Arbitrary<OperationPolicy> = fc.record({
  do: fc.option(policies, { nil: undefined }),
  dump: fc.option(policies, { nil: undefined }),
});

describe("policies", () => {
  test("are told as they are served", async () => {
    const one = fc.array(fc.tuple(fc.constantFrom(...COMMANDS), operation), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(one, async (entries) => {
        const policy = new Map(entries);
        expect(shapes(await told(policy))).toEqual(shapes(policy));
      }),
      { numRuns: 60 },
    );
  });

  test("that hold themselves refer to themselves", async () => {
    const bit = new Map<number, AttributePolicyTree>();
    bit.set(1, { kind: "nested", nested: bit });
    const found = (await told(new Map([[1, { do: bit }]]))).get(1)?.do;
    expect(found?.get(1)?.nested).toBe(found);
  });

  test("that are shared are one", async () => {
    const shared = new Map<number, AttributePolicyTree>([[3, { kind: "flag" }]]);
    const found = await told(
      new Map([
        [1, { do: shared, dump: shared }],
        [2, { do: new Map([[1, { kind: "nestedArray", nested: shared }]]) }],
      ]),
    );
    expect(found.get(1)?.do).toBe(found.get(1)?.dump);
    expect(found.get(2)?.do?.get(1)?.nested).toBe(found.get(1)?.do);
  });

  test("of a family that has none are an empty map", async () => {
    expect(await told(new Map())).toEqual(new Map());
  });

  test("of commands that are only dumped are theirs, where the kernel says 0 for each of them", async () => {
    const controller = 16;
    const operations = [
      { id: 1, flags: 0x0e },
      { id: 10, flags: 0x0c },
      { id: 11, flags: 0x04 },
      { id: 12, flags: 0x0c },
    ];
    const kernel = new FakeKernel((request) => {
      const { message } = request;
      if (message.view.getUint8(message.payloadOffset) !== 10) {
        request.reply(controller, 0, (writer) => {
          writer.uint8(1).uint8(2).uint16(0).attributeUint16(1, controller).attributeString(2, "nlctrl");
          const list = writer.openNested(6);
          for (const { id, flags } of operations) {
            const one = writer.openNested(id);
            writer.attributeUint32(1, id).attributeUint32(2, flags).closeNested(one);
          }
          writer.closeNested(list);
          const groups = writer.openNested(7);
          const group = writer.openNested(1);
          writer.attributeUint32(2, 16).attributeString(1, "notify").closeNested(group).closeNested(groups);
        });
        return;
      }
      const say = (command: number, parts: readonly number[]): void => {
        request.reply(controller, 2, (writer) => {
          writer.uint8(10).uint8(2).uint16(0);
          const list = writer.openNested(9);
          const one = writer.openNested(command);
          for (const part of parts) writer.attributeUint32(part, part);
          writer.closeNested(one).closeNested(list);
        });
      };
      say(1, [1, 2]);
      say(0, [2]);
      say(0, [2]);
      request.reply(3, 2, (writer) => writer.uint32(0));
    });
    const generic = await GenericNetlink.open({ transport: kernel });
    const policy = await generic.policy("nlctrl");
    await generic.close();
    expect([...policy.keys()]).toEqual([1, 10, 12]);
    expect(policy.get(10)).toEqual({ do: undefined, dump: new Map() });
  });
});
