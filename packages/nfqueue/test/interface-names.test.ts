import { type MessageWriter, NLM_F_MULTI, NLMSG_DONE } from "@nlring/netlink";
import { FakeKernel } from "@nlring/netlink/testing";
import { expect, test, vi } from "vitest";
import { InterfaceNames } from "../src/index.js";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTNLGRP_LINK = 1;
const AF_BRIDGE = 7;

function link(index: number, name: string, family = 0): (writer: MessageWriter) => void {
  return (writer) =>
    writer.uint8(family).uint8(0).uint16(1).uint32(index).uint32(0).uint32(0).attributeString(3, name);
}

function kernelWith(links: ReadonlyMap<number, string>): FakeKernel {
  return new FakeKernel((request) => {
    for (const [index, name] of links) request.reply(RTM_NEWLINK, NLM_F_MULTI, link(index, name));
    request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
  });
}

test("the names that there are are known from the start", async () => {
  await using names = await InterfaceNames.open({
    transport: kernelWith(
      new Map([
        [1, "lo"],
        [2, "eth0"],
      ]),
    ),
  });
  expect([names.get(1), names.get(2), names.get(3), names.get(0)]).toEqual([
    "lo",
    "eth0",
    undefined,
    undefined,
  ]);
});

test("an interface that comes, is renamed, leaves its bridge and goes is followed", async () => {
  const kernel = kernelWith(new Map([[1, "lo"]]));
  await using names = await InterfaceNames.open({ transport: kernel });
  kernel.multicast(RTNLGRP_LINK, RTM_NEWLINK, link(5, "veth0"));
  await vi.waitFor(() => expect(names.get(5)).toBe("veth0"));
  kernel.multicast(RTNLGRP_LINK, RTM_NEWLINK, link(5, "outside"));
  kernel.multicast(RTNLGRP_LINK, RTM_DELLINK, link(5, "outside", AF_BRIDGE));
  await vi.waitFor(() => expect(names.get(5)).toBe("outside"));
  kernel.multicast(RTNLGRP_LINK, RTM_DELLINK, link(5, "outside"));
  await vi.waitFor(() => expect(names.get(5)).toBeUndefined());
  expect(names.get(1)).toBe("lo");
});

test("after messages were lost the names are listed again, and what went meanwhile is gone", async () => {
  const links = new Map([
    [1, "lo"],
    [2, "eth0"],
  ]);
  const kernel = kernelWith(links);
  await using names = await InterfaceNames.open({ transport: kernel });
  links.delete(2);
  links.set(3, "eth1");
  // As many as the receive buffer holds, before anybody can read them.
  let sent = 0;
  while (kernel.multicast(RTNLGRP_LINK, RTM_NEWLINK, link(1, "lo")) > 0) {
    if (++sent > 1_000_000) throw new Error("the receive buffer has no end");
  }
  await vi.waitFor(() => expect(names.get(3)).toBe("eth1"));
  expect([names.get(1), names.get(2)]).toEqual(["lo", undefined]);
});

test("closed it knows no names", async () => {
  const names = await InterfaceNames.open({ transport: kernelWith(new Map([[1, "lo"]])) });
  await names.close();
  expect(names.get(1)).toBeUndefined();
});

test("a list that the kernel refuses rejects with the kernel's error", async () => {
  const kernel = new FakeKernel((request) => request.fail(-1));
  await expect(InterfaceNames.open({ transport: kernel })).rejects.toMatchObject({ code: "EPERM" });
});

test("a signal closes it", async () => {
  const controller = new AbortController();
  const names = await InterfaceNames.open({
    transport: kernelWith(new Map([[1, "lo"]])),
    signal: controller.signal,
  });
  controller.abort();
  await vi.waitFor(() => expect(names.get(1)).toBeUndefined());
});
