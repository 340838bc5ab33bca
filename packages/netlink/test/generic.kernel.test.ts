import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  attributes,
  bytes,
  flag,
  KernelError,
  NETLINK_ROUTE,
  NetlinkSocket,
  repeated,
  string,
  uint8,
  uint32,
} from "@nlring/netlink";
import {
  defineFamily,
  FamilyNotFoundError,
  type GenericFamily,
  GenericNetlink,
  GroupNotFoundError,
  nlctrl,
} from "@nlring/netlink/generic";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { setLoopback } from "./links.js";

const identity = attributes({ index: [1, uint32], name: [2, string], flags: [3, uint32] });

/** include/uapi/linux/ethtool_netlink.h */
const ethtool = defineFamily("ethtool", {
  commands: {
    linkStateGet: {
      command: 6,
      request: { header: [1, identity] },
      reply: { header: [1, identity], link: [2, uint8] },
    },
    featuresGet: { command: 11, request: { header: [1, identity] }, reply: { header: [1, identity] } },
  },
  groups: ["monitor"],
});

/** include/uapi/linux/netdev.h */
const netdev = defineFamily("netdev", {
  commands: {
    deviceGet: { command: 1, request: { index: [1, uint32] }, reply: { index: [1, uint32] } },
  },
  groups: ["mgmt", "page-pool"],
});

/** include/uapi/linux/taskstats.h */
const taskstats = defineFamily("TASKSTATS", {
  commands: {
    get: {
      command: 1,
      request: { processId: [1, uint32] },
      reply: { process: [4, attributes({ processId: [1, uint32], statistics: [3, bytes] })] },
      replyCommand: 2,
    },
  },
});

let generic: GenericNetlink;
let families: readonly GenericFamily[];

beforeAll(async () => {
  generic = await GenericNetlink.open();
  families = await generic.families().all();
});
afterAll(() => generic.close());

function has(name: string): boolean {
  return families.some((family) => family.name === name);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise resolved");
}

describe("the kernel's families", () => {
  test("the controller is one of them, with its number, its commands and its group", async () => {
    const controller = await generic.family("nlctrl");
    expect(controller).toMatchObject({ id: 16, name: "nlctrl", headerLength: 0 });
    expect(controller.operations).toContainEqual(
      expect.objectContaining({ command: 3, do: true, dump: true, admin: "none" }),
    );
    expect(controller.groups.get("notify")).toBe(16);
  });

  test("each that is listed is found by its name as it is listed", async () => {
    expect(families.length).toBeGreaterThan(0);
    for (const family of families) expect(await generic.family(family.name)).toEqual(family);
  });

  test("one that is not there is named", async () => {
    const error = await rejection(generic.family("nlring-none"));
    expect(error).toBeInstanceOf(FamilyNotFoundError);
    expect(error).toMatchObject({ code: "ENOENT", family: "nlring-none" });
  });

  test("the controller answers a typed client as it answers family()", async () => {
    const client = await generic.client(nlctrl);
    const { id, name } = await client.request("getFamily", { name: "nlctrl" });
    expect({ id, name }).toEqual({ id: 16, name: "nlctrl" });
    const listed = await client.dump("getFamily").all();
    expect(listed.map((family) => family.name)).toEqual(families.map((family) => family.name));
  });

  test("an unloaded number is ENOENT without words, which is what a stale one is told by", async () => {
    const error = await rejection(
      generic.socket.request(nlctrl.command("getFamily").request.message(1023, { name: "nlctrl" })),
    );
    expect(error).toMatchObject({ code: "ENOENT", kernelText: undefined, offset: undefined });
  });
});

describe("policies", () => {
  test("the controller tells its own: a name of up to 15 bytes", async (context) => {
    const { operations } = await generic.family("nlctrl");
    requireKernel(
      context,
      operations.some(({ command }) => command === 10),
      "policy dumps came with Linux 5.10",
    );
    const policy = await generic.policy("nlctrl");
    expect(new Set(policy.keys())).toEqual(new Set([3, 10]));
    expect(policy.get(3)?.do?.get(2)).toEqual({ kind: "nulString", maximumLength: 15 });
    expect(policy.get(3)?.do?.get(1)).toMatchObject({ kind: "uint16" });
    // The operation that is policy() itself.
    expect(policy.get(10)?.do).toBeUndefined();
    expect(policy.get(10)?.dump?.get(10)).toMatchObject({ kind: "uint32" });
  });

  test("every family tells policies of the operations that it says have one", async (context) => {
    const { operations } = await generic.family("nlctrl");
    requireKernel(
      context,
      operations.some(({ command }) => command === 10),
      "policy dumps came with Linux 5.10",
    );
    for (const family of families) {
      const policy = await generic.policy(family.name);
      const commands = family.operations.filter(({ hasPolicy }) => hasPolicy).map(({ command }) => command);
      for (const command of policy.keys()) expect(commands).toContain(command);
      for (const [, { do: one, dump }] of policy) expect(one ?? dump).toBeDefined();
    }
  });

  test("nests have the policies of what is in them", async (context) => {
    requireKernel(context, has("ethtool"), "this kernel has no ethtool over netlink");
    const policy = await generic.policy("ethtool");
    const header = policy.get(6)?.do?.get(1);
    expect(header).toMatchObject({ kind: "nested" });
    expect(header?.nested?.get(2)).toMatchObject({ kind: "nulString" });
  });
});

describe("a typed client of a family of the kernel", () => {
  test("asks ethtool for the link state of the loopback interface", async (context) => {
    requireKernel(context, has("ethtool"), "this kernel has no ethtool over netlink");
    const route = await NetlinkSocket.open(NETLINK_ROUTE);
    const client = await generic.client(ethtool);
    for (const up of [true, false, true]) {
      await setLoopback(route, up);
      const { header, link } = await client.request("linkStateGet", { header: { name: "lo" } });
      expect(header).toEqual({ index: 1, name: "lo" });
      expect(link).toBe(up ? 1 : 0);
    }
    await route.close();
  });

  test("lists the devices that a dump hands out", async (context) => {
    requireKernel(context, has("ethtool"), "this kernel has no ethtool over netlink");
    const client = await generic.client(ethtool);
    const names: (string | undefined)[] = [];
    for await (const { header } of client.dump("linkStateGet")) names.push(header?.name);
    expect(names).toContain("lo");
  });

  test("names what a strict family refuses in its header, by its place in the definition", async (context) => {
    requireKernel(context, has("ethtool"), "this kernel has no ethtool over netlink");
    const client = await generic.client(ethtool);
    const error = await rejection(client.request("linkStateGet", { header: { name: "lo", flags: 0x1000 } }));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "EINVAL", path: "header.flags" });
  });

  test("names an attribute that is missing", async (context) => {
    requireKernel(context, has("netdev"), "the family netdev came with Linux 6.3");
    const client = await generic.client(netdev);
    const error = await rejection(client.request("deviceGet", {}));
    expect(error).toMatchObject({ code: "EINVAL", missing: { type: 1, path: "index" } });
    expect(String(error)).toContain("missing: index");
  });

  test("tells what would be accepted in place of what is not", async (context) => {
    requireKernel(context, has("netdev"), "the family netdev came with Linux 6.3");
    const client = await generic.client(netdev);
    const error = await rejection(client.request("deviceGet", { index: 0 }));
    expect(error).toMatchObject({ code: "ERANGE", path: "index", policy: { kind: "uint32", minimum: 1n } });
    expect(await client.request("deviceGet", { index: 1 })).toMatchObject({ index: 1 });
  });

  test("gets the statistics of a process, with privilege in the initial user namespace alone", async (context) => {
    requireKernel(context, has("TASKSTATS"), "this kernel has no TASKSTATS (CONFIG_TASKSTATS)");
    const { operations } = await generic.family("TASKSTATS");
    expect(operations.find(({ command }) => command === 1)?.admin).toBe("initial");
    const answer = (await generic.client(taskstats)).request("get", { processId: process.pid });
    const isInitial = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
    if (isInitial) expect(await answer).toMatchObject({ process: { processId: process.pid } });
    else expect(await rejection(answer)).toMatchObject({ code: "EPERM" });
  });
});

describe("groups by name", () => {
  test("are joined on a socket of their own", async () => {
    const events = await generic.subscribe("nlctrl", "notify", nlctrl.event("newFamily").body);
    const next = events.next();
    await events.close();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("that a family has not are refused with those it has", async () => {
    const client = await generic.client(nlctrl);
    const error = await rejection(client.subscribe("nobody" as "notify"));
    expect(error).toBeInstanceOf(GroupNotFoundError);
    expect(error).toMatchObject({ groups: ["notify"] });
  });

  test("bring what happens: ethtool tells that features were changed", async (context) => {
    requireKernel(context, has("ethtool"), "this kernel has no ethtool over netlink");
    const bit = attributes({ name: [2, string], on: [3, flag] });
    const bits = attributes({ bits: [3, attributes({ bit: [1, repeated(bit)] })] });
    const tuning = defineFamily("ethtool", {
      commands: {
        featuresSet: {
          command: 12,
          request: { header: [1, identity], wanted: [3, bits] },
          reply: { header: [1, identity] },
        },
      },
      // ETHTOOL_MSG_FEATURES_NTF
      events: { featuresChanged: { command: 13, attributes: { header: [1, identity] } } },
      groups: ["monitor"],
    });
    const client = await generic.client(tuning);
    const events = await client.subscribe("monitor");
    for (const on of [false, true]) {
      const wanted = { bits: { bit: [{ name: "tx-generic-segmentation", on }] } };
      await client.request("featuresSet", { header: { name: "lo" }, wanted });
      expect((await events.next()).value).toMatchObject({
        kind: "message",
        body: { name: "featuresChanged", value: { header: { name: "lo" } } },
      });
    }
    await events.close();
  });
});

/** Runs a program that imports the built packages. */
function run(program: string): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

test("what listens for changes never keeps the process alive", () => {
  const program = `
    import { GenericNetlink } from "@nlring/netlink/generic";
    const generic = await GenericNetlink.open();
    console.log((await generic.family("nlctrl")).id);
  `;
  expect(run(program)).toEqual({ status: 0, stdout: "16\n", stderr: "" });
});

describe("the README's examples", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
  const [real = "", served = ""] = examples.filter((text) => text.includes("defineFamily("));

  test("of the kernel's own controller prints what it says it prints", (context) => {
    const known = families[0]?.operations.some(({ command }) => command === 10) === true;
    requireKernel(context, known, "policy dumps came with Linux 5.10");
    const { status, stdout, stderr } = run(real);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^16 \d+ 16$/);
    expect(stdout).toContain("{ name: 'nlctrl', id: 16, maximumAttribute: 0 }");
    for (const { name } of families) expect(lines).toContain(name);
    expect(stdout).toContain("{ kind: 'nulString', maximumLength: 15 }");
  });

  test("of a served family prints what it says it prints", () => {
    const { status, stdout, stderr } = run(served);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("{ speed: 900 }\n");
    expect(stdout).toContain("{ name: 'stalled', value: { name: 'front' } }\n");
    expect(stdout).toContain('no generic netlink family "fans"');
  });
});
