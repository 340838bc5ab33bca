import { writeFileSync } from "node:fs";
import { NETLINK_NETFILTER, NetlinkSocket, NLM_F_DUMP } from "@nlring/netlink";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { Conntrack } from "../src/packet/conntrack.js";
import { Datagrams, datagramsUnavailable } from "./datagrams.js";
import { redirectTo } from "./hooked-queue.js";
import { bringLoopbackUp } from "./sandbox.js";

const UDP = 17;
const PORT = 5441;
const REDIRECTED = 5442;
/** include/uapi/linux/netfilter/nfnetlink_conntrack.h: IPCTNL_MSG_CT_GET of NFNL_SUBSYS_CTNETLINK. */
const GET = (1 << 8) | 1;
const SETTINGS = "/proc/sys/net/netfilter/nf_conntrack_";

let rule: NetlinkSocket | undefined;
let lacking: string | undefined;
beforeAll(async () => {
  lacking = await datagramsUnavailable();
  if (lacking !== undefined) return;
  await bringLoopbackUp();
  try {
    for (const setting of ["acct", "timestamp"]) writeFileSync(`${SETTINGS}${setting}`, "1");
    rule = await redirectTo(REDIRECTED, UDP);
  } catch (error) {
    lacking = `no connection can be tracked and translated (CONFIG_NF_CONNTRACK, CONFIG_NFT_REDIR): ${String(error)}`;
  }
});
beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));
afterAll(() => rule?.close());

/** The connections that the kernel lists: it writes them by the same functions as those of queued packets. */
async function listed(): Promise<Conntrack[]> {
  const found: Conntrack[] = [];
  const socket = await NetlinkSocket.open(NETLINK_NETFILTER);
  try {
    await socket.request(
      { type: GET, flags: NLM_F_DUMP, write: (writer) => writer.uint8(2).uint8(0).uint16Network(0) },
      {
        visit: (reply) => {
          found.push(new Conntrack(reply.bytes.slice(reply.payloadOffset + 4, reply.end)));
        },
      },
    );
  } finally {
    await socket.close();
  }
  return found;
}

test("a connection of this kernel has its translation, counters and time stamps", async () => {
  const before = BigInt(Date.now()) * 1_000_000n;
  await using sender = await Datagrams.start();
  await sender.send("127.0.0.1", PORT, 100);
  const conntrack = (await listed()).find(({ original }) => original?.destinationPort === PORT);
  expect(conntrack).toMatchObject({
    original: { source: "127.0.0.1", destination: "127.0.0.1", protocol: UDP, destinationPort: PORT },
    reply: { sourcePort: REDIRECTED },
    destinationTranslation: { address: "127.0.0.1", port: REDIRECTED },
    sourceTranslation: undefined,
    countersOriginal: { packets: 1n, bytes: 128n },
    countersReply: { packets: 0n, bytes: 0n },
    mark: 0,
    zone: 0,
    tcp: undefined,
    helper: undefined,
  });
  expect(conntrack?.status).toEqual(expect.arrayContaining(["confirmed", "destination-nat"]));
  expect(conntrack?.status).not.toContain("seen-reply");
  expect(conntrack?.timestamps?.start).toBeGreaterThanOrEqual(before);
  expect(conntrack?.timestamps?.stop).toBeUndefined();
});
