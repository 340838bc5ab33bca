import { type Message, type MessageWriter, type NetlinkSocket, NLM_F_DUMP } from "@nlring/netlink";

// include/uapi/linux/rtnetlink.h, if_link.h, if.h
export const RTM_NEWLINK = 16;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFF_UP = 1;
export const RTNLGRP_LINK = 1;
export const LOOPBACK = 1;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
}

/** struct ifinfomsg */
export function writeLinkHeader(writer: MessageWriter, index: number, flags = 0, change = 0): MessageWriter {
  return writer.uint32(0).uint32(index).uint32(flags).uint32(change);
}

export async function listLinks(socket: NetlinkSocket): Promise<Link[]> {
  const links: Link[] = [];
  await socket.request(
    { type: RTM_GETLINK, flags: NLM_F_DUMP, write: (writer) => writeLinkHeader(writer, 0) },
    { visit: (reply) => links.push(readLink(reply)) },
  );
  return links;
}

export async function setLoopback(socket: NetlinkSocket, up: boolean): Promise<void> {
  await socket.request({
    type: RTM_SETLINK,
    write: (writer) => writeLinkHeader(writer, LOOPBACK, up ? IFF_UP : 0, IFF_UP),
  });
}

export function readLink(message: Message): Link {
  const header = new DataView(message.bytes.buffer, message.bytes.byteOffset + message.payloadOffset, 16);
  const host = new Uint32Array(2);
  new Uint8Array(host.buffer).set(new Uint8Array(header.buffer, header.byteOffset + 4, 8));
  const [index = 0, flags = 0] = host;
  let name = "";
  let mtu = 0;
  const attributes = message.attributes(16);
  while (attributes.next()) {
    if (attributes.type === IFLA_IFNAME) name = attributes.string();
    else if (attributes.type === IFLA_MTU) mtu = attributes.uint32();
  }
  return { index, name, up: (flags & IFF_UP) !== 0, mtu };
}
