import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { KernelError, type NetlinkSocket } from "@nlring/netlink";
import { InterfaceNames, NfQueue, type Packet, QueueOptionError, type QueueOptions } from "@nlring/nfqueue";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { requireKernel, skipWithoutKernelOption } from "../../../tools/kernel-requirement.js";
import { requireBridge, tagPeer } from "./bridged-peers.js";
import { Datagrams, datagramsUnavailable, type SocketOption } from "./datagrams.js";
import { type HookedQueue, hookQueue } from "./hooked-queue.js";
import { bringLoopbackUp, rulesUnavailable } from "./sandbox.js";

const QUEUE = 31;
const PORT = 5431;
const UDP = 17;
const ICMP = 1;
/** IPv4 and UDP headers. */
const HEADERS = 28;
const LOOPBACK = "127.0.0.1";

// include/uapi/asm-generic/socket.h, include/uapi/linux/udp.h
const SOL_SOCKET = 1;
const PRIORITY: SocketOption = [SOL_SOCKET, 12, 5];
const TIMESTAMP: SocketOption = [SOL_SOCKET, 29, 1];
const MARK: SocketOption = [SOL_SOCKET, 36, 0x7755];
const SEGMENTS_OF_500: SocketOption = [17, 103, 500];

let lacking: string | undefined;
let local: Datagrams | undefined;
beforeAll(async () => {
  lacking = (await rulesUnavailable()) ?? (await datagramsUnavailable());
  if (lacking !== undefined) return;
  await bringLoopbackUp();
  local = await Datagrams.start();
});
beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));
afterAll(async () => {
  await local?.[Symbol.asyncDispose]();
});

type Captured = Pick<Packet, Exclude<keyof Packet, "accept" | "drop" | "hold">>;

/** What there is to know of a packet, read before its verdict. */
function capture(packet: Packet): Captured {
  const names = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(packet))).flatMap(
    ([name, { get }]) => (get === undefined ? [] : [name]),
  );
  const values = Object.fromEntries(names.map((name) => [name, Reflect.get(packet, name)]));
  return { ...values, payload: packet.copy() } as unknown as Captured;
}

/** The first packet that comes to a queue at the hook while `send` is done. */
async function firstPacket(
  where: Omit<HookedQueue, "queue">,
  send: () => Promise<void>,
  options: QueueOptions = {},
): Promise<Captured> {
  const queue = await NfQueue.open(QUEUE, { defaultVerdict: "accept", ...options });
  let rule: NetlinkSocket | undefined;
  try {
    const first = new Promise<Captured>((resolve, reject) => {
      queue
        .run((packet) => {
          resolve(capture(packet));
          packet.accept();
        })
        .catch(reject);
    });
    rule = await hookQueue({ queue: QUEUE, ...where });
    await send();
    return await first;
  } finally {
    await rule?.close();
    await queue.close();
  }
}

const sendLocally =
  (size = 16, ...options: SocketOption[]) =>
  async (): Promise<void> =>
    local?.send(LOOPBACK, PORT, size, options);
const udpAt = (hook: HookedQueue["hook"]): Omit<HookedQueue, "queue"> => ({ hook, protocol: UDP });

test.each(["prerouting", "input"] as const)(
  "a packet at %s has the interface it came in by",
  async (hook) => {
    expect(await firstPacket(udpAt(hook), sendLocally())).toMatchObject({
      family: "ip",
      hook,
      etherType: 0x0800,
      inputInterface: 1,
      outputInterface: 0,
      length: HEADERS + 16,
      truncated: false,
    });
  },
);

test.each(["output", "postrouting"] as const)(
  "a packet at %s has the interface it leaves by",
  async (hook) => {
    expect(await firstPacket(udpAt(hook), sendLocally())).toMatchObject({
      hook,
      inputInterface: 0,
      outputInterface: 1,
      hardwareAddress: undefined,
    });
  },
);

test("the mark and the priority that a socket gave its packets are told", async () => {
  expect(await firstPacket(udpAt("output"), sendLocally(16, MARK, PRIORITY))).toMatchObject({
    mark: 0x7755,
    priority: 5,
  });
  expect(await firstPacket(udpAt("output"), sendLocally())).toMatchObject({ mark: 0, priority: 0 });
});

test("a copy range cuts packets, and they tell how long they were", async () => {
  expect(await firstPacket(udpAt("output"), sendLocally(200), { copyRange: 40 })).toMatchObject({
    length: 40,
    originalLength: HEADERS + 200,
    truncated: true,
  });
});

test("with a copy range of 0 no length is told", async () => {
  expect(await firstPacket(udpAt("output"), sendLocally(200), { copyRange: 0 })).toMatchObject({
    length: 0,
    originalLength: 0,
    truncated: false,
  });
});

test("segments that were sent as one are one packet, without its checksum yet", async () => {
  expect(await firstPacket(udpAt("output"), sendLocally(3000, SEGMENTS_OF_500))).toMatchObject({
    gso: true,
    checksumReady: false,
    length: HEADERS + 3000,
  });
  expect(await firstPacket(udpAt("output"), sendLocally(3000))).toMatchObject({ gso: false });
});

test("an incoming packet whose checksum nobody looked at says so", async () => {
  // The kernel's own answer to a datagram that nobody receives: its checksum is complete, and no device vouched for it.
  expect(await firstPacket({ hook: "input", protocol: ICMP }, sendLocally())).toMatchObject({
    checksumReady: true,
    checksumVerified: false,
  });
  expect(await firstPacket({ hook: "output", protocol: ICMP }, sendLocally())).toMatchObject({
    checksumVerified: true,
  });
});

test("a packet has the time it was received once somebody asks for time stamps", async () => {
  await using holder = await Datagrams.start();
  await holder.hold([TIMESTAMP]);
  const before = BigInt(Date.now()) * 1_000_000n;
  // The kernel turns stamping on in its own time.
  for (let attempt = 0; attempt < 1000; attempt++) {
    const { timestamp } = await firstPacket(udpAt("input"), sendLocally());
    if (timestamp === undefined) continue;
    expect(timestamp).toBeGreaterThanOrEqual(before - 1_000_000n);
    expect(timestamp).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1_000_000n);
    return;
  }
  expect.unreachable("no packet had a time stamp");
});

test("a packet is told to be of a net_cls control group", async (context) => {
  const [, folder] =
    readFileSync("/proc/self/mounts", "utf8").match(/^\S+ (\S+) cgroup \S*\bnet_cls\b/m) ?? [];
  skipWithoutKernelOption(
    context,
    folder !== undefined,
    "net_cls mounted (cgroup version 1, CONFIG_CGROUP_NET_CLASSID)",
  );
  if (folder === undefined) return;
  const group = mkdtempSync(`${folder}/nlring-test-`);
  try {
    await using sender = await Datagrams.start();
    writeFileSync(`${group}/net_cls.classid`, String(0x10_0001));
    writeFileSync(`${group}/cgroup.procs`, String(sender.processId));
    const packet = await firstPacket(udpAt("output"), () => sender.send(LOOPBACK, PORT, 16));
    expect(packet.cgroupClassId).toBe(0x10_0001);
    expect((await firstPacket(udpAt("output"), sendLocally())).cgroupClassId).toBe(0);
  } finally {
    rmdirSync(group);
  }
});

test("what passes a bridge has the bridge's ports, its sender's address, and names", async (context) => {
  await using bridged = await requireBridge(context);
  const { bridge, peers } = bridged;
  const [sender, receiver] = peers;
  if (sender === undefined || receiver === undefined) throw new Error("two peers are needed");
  expect(
    await firstPacket(udpAt("forward"), () => sender.datagrams.send(receiver.address, PORT, 16)),
  ).toMatchObject({
    hook: "forward",
    inputInterface: bridge.index,
    outputInterface: bridge.index,
    physicalInputInterface: sender.port,
    physicalOutputInterface: receiver.port,
    hardwareAddress: sender.hardwareAddress,
  });
  const packet = await firstPacket(udpAt("input"), () => sender.datagrams.send(bridge.address, PORT, 16));
  expect(packet).toMatchObject({ physicalInputInterface: sender.port, physicalOutputInterface: 0 });
  await using names = await InterfaceNames.open();
  expect([packet.inputInterface, packet.physicalInputInterface].map((index) => names.get(index))).toEqual([
    bridge.name,
    "port-1",
  ]);
});

test("interfaces that come and go are followed by name", async (context) => {
  await using names = await InterfaceNames.open();
  const bridged = await requireBridge(context);
  const { index, name } = bridged.bridge;
  try {
    await vi.waitFor(() => expect(names.get(index)).toBe(name));
  } finally {
    await bridged[Symbol.asyncDispose]();
  }
  await vi.waitFor(() => expect(names.get(index)).toBeUndefined());
});

test("a packet of a bridge rule has its link-layer header, and the VLAN tag it came with", async (context) => {
  await using bridged = await requireBridge(context);
  const [sender] = bridged.peers;
  if (sender === undefined) throw new Error("a peer is needed");
  const where: Omit<HookedQueue, "queue"> = {
    family: "bridge",
    hook: "prerouting",
    protocol: UDP,
    native: true,
  };
  const plain = await firstPacket(where, () => sender.datagrams.send(bridged.bridge.address, PORT, 16)).catch(
    reasonOf,
  );
  skipWithoutKernelOption(
    context,
    typeof plain === "object",
    `CONFIG_NFT_QUEUE, so that bridge rules could queue: ${String(plain)}`,
  );
  if (typeof plain !== "object") return;
  expect(plain.family).toBe("bridge");
  expect([...(plain.layer2Header ?? [])].slice(6)).toEqual([2, 0, 0, 0, 9, 1, 8, 0]);
  expect(plain.vlan).toBeUndefined();
  const untagged = await tagPeer(sender, 0x123).then(() => undefined, reasonOf);
  skipWithoutKernelOption(context, untagged === undefined, `CONFIG_VLAN_8021Q: ${untagged}`);
  // Broadcast needs nobody who answers for an address.
  const tagged = await firstPacket(where, () =>
    sender.datagrams.send("10.10.0.255", PORT, 16, [[SOL_SOCKET, 6, 1]]),
  );
  expect(tagged.vlan).toMatchObject({ protocol: 0x8100, id: 0x123 });
});

test("a packet has the owner of its socket where the queue asks for it", async (context) => {
  const packet = await firstPacket(udpAt("output"), sendLocally(), { uidGid: true }).catch(reasonOf);
  requireKernel(context, typeof packet === "object", `the kernel does not tell owners: ${String(packet)}`);
  expect(packet).toMatchObject({ uid: outerId("uid_map"), gid: outerId("gid_map") });
  expect(await firstPacket(udpAt("output"), sendLocally())).toMatchObject({ uid: undefined, gid: undefined });
});

test("a packet has its connection where the queue asks for it", async (context) => {
  const packet = await firstPacket(udpAt("output"), sendLocally(), { conntrack: true }).catch(reasonOf);
  skipWithoutKernelOption(
    context,
    typeof packet === "object" && packet.conntrack !== undefined,
    `CONFIG_NETFILTER_NETLINK_GLUE_CT${typeof packet === "string" ? `: ${packet}` : ""}`,
  );
  if (typeof packet !== "object") return;
  expect(packet.conntrackInfo).toBe("new");
  expect(packet.conntrack?.original).toMatchObject({
    source: LOOPBACK,
    destination: LOOPBACK,
    protocol: UDP,
    destinationPort: PORT,
  });
});

test("a packet has its security label where the queue asks for it", async (context) => {
  const packet = await firstPacket(udpAt("output"), sendLocally(), { securityContext: true }).catch(reasonOf);
  const label = typeof packet === "object" ? packet.securityContext : undefined;
  skipWithoutKernelOption(
    context,
    label !== undefined,
    "a security module that labels packets (CONFIG_SECURITY_SELINUX, in use)",
  );
  expect(new TextDecoder().decode(label)).toMatch(/\w+:\w+/);
});

/** What the kernel says of something that it was built without; anything else is a failure of the test. */
function reasonOf(error: unknown): string {
  if (error instanceof QueueOptionError) return error.message;
  if (error instanceof KernelError && ["EOPNOTSUPP", "ENOENT", "EAFNOSUPPORT"].includes(error.code))
    return error.message;
  throw error;
}

/** The id that the initial user namespace knows this process's root by, where that is the namespace around ours. */
function outerId(file: "uid_map" | "gid_map"): number {
  const [, outer] = readFileSync(`/proc/self/${file}`, "utf8").trim().split(/\s+/);
  return Number(outer);
}
