import { NETLINK_NETFILTER, NetlinkSocket } from "@nlring/netlink";

const MESSAGE_PACKET = 3 << 8;
const MESSAGE_VERDICT = (3 << 8) | 1;
const MESSAGE_CONFIG = (3 << 8) | 2;
const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
const NFQA_MARK = 3;
const NFQA_VLAN = 19;
const NFQA_VLAN_TCI = 2;
const NFQA_PRIORITY = 21;

/** A listener on a queue, written without the package under test: it accepts every packet and notes what the kernel says of it. */
export class RawQueue implements AsyncDisposable {
  readonly seen: { mark: number; priority: number; vlan: number }[] = [];
  readonly #socket: NetlinkSocket;
  readonly #receiving: Promise<void>;

  private constructor(socket: NetlinkSocket, number: number) {
    this.#socket = socket;
    this.#receiving = socket.receive((message) => {
      if (message.type !== MESSAGE_PACKET) return;
      const packet = { mark: 0, priority: 0, vlan: 0 };
      let id = 0;
      const attributes = message.attributes(4);
      while (attributes.next()) {
        if (attributes.type === NFQA_PACKET_HDR) id = attributes.view.getUint32(attributes.offset);
        if (attributes.type === NFQA_MARK) packet.mark = attributes.uint32Network();
        if (attributes.type === NFQA_PRIORITY) packet.priority = attributes.uint32Network();
        if (attributes.type !== NFQA_VLAN) continue;
        const tag = attributes.nested();
        while (tag.next()) if (tag.type === NFQA_VLAN_TCI) packet.vlan = tag.uint16Network();
      }
      this.seen.push(packet);
      const writer = socket.compose(MESSAGE_VERDICT, 0, 16).uint8(0).uint8(0).uint16Network(number);
      writer.attribute(NFQA_VERDICT_HDR, 8).uint32Network(1).uint32Network(id);
      socket.commit();
    });
  }

  static async open(number: number): Promise<RawQueue> {
    const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { ordered: true });
    await socket.request({
      type: MESSAGE_CONFIG,
      write: (writer) => {
        writer.uint8(0).uint8(0).uint16Network(number);
        // Bind, and metadata alone.
        writer.attribute(1, 4).uint8(1).uint8(0).uint16Network(0);
        writer.attribute(2, 5).uint32Network(0).uint8(1).pad();
      },
    });
    return new RawQueue(socket, number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket.close();
    await this.#receiving;
  }
}
