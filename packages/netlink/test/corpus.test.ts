import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NETLINK_GENERIC,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
} from "../src/abi.js";
import { formatMessage } from "../src/diagnostics/format-message.js";
import { type PcapRecord, readPcap } from "../src/pcap/index.js";
import { openMemorySocket } from "./memory-socket.js";

/** The recordings, and message types that each must have. */
const RECORDINGS = {
  route: [
    NETLINK_ROUTE,
    "RTM_NEWLINK RTM_DELLINK RTM_NEWADDR RTM_DELADDR RTM_NEWROUTE RTM_DELROUTE RTM_NEWNEIGH RTM_NEWRULE NLMSG_DONE",
  ],
  errors: [NETLINK_ROUTE, "NLMSG_ERROR RTM_NEWROUTE RTM_NEWADDR RTM_GETLINK"],
  generic: [NETLINK_GENERIC, "CTRL_CMD_GETFAMILY CTRL_CMD_NEWFAMILY CTRL_CMD_GETPOLICY NLMSG_ERROR"],
  nftables: [
    NETLINK_NETFILTER,
    "NFNL_MSG_BATCH_BEGIN NFNL_MSG_BATCH_END NFT_MSG_NEWTABLE NFT_MSG_NEWRULE NFT_MSG_GETRULE NFT_MSG_NEWGEN",
  ],
  nfqueue: [NETLINK_NETFILTER, "NFQNL_MSG_PACKET NFQNL_MSG_VERDICT NFQNL_MSG_VERDICT_BATCH NFQNL_MSG_CONFIG"],
  nflog: [NETLINK_NETFILTER, "NFULNL_MSG_PACKET NFULNL_MSG_CONFIG"],
  conntrack: [NETLINK_NETFILTER, "IPCTNL_MSG_CT_NEW IPCTNL_MSG_CT_GET IPCTNL_MSG_CT_DELETE"],
} as const;

function recording(name: string): PcapRecord[] {
  // The recordings have the byte order of the machine that made them, which the test is skipped for elsewhere.
  return [...readPcap(readFileSync(new URL(`./fixtures/corpus/${name}.pcap`, import.meta.url)))];
}

describe.skipIf(!HOST_IS_LITTLE_ENDIAN)("real messages", () => {
  test.each(Object.entries(RECORDINGS))(
    "of %s are read, and said by name with every attribute",
    (name, [protocol, names]) => {
      const records = recording(name);
      expect(new Set(records.map((record) => record.protocol))).toEqual(new Set([protocol]));
      expect(new Set(records.map(({ direction }) => direction))).toEqual(new Set(["sent", "received"]));
      const text = records.map(({ bytes }) => formatMessage(bytes, { protocol })).join("\n");
      expect(text).not.toMatch(/no attribute|no message|no error|too deep/);
      for (const type of names.split(" ")) expect(text).toContain(`${type} (`);
    },
  );

  test("have errors with all that the kernel can say", () => {
    const text = ["errors", "generic", "nftables"]
      .flatMap(recording)
      .map(({ bytes, protocol }) => formatMessage(bytes, { protocol }))
      .join("\n");
    for (const part of [
      'text: "',
      "offset: ",
      "policy: ",
      "missing type: ",
      "error: EINVAL",
      "error: ENODEV",
      "error: ENOENT",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("of groups are told from answers", () => {
    const events = recording("route").filter(({ multicast }) => multicast);
    expect(events.length).toBeGreaterThan(10);
    expect(events.every(({ direction }) => direction === "received")).toBe(true);
  });

  test("come out of a socket as they went in", async () => {
    for (const name of Object.keys(RECORDINGS)) {
      const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 1 << 24 });
      const received = recording(name).filter(({ direction }) => direction === "received");
      for (const { bytes, multicast } of received) transport.deliver(bytes, multicast ? { group: 1 } : {});
      let length = 0;
      for (let message = socket.take(); message !== undefined; message = socket.take()) {
        length += align(message.end - message.offset);
        message.release();
      }
      expect(length).toBe(received.reduce((sum, { bytes }) => sum + align(bytes.length), 0));
      expect(socket.statistics).toMatchObject({ malformed: 0, truncated: 0, overruns: 0 });
      await socket.close();
    }
  });
});
