// Lists the network interfaces and their addresses: a dump inside a dump, over one netlink socket. Needs no privilege.
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { address, link, RTM_GETADDR, RTM_GETLINK } from "@nlring/netlink/route";

const socket = await NetlinkSocket.open(NETLINK_ROUTE);
for await (const { index, name, mtu } of socket.dump(link.message(RTM_GETLINK), link)) {
  console.log(`${name} mtu ${mtu}`);
  for await (const one of socket.dump(address.message(RTM_GETADDR), address)) {
    if (one.index === index) console.log(`  ${one.address}/${one.prefixLength}`);
  }
}
console.log(`over ${socket.transport.kind}: ${socket.transport.reason}`);
await socket.close();
