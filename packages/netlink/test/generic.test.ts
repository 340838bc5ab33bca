import { afterEach, describe, expect, test } from "vitest";
import {
  defineFamily,
  FamilyHeaderError,
  FamilyNotFoundError,
  GenericNetlink,
  GroupNotFoundError,
  nlctrl,
} from "../src/generic/index.js";
import { DecodeError, KernelError, NetlinkSocket, type SocketOptions, struct, uint32 } from "../src/index.js";
import { FakeGenericKernel, FakeKernel, Refusal } from "../src/testing/index.js";
import { type DeviceHandlers, devices } from "./device-family.js";

const open: { close(): Promise<void> }[] = [];

async function openGeneric(kernel: FakeGenericKernel, options: SocketOptions = {}): Promise<GenericNetlink> {
  const generic = await GenericNetlink.open({ transport: kernel, ...options });
  open.push(generic);
  return generic;
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** A kernel with the family `devices`, and a client of it. */
async function serve(handlers: DeviceHandlers = {}) {
  const kernel = new FakeGenericKernel();
  const served = kernel.serveFamily(devices, handlers);
  const generic = await openGeneric(kernel);
  return { kernel, served, generic, client: await generic.client(devices) };
}

/** Counts the sockets that are open in a kernel. */
function countSockets(kernel: FakeGenericKernel): () => number {
  let sockets = 0;
  const openTransport = kernel.open.bind(kernel);
  kernel.open = (request) => {
    const transport = openTransport(request);
    const close = transport.close.bind(transport);
    let closed = false;
    transport.close = () => {
      if (!closed) sockets--;
      closed = true;
      close();
    };
    sockets++;
    return transport;
  };
  return () => sockets;
}

/** Gives what is on its way to the other sockets of the process its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** A kernel whose controller counts how often it is asked. */
function counting(): { kernel: FakeGenericKernel; asked: () => number } {
  const kernel = new FakeGenericKernel();
  return {
    kernel,
    asked: () => kernel.requests.filter(({ family, command }) => family === "nlctrl" && command === 3).length,
  };
}

describe("families", () => {
  test("a family is found by name, with its operations and groups", async () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    expect(await generic.family("devices")).toEqual({
      id: served.id,
      name: "devices",
      version: 2,
      headerLength: 0,
      maximumAttribute: 0,
      operations: [
        { command: 1, flags: 6, do: true, dump: true, hasPolicy: false, admin: "none" },
        { command: 2, flags: 2, do: true, dump: false, hasPolicy: false, admin: "none" },
        { command: 3, flags: 6, do: true, dump: true, hasPolicy: false, admin: "none" },
      ],
      groups: new Map([
        ["monitor", 17],
        ["counters", 18],
      ]),
    });
  });

  test("the list has the controller and every family, as they are found one by one", async () => {
    const { kernel, generic } = await serve();
    kernel.serveFamily(defineFamily("others", {}), {});
    const families = await generic.families().all();
    expect(families.map(({ name }) => name)).toEqual(["nlctrl", "devices", "others"]);
    for (const family of families) expect(await generic.family(family.name)).toEqual(family);
  });

  test("one that is not there is named, with the kernel's code", async () => {
    const generic = await openGeneric(new FakeGenericKernel());
    const error = await generic.family("devices").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FamilyNotFoundError);
    expect(error).toMatchObject({ code: "ENOENT", errno: -2, family: "devices" });
    expect(error).toHaveProperty("cause.name", "KernelError");
    expect(String(error)).toMatch(/"devices".*module may not be loaded/);
    await expect(generic.client(devices)).rejects.toBeInstanceOf(FamilyNotFoundError);
    await expect(generic.policy("devices")).rejects.toBeInstanceOf(FamilyNotFoundError);
    await expect(
      generic.subscribe("devices", "monitor", devices.event("changed").body),
    ).rejects.toBeInstanceOf(FamilyNotFoundError);
  });

  test("an unknown group is refused with those there are", async () => {
    const kernel = new FakeGenericKernel();
    kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    const error = await generic
      .subscribe("devices", "nobody", devices.event("changed").body)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(GroupNotFoundError);
    expect(error).toMatchObject({
      code: "ERR_UNKNOWN_GROUP",
      group: "nobody",
      groups: ["monitor", "counters"],
    });
    expect(String(error)).toContain("there are monitor, counters");
  });

  test("operations say what privilege they need", async () => {
    const kernel = new FakeKernel((request) => {
      const { event } = { event: nlctrl.event("newFamily").body };
      const operations = [{ id: 1, flags: 1 }, { id: 2, flags: 0x10 }, { id: 3 }];
      request.reply(16, 0, (writer) =>
        event.write(writer, { id: 16, name: "nlctrl", operations, groups: [{ name: "notify", id: 16 }] }),
      );
    });
    const generic = await GenericNetlink.open({ transport: kernel });
    open.push(generic);
    const { operations } = await generic.family("nlctrl");
    expect(operations.map(({ admin }) => admin)).toEqual(["initial", "namespace", "none"]);
  });
});

describe("what is known of families", () => {
  test("the kernel is asked once for a name", async () => {
    const { kernel, asked } = counting();
    kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    const before = asked();
    const [first, second] = await Promise.all([generic.family("devices"), generic.family("devices")]);
    expect(await generic.family("devices")).toBe(first);
    expect(second).toBe(first);
    expect(asked() - before).toBe(1);
  });

  test("a name that was not there is asked for again", async () => {
    const kernel = new FakeGenericKernel();
    const generic = await openGeneric(kernel);
    await expect(generic.family("devices")).rejects.toBeInstanceOf(FamilyNotFoundError);
    const { id } = kernel.serveFamily(devices, {});
    expect(await generic.family("devices")).toMatchObject({ id });
  });

  test("a family that went is forgotten when the controller says so", async () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    await generic.family("devices");
    served.remove();
    await turn();
    await expect(generic.family("devices")).rejects.toBeInstanceOf(FamilyNotFoundError);
  });

  test("a family that was loaded again is found under its new number, and others are not asked for again", async () => {
    const { kernel, asked } = counting();
    const served = kernel.serveFamily(devices, {});
    kernel.serveFamily(defineFamily("others", {}), {});
    const generic = await openGeneric(kernel);
    await generic.family("devices");
    await generic.family("others");
    served.remove();
    const { id } = kernel.serveFamily(devices, {});
    await turn();
    const before = asked();
    await generic.family("others");
    expect(asked()).toBe(before);
    expect(await generic.family("devices")).toMatchObject({ id });
    expect(id).not.toBe(served.id);
  });

  test("where the controller's messages were lost, all is asked for again", async () => {
    const { kernel, asked } = counting();
    kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    await generic.family("devices");
    // Far more than a receive buffer holds, of families that nobody asked for.
    const other = defineFamily("others", {});
    for (let loaded = 0; loaded < 500; loaded++) kernel.serveFamily(other, {}).remove();
    for (let turns = 0; turns < 20; turns++) await turn();
    const before = asked();
    await generic.family("devices");
    expect(asked() - before).toBe(1);
  });

  test("an answer that was overtaken by a change is not kept", async () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    const early = generic.family("devices");
    served.remove();
    const { id } = kernel.serveFamily(devices, {});
    await early;
    await turn();
    expect(await generic.family("devices")).toMatchObject({ id });
  });

  test("both sockets go with close(), and with the signal", async () => {
    for (const end of ["close", "signal"] as const) {
      const kernel = new FakeGenericKernel();
      const sockets = countSockets(kernel);
      const controller = new AbortController();
      const generic = await openGeneric(kernel, { signal: controller.signal });
      expect(sockets()).toBe(2);
      if (end === "close") await generic.close();
      else controller.abort();
      expect(sockets()).toBe(0);
      expect(generic.socket.closed).toBe(true);
    }
  });

  test("a kernel that cannot be opened leaves no socket behind", async () => {
    const kernel = new FakeKernel((request) => request.fail(-1));
    await expect(GenericNetlink.open({ transport: kernel })).rejects.toMatchObject({ code: "EPERM" });
  });
});

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
    const { client, generic } = await serve({ ping: () => ({ version: 1 }) });
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((number) => client.request("ping").then(() => order.push(number))));
    expect(order).toEqual([1, 2, 3]);
    // The family is known: this is sent before the close.
    const last = client.request("ping");
    await generic.close();
    await expect(last).rejects.toMatchObject({ code: "ERR_SOCKET_CLOSED" });
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
    const events = await client.subscribe("events");
    open.push(events);
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

describe("events", () => {
  test("come by name, of the groups that were joined alone", async () => {
    const { served, client } = await serve();
    const events = await client.subscribe("monitor");
    open.push(events);
    expect(served.multicast("counters", "counted", { count: 1 })).toBe(0);
    expect(served.multicast("monitor", "changed", { identity: { name: "lo" } })).toBe(1);
    expect(served.multicast("monitor", "counted", { count: 2 })).toBe(1);
    const group = served.groups.get("monitor");
    expect((await events.next()).value).toMatchObject({
      kind: "message",
      group,
      senderPort: 0,
      body: { name: "changed", value: { identity: { name: "lo" } } },
    });
    expect((await events.next()).value).toMatchObject({ body: { name: "counted", value: { count: 2 } } });
  });

  test("several groups are joined at once", async () => {
    const { served, client } = await serve();
    const events = await client.subscribe(["monitor", "counters"]);
    open.push(events);
    served.multicast("counters", "counted", { count: 1 });
    served.multicast("monitor", "counted", { count: 2 });
    const counts: unknown[] = [];
    for await (const event of events) {
      if (event.kind === "message" && event.body.name === "counted") counts.push(event.body.value.count);
      if (counts.length === 2) break;
    }
    expect(counts).toEqual([1, 2]);
  });

  test("messages that the definition has not are passed over", async () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    const old = defineFamily("devices", {
      events: { counted: { command: 9, attributes: { count: [4, uint32] } } },
    });
    const client = await (await openGeneric(kernel)).client(old);
    const events = await client.subscribe("monitor");
    open.push(events);
    served.multicast("monitor", "changed", {});
    served.multicast("monitor", "counted", { count: 3 });
    expect((await events.next()).value).toMatchObject({ body: { name: "counted", value: { count: 3 } } });
  });

  test("a loss is told as resync", async () => {
    const { served, client } = await serve();
    const events = await client.subscribe("monitor");
    open.push(events);
    let sent = 0;
    while (served.multicast("monitor", "counted", { count: sent }) > 0) sent++;
    for (let count = 0; count < sent; count++) {
      expect((await events.next()).value).toMatchObject({ body: { value: { count } } });
    }
    expect((await events.next()).value).toEqual({ kind: "resync" });
  });

  test("a subscription is a socket of its own: it outlives the GenericNetlink it was made by", async () => {
    const kernel = new FakeGenericKernel();
    const sockets = countSockets(kernel);
    const served = kernel.serveFamily(devices, {});
    const generic = await openGeneric(kernel);
    const events = await (await generic.client(devices)).subscribe("monitor");
    await generic.close();
    served.multicast("monitor", "counted", { count: 5 });
    expect((await events.next()).value).toMatchObject({ body: { value: { count: 5 } } });
    await events.close();
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(sockets()).toBe(0);
  });

  test("a group that was renumbered by a reload is joined by its new number", async () => {
    const { kernel, served, client } = await serve();
    served.remove();
    const successor = kernel.serveFamily(devices, {});
    const events = await client.subscribe("monitor");
    open.push(events);
    expect(successor.multicast("monitor", "counted", { count: 1 })).toBe(1);
    expect((await events.next()).value).toMatchObject({ body: { value: { count: 1 } } });
  });

  test("groups are joined by name for any decoder", async () => {
    const kernel = new FakeGenericKernel();
    const generic = await openGeneric(kernel);
    const events = await generic.subscribe("nlctrl", "notify", nlctrl.event("newFamily").body);
    open.push(events);
    kernel.serveFamily(devices, {});
    expect((await events.next()).value).toMatchObject({ body: { name: "devices", version: 2 } });
  });

  test("an unknown group leaves no socket behind", async () => {
    const kernel = new FakeGenericKernel();
    const sockets = countSockets(kernel);
    kernel.serveFamily(devices, {});
    const client = await (await openGeneric(kernel)).client(devices);
    await expect(client.subscribe("nobody" as "monitor")).rejects.toBeInstanceOf(GroupNotFoundError);
    expect(sockets()).toBe(2);
  });
});

test("a request of generic netlink by hand still goes over the socket", async () => {
  const kernel = new FakeGenericKernel();
  const socket = await NetlinkSocket.open(16, { transport: kernel });
  open.push(socket);
  await expect(socket.request({ type: 99 })).rejects.toMatchObject({ code: "ENOENT" });
});
