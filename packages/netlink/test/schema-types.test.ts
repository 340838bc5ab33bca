import { describe, expectTypeOf, test } from "vitest";
import {
  attributes,
  type Decoded,
  decode,
  dependingOn,
  type Encodable,
  encode,
  enumeration,
  flag,
  indexed,
  int32,
  list,
  message,
  padding,
  repeated,
  string,
  struct,
  uint8,
  uint64,
} from "../src/index.js";

const limits = struct({ rate: uint64, unused: padding(4), burst: int32 });
const link = message(struct({ family: uint8, padding1: padding(3), index: int32 }), {
  name: [3, string],
  carrier: [4, flag],
  kind: [5, enumeration({ vlan: 1, bridge: 2 })],
  limits: [6, limits],
  hops: [7, indexed(attributes({ weight: [1, uint8] }))],
  numbers: [8, list(int32)],
  labels: [9, repeated(string)],
  data: [10, dependingOn("kind", { vlan: attributes({ id: [1, uint8] }), bridge: uint64 })],
});
type Link = Decoded<typeof link>;
type Request = Encodable<typeof link>;

describe("the types of a schema", () => {
  test("have header fields always and attributes perhaps, when decoded", () => {
    expectTypeOf<Link["family"]>().toEqualTypeOf<number>();
    expectTypeOf<Link["name"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Link["carrier"]>().toEqualTypeOf<true | undefined>();
    expectTypeOf<Link["kind"]>().toEqualTypeOf<"vlan" | "bridge" | number | undefined>();
    expectTypeOf<NonNullable<Link["limits"]>["rate"]>().toEqualTypeOf<bigint>();
    expectTypeOf<NonNullable<Link["hops"]>[number]["weight"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<Link["numbers"]>().toEqualTypeOf<number[] | undefined>();
    expectTypeOf<Link["labels"]>().toEqualTypeOf<string[] | undefined>();
    expectTypeOf<Extract<Link["data"], bigint>>().toEqualTypeOf<bigint>();
    expectTypeOf<Extract<Link["data"], Uint8Array>>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<Link>().not.toHaveProperty("padding1");
    expectTypeOf<NonNullable<Link["limits"]>>().not.toHaveProperty("unused");
  });

  test("have everything perhaps, when encoded", () => {
    expectTypeOf<{ index: 1; name: undefined }>().toExtend<Request>();
    expectTypeOf<{ carrier: boolean; limits: { rate: bigint } }>().toExtend<Request>();
    expectTypeOf<{ labels: readonly string[] }>().toExtend<Request>();
    expectTypeOf<Link>().toExtend<Request>();
    expectTypeOf<{ index: string }>().not.toExtend<Request>();
    expectTypeOf<{ kind: "ethernet" }>().not.toExtend<Request>();
    expectTypeOf<{ limits: { rate: number } }>().not.toExtend<Request>();
    expectTypeOf(link.message).parameter(1).toEqualTypeOf<Request | undefined>();
    // @ts-expect-error a typing error is one for the compiler too
    link.message(1, { indx: 1 });
  });

  test("reach bare payloads", () => {
    expectTypeOf(decode(limits, new Uint8Array(16)).burst).toEqualTypeOf<number>();
    expectTypeOf(decode(list(uint8), new Uint8Array(1))).toEqualTypeOf<number[]>();
    expectTypeOf(encode(limits, { burst: 1 })).toEqualTypeOf<Uint8Array>();
    expectTypeOf<{ burst: string }>().not.toExtend<Encodable<typeof limits>>();
  });
});
