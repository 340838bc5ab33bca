import { describe, expect, expectTypeOf, test } from "vitest";
import { defineFamily, type FamilyClient, type FamilySchema, GenericNetlink } from "../src/generic/index.js";
import {
  type Acknowledgement,
  type Subscription,
  string,
  struct,
  type UnknownAttribute,
  uint32,
  type unknownAttributes,
} from "../src/index.js";
import { FakeGenericKernel, Refusal } from "../src/testing/index.js";
import { devices } from "./device-family.js";

type ClientOf<Schema> =
  Schema extends FamilySchema<infer Header, infer Commands, infer Events, infer Group>
    ? FamilyClient<Header, Commands, Events, Group>
    : never;
type Devices = ClientOf<typeof devices>;

/** Without what is kept of attributes that the schema does not know. */
type Known<Value> = Value extends object
  ? { [Key in keyof Value as Exclude<Key, typeof unknownAttributes>]: Value[Key] }
  : never;

describe("types", () => {
  test("a request takes what its definition has, and no other command's", () => {
    const check = (client: Devices): void => {
      void client.request("get", { identity: { name: "lo" } });
      void client.request("ping");
      void client.request("set", { mode: "on" });
      void client.request("set", { mode: 5 });
      // @ts-expect-error: no such command
      void client.request("nothing");
      // @ts-expect-error: an attribute of another command
      void client.request("get", { mode: "on" });
      // @ts-expect-error: no such mode
      void client.request("set", { mode: "half" });
      // @ts-expect-error: without a reply nothing is dumped
      client.dump("set");
      // @ts-expect-error: no such group
      void client.subscribe("nobody");
      void client.subscribe(["monitor", "counters"]);
    };
    expect(check).toBeTypeOf("function");
  });

  test("a reply is what its definition has, and an ACK where it has none", () => {
    const check = async (client: Devices): Promise<void> => {
      const reply = await client.request("get");
      expectTypeOf(reply.command).toEqualTypeOf<number | undefined>();
      expectTypeOf(reply.mode).toEqualTypeOf<"off" | "on" | number | undefined>();
      expectTypeOf(reply.identity?.name).toEqualTypeOf<string | undefined>();
      // @ts-expect-error: not of this reply
      reply.version;
      expectTypeOf(await client.request("set")).toEqualTypeOf<Acknowledgement>();
      expectTypeOf(await client.dump("ping").all()).toEqualTypeOf<
        { version?: number; [unknownAttributes]?: UnknownAttribute[] }[]
      >();
    };
    expect(check).toBeTypeOf("function");
  });

  test("events are a union that the name tells apart", () => {
    type Events = Awaited<ReturnType<Devices["subscribe"]>>;
    type Body = Events extends Subscription<infer Value> ? Value : never;
    expectTypeOf<Body["name"]>().toEqualTypeOf<"changed" | "counted">();
    expectTypeOf<Known<Extract<Body, { name: "counted" }>["value"]>>().toEqualTypeOf<{ count?: number }>();
    const check = (body: Body): number | string | undefined =>
      body.name === "counted" ? body.value.count : body.value.identity?.name;
    expect(check).toBeTypeOf("function");
  });

  test("the fields of a family's own header are always there in what is decoded, and optional in what is sent", () => {
    const ports = defineFamily("ports", {
      header: struct({ minor: uint32 }),
      commands: { get: { command: 1, request: { size: [1, uint32] }, reply: { size: [1, uint32] } } },
    });
    const check = async (client: ClientOf<typeof ports>): Promise<void> => {
      const reply = await client.request("get", { minor: 1 });
      expectTypeOf(reply.minor).toEqualTypeOf<number>();
      expectTypeOf(reply.size).toEqualTypeOf<number | undefined>();
      void client.request("get", { size: 1 });
      // Any name is a group where the definition names none.
      void client.subscribe("whatever");
    };
    expect(check).toBeTypeOf("function");
  });

  test("handlers get what requests decode to and return what replies are encoded from", () => {
    const check = (kernel: FakeGenericKernel): void => {
      const served = kernel.serveFamily(devices, {
        get: (request, details) => {
          expectTypeOf(request.identity?.index).toEqualTypeOf<number | undefined>();
          expectTypeOf(details.dump).toEqualTypeOf<boolean>();
          return { mode: "on" };
        },
        ping: () => [{ version: 1 }],
      });
      // @ts-expect-error: no such attribute
      kernel.serveFamily(devices, { ping: () => ({ version: "one" }) });
      // @ts-expect-error: not of this event
      served.multicast("monitor", "counted", { identity: {} });
      // @ts-expect-error: no such group
      served.multicast("nobody", "counted", { count: 1 });
    };
    expect(check).toBeTypeOf("function");
  });
});

describe("a definition", () => {
  test("is refused where a number is out of range", () => {
    expect(() => defineFamily("devices", { commands: { get: { command: 256 } } })).toThrow(
      /the command of devices\.get is 256/,
    );
    expect(() => defineFamily("devices", { version: -1, commands: { get: { command: 1 } } })).toThrow(
      /the version of devices\.get is -1/,
    );
    expect(() =>
      defineFamily("devices", { commands: { get: { command: 1, reply: {}, replyCommand: 1.5 } } }),
    ).toThrow(TypeError);
  });

  test("is refused where two events are one command", () => {
    const events = { first: { command: 4, attributes: {} }, second: { command: 4, attributes: {} } };
    expect(() => defineFamily("devices", { events })).toThrow(
      /first and second of devices both have the command 4/,
    );
  });

  test("is refused where the header and an attribute have one name", () => {
    const header = struct({ minor: uint32 });
    const commands = { get: { command: 1, request: { minor: [1, uint32] } } } as const;
    expect(() => defineFamily("devices", { header, commands })).toThrow(/minor/);
  });

  test("may call attributes as the kernel calls the fields of its header", async () => {
    const family = defineFamily("names", {
      commands: {
        get: { command: 1, reply: { command: [1, uint32], version: [2, string], reserved: [3, uint32] } },
      },
    });
    const kernel = new FakeGenericKernel();
    const value = { command: 77, version: "one", reserved: 3 };
    kernel.serveFamily(family, { get: () => value });
    const generic = await GenericNetlink.open({ transport: kernel });
    expect(await (await generic.client(family)).request("get")).toEqual(value);
    await generic.close();
  });
});

describe("a served family", () => {
  test("is served by kernels that map their rings too", async () => {
    for (const mapped of ["before-4.3", "from-4.3"] as const) {
      const kernel = new FakeGenericKernel({ mapped });
      const served = kernel.serveFamily(devices, { ping: () => ({ version: 3 }) });
      const [generic, client] = await openClient(kernel);
      expect(await client.request("ping")).toEqual({ version: 3 });
      const events = await client.subscribe("monitor");
      served.multicast("monitor", "counted", { count: 1 });
      expect((await events.next()).value).toMatchObject({ body: { value: { count: 1 } } });
      await events.close();
      await generic.close();
    }
  });

  async function openClient(kernel: FakeGenericKernel): Promise<[GenericNetlink, Devices]> {
    const generic = await GenericNetlink.open({ transport: kernel });
    return [generic, await generic.client(devices)];
  }

  test("refuses commands without a handler as the kernel does", async () => {
    const kernel = new FakeGenericKernel();
    kernel.serveFamily(devices, {});
    const [generic, client] = await openClient(kernel);
    await expect(client.request("ping")).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await generic.close();
  });

  test("what a handler throws that is no refusal is the request's error: a fault of the test is seen", async () => {
    const kernel = new FakeGenericKernel();
    const fault = new RangeError("a bug in the handler");
    kernel.serveFamily(devices, {
      ping: () => {
        throw fault;
      },
      get: () => {
        throw new Refusal(-1);
      },
    });
    const [generic, client] = await openClient(kernel);
    await expect(client.request("ping")).rejects.toBe(fault);
    await expect(client.request("get")).rejects.toMatchObject({ code: "EPERM" });
    await generic.close();
  });

  test("is refused with negative numbers alone, as the kernel has them", () => {
    expect(() => new Refusal(22)).toThrow(/22 is no negative error number/);
  });

  test("a dump may be refused, and be empty", async () => {
    const kernel = new FakeGenericKernel();
    kernel.serveFamily(devices, {
      ping: () => [],
      get: () => {
        throw new Refusal(-13, "not yours");
      },
    });
    const [generic, client] = await openClient(kernel);
    expect(await client.dump("ping").all()).toEqual([]);
    await expect(client.dump("get").all()).rejects.toMatchObject({ code: "EACCES", kernelText: "not yours" });
    await generic.close();
  });

  test("has one name in its kernel, until it is removed", () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    expect(() => kernel.serveFamily(devices, {})).toThrow(/devices is served already/);
    served.remove();
    served.remove();
    expect(kernel.serveFamily(devices, {}, { groups: ["more"] }).groups.has("more")).toBe(true);
  });

  test("multicasts to groups that it has", () => {
    const served = new FakeGenericKernel().serveFamily(devices, {});
    expect(() => served.multicast("nobody" as "monitor", "counted", {})).toThrow(
      /without the group "nobody"/,
    );
    expect(() => served.multicast("monitor", "nothing" as "counted", {})).toThrow(/no event "nothing"/);
  });
});
