import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";

const RTM_NEWLINK = 16;
const LOOPBACK_INDEX = 1;
const IFF_UP = 1;

/** Brings the loopback interface up: a fresh network namespace has it down. The message is a struct ifinfomsg. */
export async function bringLoopbackUp() {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await socket.request({
    type: RTM_NEWLINK,
    write: (writer) => writer.uint32(0).uint32(LOOPBACK_INDEX).uint32(IFF_UP).uint32(IFF_UP),
  });
  await socket.close();
}
