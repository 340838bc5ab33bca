import { describe, expect, test } from "vitest";
import { defineFamily, GroupNotFoundError, nlctrl } from "../src/generic/index.js";
import { DecodeError, uint32 } from "../src/index.js";
import { FakeGenericKernel } from "../src/testing/index.js";
import { devices } from "./device-family.js";
import {
  closing,
  countSockets,
  openGeneric,
  rawMessage,
  refuseMemberships,
  serve,
  transportsOf,
} from "./generic-fixture.js";

describe("events", () => {
  test("come by name, of the groups that were joined alone", async () => {
    const { served, client } = await serve();
    const events = closing(await client.subscribe("monitor"));
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
    const events = closing(await client.subscribe(["monitor", "counters"]));
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
    const events = closing(await client.subscribe("monitor"));
    served.multicast("monitor", "changed", {});
    served.multicast("monitor", "counted", { count: 3 });
    expect((await events.next()).value).toMatchObject({ body: { name: "counted", value: { count: 3 } } });
  });

  test("passing over takes no room: any number of messages may be unknown, of other families, or too short", async () => {
    const kernel = new FakeGenericKernel();
    const transports = transportsOf(kernel);
    const served = kernel.serveFamily(devices, {});
    const client = await (await openGeneric(kernel)).client(devices);
    const events = closing(await client.subscribe("monitor", { receiveBuffer: 1 << 20 }));
    const group = served.groups.get("monitor");
    const [socket] = transports.slice(-1);
    for (let sent = 0; sent < 100; sent++) {
      socket?.deliver(rawMessage(served.id, [200, 1, 0, 0]), { group });
      // The command of an event, of another family.
      socket?.deliver(rawMessage(served.id + 1, [9, 1, 0, 0]), { group });
      socket?.deliver(rawMessage(served.id, []), { group });
    }
    served.multicast("monitor", "counted", { count: 4 });
    for (let sent = 0; sent < 100; sent++) await expect(events.next()).rejects.toBeInstanceOf(DecodeError);
    expect((await events.next()).value).toMatchObject({ body: { value: { count: 4 } } });
  });

  test("a loss is told as resync", async () => {
    const { served, client } = await serve();
    const events = closing(await client.subscribe("monitor"));
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
    const { kernel, served, client, generic } = await serve();
    served.remove();
    const successor = kernel.serveFamily(devices, {});
    // Neither waits for the controller's word, which is still on its way; the first is asked before anybody knows.
    const more = closing(await generic.subscribe("devices", "monitor", devices.event("counted").body));
    const events = closing(await client.subscribe("monitor"));
    expect(successor.multicast("monitor", "counted", { count: 1 })).toBe(2);
    expect((await more.next()).value).toMatchObject({ body: { count: 1 } });
    expect((await events.next()).value).toMatchObject({ body: { value: { count: 1 } } });
  });

  test("groups are joined by name for any decoder", async () => {
    const kernel = new FakeGenericKernel();
    const generic = await openGeneric(kernel);
    const events = closing(await generic.subscribe("nlctrl", "notify", nlctrl.event("newFamily").body));
    kernel.serveFamily(devices, {});
    expect((await events.next()).value).toMatchObject({ body: { name: "devices", version: 2 } });
  });

  test("a group that may not be joined leaves no socket behind", async () => {
    const kernel = new FakeGenericKernel();
    const sockets = countSockets(kernel);
    kernel.serveFamily(devices, {});
    const client = await (await openGeneric(kernel)).client(devices);
    refuseMemberships(kernel);
    await expect(client.subscribe("monitor")).rejects.toMatchObject({ code: "EPERM" });
    expect(sockets()).toBe(2);
  });

  test("a signal ends what it was given to: the subscription's its own, the GenericNetlink's no subscription", async () => {
    const kernel = new FakeGenericKernel();
    const served = kernel.serveFamily(devices, {});
    const outer = new AbortController();
    const inner = new AbortController();
    const generic = await openGeneric(kernel, { signal: outer.signal });
    const client = await generic.client(devices);
    const stays = closing(await client.subscribe("monitor"));
    const ends = await client.subscribe("monitor", { signal: inner.signal });
    outer.abort();
    inner.abort(new Error("enough"));
    await expect(ends.next()).rejects.toThrow("enough");
    served.multicast("monitor", "counted", { count: 6 });
    expect((await stays.next()).value).toMatchObject({ body: { value: { count: 6 } } });
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
