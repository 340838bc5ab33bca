// Lists the network interfaces, by a dump over a netlink socket. Needs no privilege.
import { NETLINK_ROUTE, NetlinkSocket, NLM_F_DUMP } from "@nlring/netlink";

// include/uapi/linux/rtnetlink.h and if_link.h
const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
/** Bytes of struct ifinfomsg, which precedes the attributes; the interface's index lies at its byte 4. */
const IFINFOMSG_LENGTH = 16;

const socket = await NetlinkSocket.open(NETLINK_ROUTE);
await socket.request(
  { type: RTM_GETLINK, flags: NLM_F_DUMP, write: (writer) => writer.uint32(0).uint32(0).uint32(0).uint32(0) },
  {
    visit: (link) => {
      let name = "";
      let mtu = 0;
      const attributes = link.attributes(IFINFOMSG_LENGTH);
      while (attributes.next()) {
        if (attributes.type === IFLA_IFNAME) name = attributes.string();
        else if (attributes.type === IFLA_MTU) mtu = attributes.uint32();
      }
      console.log(`${name} mtu ${mtu}`);
    },
  },
);
console.log(`over ${socket.transport.kind}: ${socket.transport.reason}`);
await socket.close();
