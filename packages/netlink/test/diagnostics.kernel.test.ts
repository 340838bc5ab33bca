import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatMessage, NETLINK_GENERIC, NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { PcapWriter, readPcap } from "@nlring/netlink/pcap";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listLinks, RTM_GETLINK, RTNLGRP_LINK, setLoopback } from "./links.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "capture-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a capture has a dump of the links, the events of a change, and what was asked for alone", async () => {
  const path = join(folder, "links.pcap");
  const capture = PcapWriter.open(path, { protocols: [NETLINK_ROUTE] });
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  const events = await NetlinkSocket.open(NETLINK_ROUTE);
  const other = await NetlinkSocket.open(NETLINK_GENERIC);
  events.addMembership(RTNLGRP_LINK);
  const links = await listLinks(socket);
  await other.request({ type: 16, write: (writer) => writer.uint8(3).uint8(1).uint16(0) }).catch(() => {});
  await setLoopback(socket, true);
  await setLoopback(socket, false);
  await events.readable();
  for (let message = events.take(); message !== undefined; message = events.take()) message.release();
  for (const opened of [socket, events, other]) await opened.close();
  await capture.close();

  const records = [...readPcap(readFileSync(path))];
  expect(records).toHaveLength(capture.captured);
  expect(capture.dropped).toBe(0);
  expect(new Set(records.map(({ protocol }) => protocol))).toEqual(new Set([NETLINK_ROUTE]));
  const text = (wanted: (typeof records)[number][]): string =>
    wanted.map(({ bytes }) => formatMessage(bytes, { protocol: NETLINK_ROUTE })).join("\n");
  expect(text(records.slice(0, 1))).toContain(`RTM_GETLINK (${RTM_GETLINK}) flags REQUEST|DUMP`);
  const answers = text(records.filter(({ direction, multicast }) => direction === "received" && !multicast));
  expect(answers).toContain("NLMSG_DONE (3)");
  for (const { name } of links) expect(answers).toContain(`"${name}"`);
  expect(text(records.filter(({ multicast }) => multicast))).toContain("RTM_NEWLINK (16)");
  const times = records.map(({ timestamp }) => timestamp);
  expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
});
