import {
  KernelError,
  type MessageWriter,
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from "@nlring/netlink";
import { requireKernel, type SkippableContext } from "../../../tools/kernel-requirement.js";
import { Datagrams } from "./datagrams.js";

// include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, veth.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_BR_NF_CALL_IPTABLES = 36;
const VETH_INFO_PEER = 1;
const IFLA_VLAN_ID = 1;
const IFLA_LINK = 5;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const AF_INET = 2;
const UP = 1;

const BRIDGE_INDEX = 1000;

/** A sender in a network namespace of its own, behind a port of the bridge. */
export interface Peer {
  readonly datagrams: Datagrams;
  readonly address: string;
  readonly hardwareAddress: string;
  /** Index of the bridge's port. */
  readonly port: number;
}

/** struct ifinfomsg */
function writeLink(writer: MessageWriter, index: number, flags = 0): MessageWriter {
  return writer.uint32(0).uint32(index).uint32(flags).uint32(flags);
}

async function addAddress(socket: NetlinkSocket, index: number, octets: readonly number[]): Promise<void> {
  const address = Uint8Array.from(octets);
  await socket.request({
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE,
    write: (writer) =>
      writer
        .uint8(AF_INET)
        .uint8(24)
        .uint8(0)
        .uint8(0)
        .uint32(index)
        .attributeBytes(IFA_LOCAL, address)
        .attributeBytes(IFA_ADDRESS, address),
  });
}

/** A bridge with an address, 10.9.0.1, and two peers behind its ports; what passes it meets the hooks of IPv4 (br_netfilter). */
export class BridgedPeers implements AsyncDisposable {
  readonly bridge = { index: BRIDGE_INDEX, name: "bridge-test", address: "10.9.0.1" };
  readonly peers: readonly Peer[];
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket, peers: readonly Peer[]) {
    this.#socket = socket;
    this.peers = peers;
  }

  /** Rejects with the kernel's error where it has no bridges, no veth, or no br_netfilter. */
  static async make(): Promise<BridgedPeers> {
    const socket = await NetlinkSocket.open(NETLINK_ROUTE);
    const peers: Peer[] = [];
    const made = new BridgedPeers(socket, peers);
    try {
      await made.#makeBridge();
      for (const number of [1, 2]) peers.push(await made.#makePeer(number));
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Left to the end of the peers' namespaces, ports would stay until the kernel's worker for those gets to them, and the next
    // bridge would find its names taken.
    for (const index of [...this.peers.map(({ port }) => port), BRIDGE_INDEX]) {
      await this.#socket
        .request({ type: RTM_DELLINK, write: (writer) => writeLink(writer, index) })
        .catch(() => {});
    }
    for (const { datagrams } of this.peers) await datagrams[Symbol.asyncDispose]();
    await this.#socket.close();
  }

  async #makeBridge(): Promise<void> {
    await this.#socket.request({
      type: RTM_NEWLINK,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      write: (writer) => {
        writeLink(writer, BRIDGE_INDEX, UP).attributeString(IFLA_IFNAME, this.bridge.name);
        const information = writer.openNested(IFLA_LINKINFO);
        writer.attributeString(IFLA_INFO_KIND, "bridge");
        const data = writer.openNested(IFLA_INFO_DATA);
        writer.attribute(IFLA_BR_NF_CALL_IPTABLES, 1).uint8(1).pad();
        writer.closeNested(data);
        writer.closeNested(information);
      },
    });
    await addAddress(this.#socket, BRIDGE_INDEX, [10, 9, 0, 1]);
  }

  async #makePeer(number: number): Promise<Peer> {
    const datagrams = await Datagrams.start({ ownNamespace: true });
    const port = BRIDGE_INDEX + number;
    const hardware = [2, 0, 0, 0, 9, number];
    try {
      await this.#socket.request({
        type: RTM_NEWLINK,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        write: (writer) => {
          writeLink(writer, port, UP)
            .attributeString(IFLA_IFNAME, `port-${number}`)
            .attributeUint32(IFLA_MASTER, BRIDGE_INDEX);
          const information = writer.openNested(IFLA_LINKINFO);
          writer.attributeString(IFLA_INFO_KIND, "veth");
          const data = writer.openNested(IFLA_INFO_DATA);
          // Its end cannot be up before there is the other one.
          const peer = writer.openNested(VETH_INFO_PEER);
          writeLink(writer, 10)
            .attributeString(IFLA_IFNAME, "outside")
            .attributeBytes(IFLA_ADDRESS, Uint8Array.from(hardware))
            .attributeUint32(IFLA_NET_NS_PID, datagrams.processId);
          writer.closeNested(peer);
          writer.closeNested(data);
          writer.closeNested(information);
        },
      });
      const outside = await NetlinkSocket.open(NETLINK_ROUTE, { namespace: datagrams.namespace });
      try {
        await outside.request({ type: RTM_NEWLINK, write: (writer) => writeLink(writer, 10, UP) });
        await addAddress(outside, 10, [10, 9, 0, 10 + number]);
      } finally {
        await outside.close();
      }
    } catch (error) {
      await datagrams[Symbol.asyncDispose]();
      throw error;
    }
    return {
      datagrams,
      address: `10.9.0.${10 + number}`,
      hardwareAddress: hardware.map((octet) => octet.toString(16).padStart(2, "0")).join(":"),
      port,
    };
  }
}

/** Makes them; skips the test where the kernel cannot. */
export async function requireBridge(context: SkippableContext): Promise<BridgedPeers> {
  try {
    return await BridgedPeers.make();
  } catch (error) {
    const isLack =
      error instanceof KernelError && ["EOPNOTSUPP", "ENOENT", "EAFNOSUPPORT"].includes(error.code);
    const options = "CONFIG_BRIDGE, CONFIG_BRIDGE_NETFILTER, CONFIG_VETH";
    requireKernel(context, !isLack, `no bridge can be made (${options}): ${String(error)}`);
    throw error;
  }
}

/** Has the peer send with a VLAN tag what it sends to 10.10.0.0/24. Rejects with the kernel's error where it has no VLANs. */
export async function tagPeer(peer: Peer, id: number): Promise<void> {
  const outside = await NetlinkSocket.open(NETLINK_ROUTE, { namespace: peer.datagrams.namespace });
  try {
    await outside.request({
      type: RTM_NEWLINK,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      write: (writer) => {
        writeLink(writer, 11, UP).attributeString(IFLA_IFNAME, "tagged").attributeUint32(IFLA_LINK, 10);
        const information = writer.openNested(IFLA_LINKINFO);
        writer.attributeString(IFLA_INFO_KIND, "vlan");
        const data = writer.openNested(IFLA_INFO_DATA);
        writer.attributeUint16(IFLA_VLAN_ID, id);
        writer.closeNested(data);
        writer.closeNested(information);
      },
    });
    await addAddress(outside, 11, [10, 10, 0, 1]);
  } finally {
    await outside.close();
  }
}
