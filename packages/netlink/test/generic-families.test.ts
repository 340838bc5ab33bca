import { describe, expect, test } from "vitest";
import {
  defineFamily,
  FamilyNotFoundError,
  GenericNetlink,
  GroupNotFoundError,
  nlctrl,
} from "../src/generic/index.js";
import { NetlinkSocket } from "../src/index.js";
import { FakeGenericKernel, FakeKernel } from "../src/testing/index.js";
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
    const generic = closing(await GenericNetlink.open({ transport: kernel }));
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

  test("where a message of the controller cannot be read, all is asked for again", async () => {
    const { kernel, asked } = counting();
    kernel.serveFamily(devices, {});
    const transports = transportsOf(kernel);
    const generic = await openGeneric(kernel);
    await generic.family("devices");
    // An attribute that is longer than its message.
    transports[1]?.deliver(rawMessage(16, [1, 2, 0, 0, 60, 0, 2, 0]), { group: 16 });
    await turn();
    const before = asked();
    await generic.family("devices");
    await generic.family("devices");
    expect(asked() - before).toBe(1);
  });

  test("nothing is kept any more when the socket that hears of changes is lost", async () => {
    const { kernel, asked } = counting();
    kernel.serveFamily(devices, {});
    const transports = transportsOf(kernel);
    const generic = await openGeneric(kernel);
    await generic.family("devices");
    const [, notifications] = transports;
    if (notifications === undefined) throw new Error("there is no second socket");
    notifications.fill = () => -5;
    kernel.serveFamily(defineFamily("others", {}), {});
    await turn();
    const before = asked();
    await generic.family("devices");
    await generic.family("devices");
    expect(asked() - before).toBe(2);
  });

  test("a group that cannot be joined leaves no socket behind", async () => {
    const kernel = new FakeGenericKernel();
    const sockets = countSockets(kernel);
    refuseMemberships(kernel);
    await expect(GenericNetlink.open({ transport: kernel })).rejects.toMatchObject({ code: "EPERM" });
    expect(sockets()).toBe(0);
  });

  test("a kernel that cannot be opened leaves no socket behind", async () => {
    const kernel = new FakeKernel((request) => request.fail(-1));
    await expect(GenericNetlink.open({ transport: kernel })).rejects.toMatchObject({ code: "EPERM" });
  });
});

test("a request of generic netlink by hand still goes over the socket", async () => {
  const kernel = new FakeGenericKernel();
  const socket = closing(await NetlinkSocket.open(16, { transport: kernel }));
  await expect(socket.request({ type: 99 })).rejects.toMatchObject({ code: "ENOENT" });
});
