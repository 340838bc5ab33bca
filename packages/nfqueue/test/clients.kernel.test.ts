import { execFileSync } from "node:child_process";
import { type Match, NfQueue, type Packet, type Rule } from "@nlring/nfqueue";
import { inet } from "@nlring/nfqueue/inet";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { saveMarks } from "./hooked-queue.js";
import { Network, Peer } from "./network.js";
import { switchChecksumOffloadOff } from "./offload.js";
import { bringLoopbackUp, rulesUnavailable } from "./sandbox.js";

const QUEUE = 71;
const MEBIBYTE = 1024 * 1024;
/** The router between client and server is this namespace, where `here` is a host too. */
const ROUTER = { ip: "10.9.1.1", ip6: "fd09:1::1" } as const;
const SERVER = { ip: "10.9.2.2", ip6: "fd09:2::2" } as const;
const FAMILIES = ["ip", "ip6"] as const;
type Family = (typeof FAMILIES)[number];

interface Download {
  readonly length: number;
  readonly sha256: string;
  readonly counts: Readonly<Record<string, number>>;
}
interface SizedDatagram {
  readonly length: number;
  readonly sha256: string;
}

// What is lost is waited for in vain.
vi.setConfig({ testTimeout: 20_000 });

let lacking: string | undefined;
let network: Network;
let here: Peer;
beforeAll(async () => {
  await bringLoopbackUp();
  lacking = (await rulesUnavailable()) ?? Network.unavailable();
  if (lacking !== undefined) return;
  network = await Network.start();
  here = await Peer.start({ ownNamespace: false });
  // What the client gets: full checksums, which its kernel verifies.
  await switchChecksumOffloadOff("left0");
  await switchChecksumOffloadOff("host0", `/proc/${network.client.processId}/ns/net`);
  for (const family of FAMILIES) {
    await network.server.ask("serveDns", { address: SERVER[family], octets: [192, 0, 2, 1] });
    await network.server.ask("serveHttp", { address: SERVER[family], port: 80 });
    // Neighbours of IPv6 cannot be found in an interface's first second.
    while ((await lookUp(family, "first.test")) === "ETIMEOUT");
  }
});
beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));
afterAll(async () => {
  await here?.stop();
  await network?.stop();
});

const opened: { readonly queue: NfQueue; readonly running: Promise<void> }[] = [];
const failures: unknown[] = [];
afterEach(async () => {
  for (const { queue, running } of opened.splice(0)) {
    await queue.close();
    await running;
  }
  expect(failures.splice(0)).toEqual([]);
});

async function intercept(
  match: Match,
  handler: (packet: Packet) => void,
): Promise<{ readonly queue: NfQueue; readonly rule: Rule }> {
  const queue = await NfQueue.open(QUEUE);
  queue.on("handlerError", (error) => failures.push(error));
  opened.push({ queue, running: queue.run(handler) });
  return { queue, rule: await queue.intercept(match) };
}

const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

/** What Node's DNS client at the client's says that the addresses of a name are, or the code of its error. */
function lookUp(family: Family, name: string): Promise<unknown> {
  return network.client.ask("lookUp", { server: inUrl(SERVER[family]), name });
}

async function checksumErrors(family: Family): Promise<number> {
  const counts = (await network.client.ask("checksumErrors", {})) as Record<Family, number>;
  return counts[family];
}

test.each([
  ["IPv4", "127.0.0.1", 8081],
  ["IPv6", "::1", 8082],
])(
  "an HTTP download of 256 MiB over %s comes through byte for byte, in packets of many segments",
  async (_version, address, port) => {
    // Ethernet's: with that of the loopback interface a segment is as long as a packet can be.
    execFileSync("ip", ["link", "set", "lo", "mtu", "1500"]);
    try {
      await here.ask("serveHttp", { address, port });
      let segmented = 0;
      let cut = 0;
      const { queue } = await intercept({ hook: "input", protocol: "tcp" }, (packet) => {
        if (packet.gso) segmented += packet.originalLength;
        if (packet.truncated) cut++;
        packet.accept();
      });
      const url = `http://${inUrl(address)}:${port}/bytes?${256 * MEBIBYTE}`;
      const { length, sha256 } = (await here.ask("download", { url })) as Download;
      expect(length).toBe(256 * MEBIBYTE);
      expect(sha256).toBe(await here.ask("served", {}));
      expect(segmented).toBeGreaterThan(200 * MEBIBYTE);
      expect(cut).toBe(0);
      expect(queue.statistics).toMatchObject({ unknownVerdicts: 0, refusedVerdicts: 0, malformed: 0 });
    } finally {
      execFileSync("ip", ["link", "set", "lo", "mtu", "65536"]);
    }
  },
);

test("of a download whose connection is marked, only the first packet meets the queue", async () => {
  // Behind the queue's chain, so that it sees the mark that the verdict set.
  const marks = await saveMarks(6);
  const match = { hook: "forward", family: "ip", protocol: "tcp", conntrackMark: 0, priority: -1 } as const;
  const { queue, rule } = await intercept(match, (packet) => packet.accept({ mark: 1 }));
  const url = `http://${SERVER.ip}/bytes?${MEBIBYTE}`;
  expect(((await network.client.ask("download", { url })) as Download).length).toBe(MEBIBYTE);
  expect(await rule.counters()).toEqual([{ packets: 1, bytes: expect.any(Number) }]);
  expect(queue.statistics.received).toBe(1);
  await marks.close();
});

describe("answers to a DNS client that get longer on their way", () => {
  const RECORD = Uint8Array.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7);

  /** The answer with another address behind the first one. */
  function longer(packet: Packet): Uint8Array {
    const answer = inet(packet.payload).edit();
    answer.udp?.splice(6, 2, Uint8Array.of(0, 2));
    answer.udp?.splice(answer.udp.payload.length, 0, RECORD);
    return answer.bytes();
  }

  test.each(FAMILIES)("have checksums over %s that the client's kernel finds right", async (family) => {
    const before = await checksumErrors(family);
    const { queue } = await intercept(
      { hook: "forward", protocol: "udp", sourcePort: 53, family },
      (packet) => packet.accept({ payload: longer(packet) }),
    );
    expect(await lookUp(family, "right.test")).toEqual(["192.0.2.1", "198.51.100.7"]);
    expect(queue.statistics.received).toBe(1);
    expect(await checksumErrors(family)).toBe(before);
  });

  test.each(FAMILIES)("do not arrive over %s where a bit of them is wrong", async (family) => {
    const before = await checksumErrors(family);
    const { queue } = await intercept(
      { hook: "forward", protocol: "udp", sourcePort: 53, family },
      (packet) => {
        const payload = longer(packet);
        payload[payload.length - 1] = 8;
        packet.accept({ payload });
      },
    );
    expect(await lookUp(family, "wrong.test")).toBe("ETIMEOUT");
    expect(queue.statistics.received).toBeGreaterThan(0);
    expect((await checksumErrors(family)) - before).toBe(queue.statistics.received);
  });
});

describe("the payload of packets of many TCP segments", () => {
  const LENGTH = 4 * MEBIBYTE;
  const [TILDE, STAR] = [0x7e, 0x2a];

  const download = async (family: Family): Promise<Download> => {
    const url = `http://${inUrl(SERVER[family])}/tildes?${LENGTH}`;
    return (await network.client.ask("download", { url, characters: "~*" })) as Download;
  };

  /** Packets that the router's interface towards the client could not send. */
  const unsent = (): number => {
    const shown = execFileSync("ip", ["-stats", "-json", "link", "show", "left0"], { encoding: "utf8" });
    return JSON.parse(shown)[0].stats64.tx.dropped;
  };

  test.each(FAMILIES)(
    "is replaced over %s, and leaves in segments with checksums of their own",
    async (family) => {
      let rewritten = 0;
      await intercept({ hook: "forward", protocol: "tcp", sourcePort: 80, family }, (packet) => {
        const answer = inet(packet.payload).edit({ inPlace: true });
        const payload = answer.tcp?.payload ?? new Uint8Array(0);
        for (let at = payload.indexOf(TILDE); at >= 0 && at < payload.length; at++) {
          if (payload[at] === TILDE) payload[at] = STAR;
        }
        if (packet.gso) rewritten++;
        packet.accept({ payload: answer.bytes() });
      });
      expect((await download(family)).counts).toEqual({ "~": 0, "*": LENGTH });
      expect(rewritten).toBeGreaterThan(10);
    },
  );

  test("is not sent on where it gets as short as one segment, and the sender repeats it", async () => {
    const before = unsent();
    let shortened = 0;
    await intercept({ hook: "forward", protocol: "tcp", sourcePort: 80 }, (packet) => {
      if (!packet.gso || shortened === 3) return packet.accept();
      shortened++;
      const answer = inet(packet.payload).edit();
      answer.tcp?.splice(100, answer.tcp.payload.length - 100);
      packet.accept({ payload: answer.bytes() });
    });
    expect((await download("ip")).counts).toEqual({ "~": LENGTH, "*": 0 });
    expect(shortened).toBe(3);
    expect(unsent() - before).toBe(3);
  });
});

describe("datagrams", () => {
  let port = 5400;

  /** Sends them from one host to another; resolves with what was sent and what arrived when so many have. */
  async function exchange(
    [from, to]: readonly [Peer, Peer],
    address: string,
    sizes: readonly number[],
    count: number = sizes.length,
  ): Promise<{ readonly sent: readonly SizedDatagram[]; readonly arrived: readonly SizedDatagram[] }> {
    port++;
    await to.ask("collect", { address, port });
    const sent = (await from.ask("sendSizes", { to: address, port, sizes })) as SizedDatagram[];
    const arrived = async (): Promise<SizedDatagram[]> =>
      (await to.ask("collected", { port })) as SizedDatagram[];
    while ((await arrived()).length < count);
    return { sent, arrived: await arrived() };
  }

  test.each(FAMILIES)("without any content pass over %s", async (family) => {
    const lengths: number[] = [];
    await intercept({ hook: "forward", protocol: "udp", family }, (packet) => {
      lengths.push(inet(packet.payload).udp?.payload.length ?? -1);
      packet.accept({ payload: inet(packet.payload).edit().bytes() });
    });
    const { sent, arrived } = await exchange([network.client, network.server], SERVER[family], [0]);
    expect(arrived).toEqual(sent);
    expect(lengths).toEqual([0]);
  });

  test("that outgrow the MTU on their way leave in fragments where they may be, else the kernel drops them", async () => {
    const mayFragment = new Map([
      [10, false],
      [11, true],
    ]);
    await intercept({ hook: "forward", family: "ip", protocol: "udp" }, (packet) => {
      const datagram = inet(packet.payload);
      const longer = datagram.edit();
      longer.dontFragment = mayFragment.get(datagram.udp?.payload.length ?? 0) === false;
      if (longer.udp !== undefined) longer.udp.payload = new Uint8Array(datagram.payloadLength * 300);
      packet.accept({ payload: longer.bytes() });
    });
    const hosts = [network.client, network.server] as const;
    const { arrived } = await exchange(hosts, SERVER.ip, [...mayFragment.keys()], 1);
    expect(arrived.map(({ length }) => length)).toEqual([11 * 300]);
  });

  // IPv4 is put together before the input hook, IPv6 behind it; conntrack does both before it looks.
  test.each<[Match["hook"], Family, boolean, string]>([
    ["forward", "ip", false, "pieces"],
    ["forward", "ip6", false, "pieces"],
    ["input", "ip", false, "whole"],
    ["input", "ip6", false, "pieces"],
    ["forward", "ip", true, "whole"],
    ["forward", "ip6", true, "whole"],
    ["input", "ip6", true, "whole"],
  ])(
    "in fragments come to %s over %s, with conntrack %s, as %s, and all arrive",
    async (hook, family, conntrack, form) => {
      const fragments: (number | undefined)[] = [];
      const match = { hook, family, protocol: "udp" } as const;
      await intercept(conntrack ? { ...match, conntrackMark: 0 } : match, (packet) => {
        const datagram = inet(packet.payload);
        fragments.push(datagram.fragment ? datagram.fragmentOffset : undefined);
        packet.accept();
      });
      const { sent, arrived } =
        hook === "input"
          ? await exchange([network.client, here], ROUTER[family], [4000])
          : await exchange([network.client, network.server], SERVER[family], [4000]);
      expect(arrived).toEqual(sent);
      const second = family === "ip" ? 1480 : 1448;
      expect(fragments).toEqual(form === "whole" ? [undefined] : [0, second, 2 * second]);
    },
  );

  test.each([
    [4, 65_531, "127.0.0.1"],
    [4, 65_532, "127.0.0.1"],
    [4, 65_535, "127.0.0.1"],
    [6, 65_531, "::1"],
    [6, 65_536, "::1"],
  ])(
    "over IPv%i in packets of %i bytes arrive; beyond 65,531 they come cut and take no new payload",
    async (version, length, address) => {
      const told: unknown[] = [];
      await intercept({ hook: "input", protocol: "udp" }, (packet) => {
        const { originalLength, truncated, payload } = packet;
        try {
          packet.accept({ payload: truncated ? payload : inet(payload).edit().bytes() });
          told.push(originalLength);
        } catch (error) {
          told.push(originalLength, (error as { code: string }).code);
          packet.accept();
        }
      });
      const headers = version === 4 ? 28 : 48;
      const { sent, arrived } = await exchange([here, here], address, [length - headers]);
      expect(arrived).toEqual(sent);
      expect(told).toEqual(length > 65_531 ? [length, "ERR_PACKET_CUT"] : [length]);
    },
  );
});
