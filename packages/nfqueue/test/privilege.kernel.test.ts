import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NfQueue } from "@nlring/nfqueue";
import { expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";

const run = promisify(execFile);
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

test("without CAP_NET_ADMIN a socket opens, and a queue says what it needs and how to get it", async (context) => {
  // A user namespace inside the sandbox has no say over the sandbox's network namespace.
  const told = await run("unshare", ["--user", process.execPath, fixture("unprivileged.mjs")]).catch(
    (error: Error) => {
      if (/unshare failed|Operation not permitted|No space/.test(error.message)) return undefined;
      throw error;
    },
  );
  requireKernel(context, told !== undefined, "no user namespace can be made inside the sandbox");
  const { socket, queue } = JSON.parse(told?.stdout ?? "{}");
  expect(socket).toBe("user-ring");
  expect(queue).toMatchObject({ name: "PermissionError", code: "EPERM", errno: -1 });
  expect(queue.message).toContain("CAP_NET_ADMIN");
  expect(queue.message).toContain("unshare --user --map-root-user --net");
});

test("a queue that another socket holds says so, and is free again when that one closes", async () => {
  const holder = await NfQueue.open(31);
  await expect(NfQueue.open(31)).rejects.toMatchObject({
    name: "QueueInUseError",
    code: "ERR_QUEUE_IN_USE",
    message: expect.stringContaining("queue 31"),
  });
  await holder.close();
  await (await NfQueue.open(31)).close();
});

test("the kernel ring is taken where the kernel has it, else refused with the option, the error and what to do", async () => {
  const outcome = await NfQueue.open(32, { transport: "kernel-ring" }).catch((refused: unknown) => refused);
  if (outcome instanceof NfQueue) {
    expect(outcome.transport.kind).toBe("kernel-ring");
    await outcome.close();
    return;
  }
  expect(outcome).toMatchObject({ name: "TransportError", syscall: "setsockopt" });
  const { code, message } = outcome as { code: string; message: string };
  expect(["ENOPROTOOPT", "EPERM"]).toContain(code);
  expect(message).toContain("NETLINK_RX_RING");
  expect(message).toContain(code);
  expect(message).toContain('"user-ring"');
});

test("the transport in use is told, with the reason", async () => {
  const queue = await NfQueue.open(33);
  const { kind, reason } = queue.transport;
  expect(reason).toMatch(kind === "kernel-ring" ? /maps netlink rings/ : /NETLINK_RX_RING/);
  await queue.close();
});

test("the user ring is taken where it is asked for, and where the order of arrival is", async () => {
  for (const options of [{ transport: "user-ring" }, { ordered: true }] as const) {
    const queue = await NfQueue.open(34, options);
    expect(queue.transport.kind).toBe("user-ring");
    await queue.close();
  }
});
