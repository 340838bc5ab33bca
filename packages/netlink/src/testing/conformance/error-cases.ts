import assert from "node:assert/strict";
import { NLM_F_CREATE } from "../../abi.js";
import type { KernelError } from "../../errors.js";
import {
  AF_INET,
  link,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTM_SETLINK,
  route,
} from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import { type ConformanceCase, conformanceCase } from "./case.js";
import { rejection } from "./probe.js";
import { newRoute, routeValues } from "./scene.js";

async function refusal(promise: Promise<unknown>): Promise<KernelError> {
  const error = await rejection(promise);
  // By name and not by class: another copy of the package may have made it.
  assert.ok(error instanceof Error && error.name === "KernelError", String(error));
  return error as KernelError;
}

/** One byte where the kernel wants four, behind the 16 bytes of the message's header and 16 of struct ifinfomsg. */
const shortMtu = {
  ...link.message(RTM_SETLINK),
  write: (writer: Parameters<typeof link.write>[0]) => {
    writer.uint32(0).uint32(LOOPBACK_INDEX).uint32(0).uint32(0).attributeUint8(4, 1);
  },
};

export const errorCases: readonly ConformanceCase[] = [
  conformanceCase("errors: have the kernel's number, its name, and the request's type", async (scene) => {
    const socket = await scene.openRoute();
    const error = await refusal(socket.request(link.message(RTM_GETLINK, { index: 0x7fff_ff00 })));
    assert.deepEqual([error.code, error.errno, error.requestType], ["ENODEV", -19, RTM_GETLINK]);
  }),

  conformanceCase("errors: of several in flight are each about their own", async (scene) => {
    const socket = await scene.openRoute();
    await socket.request(newRoute(1));
    const [missing, twice] = await Promise.all([
      refusal(socket.request(link.message(RTM_GETLINK, { index: 0x7fff_ff00 }))),
      refusal(socket.request(newRoute(1))),
    ]);
    assert.deepEqual([missing.code, twice.code], ["ENODEV", "EEXIST"]);
    assert.equal(twice.sequence, missing.sequence + 1);
  }),

  conformanceCase(
    "errors: say in words what was refused",
    async (scene) => {
      const socket = await scene.openRoute();
      const first = scene.newAddress(1);
      await socket.request(first);
      const error = await refusal(socket.request(first));
      assert.equal(error.code, "EEXIST");
      assert.match(error.kernelText ?? "", /\w/);
      assert.ok(error.message.includes(error.kernelText ?? "no text"));
    },
    ["error-text"],
  ),

  conformanceCase(
    "errors: say where, by offset and by the schema's names",
    async (scene) => {
      const socket = await scene.openRoute();
      const error = await refusal(socket.request(shortMtu));
      assert.deepEqual([error.offset, error.path], [32, "mtu"]);
      assert.match(error.message, /mtu/);
    },
    ["error-text"],
  ),

  conformanceCase(
    "errors: find the place in a run of several requests",
    async (scene) => {
      const socket = await scene.openRoute();
      const [first, second] = await Promise.all([
        socket.request(newRoute(2)),
        refusal(socket.request(shortMtu)),
        socket.request(newRoute(3)),
      ]);
      assert.deepEqual(first, {});
      assert.deepEqual([second.offset, second.path], [32, "mtu"]);
    },
    ["error-text"],
  ),

  conformanceCase(
    "errors: say what would be accepted",
    async (scene) => {
      const socket = await scene.openRoute();
      const error = await refusal(socket.request(shortMtu));
      assert.equal(error.policy?.kind, "uint32");
      assert.equal(error.policy.maximum, 0xffff_ffffn);
    },
    ["error-policy"],
  ),

  conformanceCase("errors: of a dump reject its iteration, and the socket goes on", async (scene) => {
    const socket = await scene.openRoute();
    // No message type of rtnetlink.
    const error = await refusal(socket.dump({ type: 1000 }, route).all());
    assert.equal(error.code, "EOPNOTSUPP");
    assert.equal((await socket.dump(link.message(RTM_GETLINK), link).all())[0]?.name, "lo");
  }),

  conformanceCase(
    "errors: of a dump that has begun come with its end, in words too",
    async (scene) => {
      const socket = await scene.openRoute({ strict: true });
      const table = 0x7ea5;
      const error = await refusal(
        socket.dump(route.message(RTM_GETROUTE, { family: AF_INET, table }), route).all(),
      );
      assert.deepEqual([error.code, error.requestType], ["ENOENT", RTM_GETROUTE]);
      assert.match(error.kernelText ?? "", /table/);
      const wrong = route.message(RTM_GETROUTE, { family: AF_INET, destinationLength: 8 });
      assert.equal((await refusal(socket.dump(wrong, route).all())).code, "EINVAL");
    },
    ["strict"],
  ),

  conformanceCase(
    "strict checking: a dump lists what its header selects, and without it everything",
    async (scene) => {
      const table = 77;
      const own = route.message(RTM_NEWROUTE, { ...routeValues(1), table, shortTable: table }, NLM_F_CREATE);
      const strict = await scene.openRoute({ strict: true });
      await strict.request([own, newRoute(2)]);
      const selected = route.message(RTM_GETROUTE, { family: AF_INET, table });
      const listed = async (socket: NetlinkSocket): Promise<(string | undefined)[]> =>
        (await socket.dump(selected, route).all()).map(({ destination }) => destination);
      assert.deepEqual(await listed(strict), ["10.0.0.1"]);
      const everything = await listed(await scene.openRoute());
      assert.ok(everything.includes("10.0.0.1") && everything.includes("10.0.0.2"));
    },
    ["strict"],
  ),

  conformanceCase("errors: with the whole request echoed say the same", async (scene) => {
    const socket = await scene.openRoute({ shortErrors: false });
    const first = scene.newAddress(1);
    await socket.request(first);
    const error = await refusal(socket.request(first));
    assert.equal(error.code, "EEXIST");
    const long = {
      ...first,
      write: (writer: Parameters<typeof link.write>[0]) => {
        first.write?.(writer);
        writer.attributeBytes(0x3ffe, new Uint8Array(999));
      },
    };
    const longer = await refusal(socket.request(long));
    assert.deepEqual([longer.code, longer.kernelText], [error.code, error.kernelText]);
  }),

  conformanceCase("errors: without the extended ACK are the number alone", async (scene) => {
    const socket = await scene.openRoute({ extendedAck: false });
    const first = scene.newAddress(1);
    await socket.request(first);
    const error = await refusal(socket.request(first));
    assert.deepEqual([error.code, error.kernelText, error.offset], ["EEXIST", undefined, undefined]);
  }),
];
