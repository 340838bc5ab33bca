import { describe, expect, test } from "vitest";
import { defineFamily, FamilyDump, FamilyHeaderError, FamilyNotFoundError } from "../src/generic/index.js";
import {
  DecodeError,
  KernelError,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  struct,
  uint32,
} from "../src/index.js";
import { FakeGenericKernel, Refusal } from "../src/testing/index.js";
import { devices } from "./device-family.js";
import { closing, openGeneric, serve } from "./generic-fixture.js";

describe("a client", () => {
  test("sends a value and resolves with the reply", async () => {
    const kernel = new FakeGenericKernel();
    kernel.serveFamily(devices, {
      get: ({ identity }) => ({ identity: { ...identity, index: 4 }, command: 9, mode: "on" }),
    });
    const generic = await openGeneric(kernel);
    const client = await generic.client(devices);
    expect(await client.request("get", { identity: { name: "lo" } })).toEqual({
      identity: { name: "lo", index: 4 },
      command: 9,
      mode: "on",
    });
  });

  test("resolves with what the ACK said where the definition has no reply", async () => {
    const seen: unknown[] = [];
    const { client } = await serve({
      set: (request) => {
        seen.push(request);
        return undefined;
      },
    });
    expect(await client.request("set", { mode: "off" })).toEqual({});
    expect(seen).toEqual([{ mode: "off" }]);
  });

  test("writes the command and the version of its definition", async () => {
    const { kernel, client } = await serve({ ping: () => ({ version: 5 }) });
    expect(await client.request("ping")).toEqual({ version: 5 });
    expect(kernel.requests.at(-1)).toEqual({ family: "devices", command: 3, version: 2 });
  });

  test("lists what a dump hands out, all of it and one by one", async () => {
    const items = [1, 2, 3].map((index) => ({ identity: { index } }));
    const { client } = await serve({ get: (_request, { dump }) => (dump ? items : undefined) });
    expect(await client.dump("get").all()).toEqual(items);
    const seen: (number | undefined)[] = [];
    for await (const { identity } of client.dump("get")) {
      seen.push(identity?.index);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual([1, 2]);
    expect(await client.dump("get").all()).toEqual(items);
  });

  test("names the attribute that the kernel refuses", async () => {
    const { client } = await serve({
      set: () => {
        throw new Refusal(-22, "no such mode");
      },
    });
    const error = await client.request("set", { mode: 7 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "EINVAL", kernelText: "no such mode" });
  });

  test("a value that does not fit rejects, and the next request goes on", async () => {
    const { client } = await serve({ ping: () => ({ version: 1 }) });
    const wrong = { identity: { index: "one" } } as unknown as { identity: { index: number } };
    await expect(client.request("get", wrong)).rejects.toMatchObject({
      code: "ERR_ENCODE",
      path: "identity.index",
    });
    expect(await client.request("ping")).toEqual({ version: 1 });
  });

  test("a reply of another command than the definition says is refused with both", async () => {
    const { generic } = await serve({ get: () => ({}) });
    const wrong = defineFamily("devices", { commands: { get: { command: 1, reply: {} } } });
    const client = await generic.client(wrong);
    const error = await client.request("get").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DecodeError);
    expect(String(error)).toMatch(/command 7.*definition 1 \(replyCommand\)/);
  });

  test("a command that the definition has not is a TypeError that names those it has", async () => {
    const { client } = await serve({});
    await expect(client.request("nothing" as "ping")).rejects.toThrow(
      /no command "nothing": it has get, set, ping/,
    );
    expect(() => client.dump("nothing" as "ping")).toThrow(TypeError);
    expect(() => client.dump("set" as "ping")).toThrow(/set of devices has no reply to dump/);
  });

  test("requests that are made without waiting leave in one send, in their order", async () => {
    const { client, generic, kernel } = await serve({ ping: () => ({ version: 1 }) });
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((number) => client.request("ping").then(() => order.push(number))));
    expect(order).toEqual([1, 2, 3]);
    kernel.requests.length = 0;
    // The family is known, so that this is sent within the call, before the close.
    const last = client.request("ping");
    await generic.close();
    await expect(last).rejects.toMatchObject({ code: "ERR_SOCKET_CLOSED" });
    expect(kernel.requests).toEqual([{ family: "devices", command: 3, version: 2 }]);
  });

  test("flags reach the kernel beside those of any request", async () => {
    const seen: number[] = [];
    const { client } = await serve({
      ping: (_request, { flags }) => {
        seen.push(flags);
        return { version: 1 };
      },
    });
    await client.request("ping", {}, { flags: NLM_F_CREATE });
    await client.dump("ping", {}, { flags: NLM_F_CREATE }).all();
    expect(seen).toEqual([
      NLM_F_CREATE | NLM_F_REQUEST | NLM_F_ACK,
      NLM_F_CREATE | NLM_F_REQUEST | NLM_F_DUMP,
    ]);
  });

  test("options reach the request", async () => {
    const { client } = await serve({ ping: () => ({ version: 1 }) });
    const reason = new Error("not wanted");
    await expect(client.request("ping", {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(client.dump("ping", {}, { signal: AbortSignal.abort(reason) }).all()).rejects.toBe(reason);
  });
});

describe("a family's own header", () => {
  const ports = defineFamily("ports", {
    header: struct({ minor: uint32, flags: uint32 }),
    commands: { get: { command: 1, request: { size: [1, uint32] }, reply: { size: [1, uint32] } } },
    events: { resized: { command: 4, attributes: { size: [1, uint32] } } },
    groups: ["events"],
  });

  test("lies in one object with the attributes, both ways and in events", async () => {
    const kernel = new FakeGenericKernel();
    const seen: unknown[] = [];
    const served = kernel.serveFamily(ports, {
      get: (request) => {
        seen.push(request);
        return { minor: request.minor, size: 7 };
      },
    });
    const generic = await openGeneric(kernel);
    expect(await generic.family("ports")).toMatchObject({ headerLength: 8 });
    const client = await generic.client(ports);
    expect(await client.request("get", { minor: 3, size: 2 })).toEqual({ minor: 3, flags: 0, size: 7 });
    expect(seen).toEqual([{ minor: 3, flags: 0, size: 2 }]);
    const events = closing(await client.subscribe("events"));
    served.multicast("events", "resized", { minor: 1, size: 9 });
    const { value } = await events.next();
    expect(value).toMatchObject({ body: { name: "resized", value: { minor: 1, flags: 0, size: 9 } } });
  });

  test("a family that has another is refused before anything is sent", async () => {
    const kernel = new FakeGenericKernel();
    kernel.serveFamily(ports, {});
    const generic = await openGeneric(kernel);
    const error = await generic.client(defineFamily("ports", {})).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FamilyHeaderError);
    expect(error).toMatchObject({ code: "ERR_FAMILY_HEADER", family: "ports" });
    expect(String(error)).toMatch(/header of 8 bytes, and its definition one of 0/);
  });
});

describe("a family that was loaded again behind the client's back", () => {
  async function reloaded(answer: () => { version: number }) {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, { ping: answer, set: () => undefined });
    const generic = await openGeneric(kernel);
    const client = await generic.client(devices);
    served.remove();
    const successor = kernel.serveFamily(devices, { ping: answer, set: () => undefined });
    kernel.requests.length = 0;
    return { kernel, client, successor };
  }

  test("is found anew by the request that met its old number", async () => {
    const { client, successor, kernel } = await reloaded(() => ({ version: 1 }));
    // Nothing of the change was read yet: the request goes to the old number first.
    expect(await client.request("set", { mode: "on" })).toEqual({});
    expect(client.family.id).toBe(successor.id);
    expect(kernel.requests.map(({ family }) => family)).toEqual([undefined, "nlctrl", "devices"]);
  });

  test("is found anew by a dump, whole or one by one", async () => {
    const first = await reloaded(() => ({ version: 1 }));
    expect(await first.client.dump("ping").all()).toEqual([{ version: 1 }]);
    const second = await reloaded(() => ({ version: 2 }));
    const seen: unknown[] = [];
    for await (const item of second.client.dump("ping")) seen.push(item);
    expect(seen).toEqual([{ version: 2 }]);
  });

  test("is not asked for a list again of which something was handed out", async () => {
    const family = await (await serve()).generic.family("devices");
    const refused = new Error("refused");
    async function* items(): AsyncGenerator<number, undefined> {
      yield 1;
      throw refused;
    }
    let dumps = 0;
    const dump = new FamilyDump<number>(
      async () => family,
      async () => family,
      () => {
        dumps++;
        return { [Symbol.asyncIterator]: items, all: async () => [] };
      },
    );
    const iterator = dump[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: 1 });
    await expect(iterator.next()).rejects.toBe(refused);
    expect(dumps).toBe(1);
  });

  test("is an error where it was not loaded again", async () => {
    const { served, client } = await serve();
    served.remove();
    await expect(client.request("ping")).rejects.toBeInstanceOf(FamilyNotFoundError);
    await expect(client.dump("ping").all()).rejects.toBeInstanceOf(FamilyNotFoundError);
  });

  test("an ENOENT of the family itself is passed on, and the request is not repeated", async () => {
    let calls = 0;
    const refuse = (text?: string) => (): never => {
      calls++;
      throw new Refusal(-2, text);
    };
    const { kernel, client } = await serve({ set: refuse(), get: refuse("no such device") });
    await expect(client.request("set", { mode: "on" })).rejects.toMatchObject({
      name: "KernelError",
      code: "ENOENT",
    });
    expect(calls).toBe(1);
    kernel.requests.length = 0;
    await expect(client.request("get")).rejects.toMatchObject({ kernelText: "no such device" });
    // The words are a family's: the controller is not asked.
    expect(kernel.requests.map(({ family }) => family)).toEqual(["devices"]);
    await expect(client.dump("get").all()).rejects.toMatchObject({ code: "ENOENT" });
    expect(calls).toBe(3);
  });
});
