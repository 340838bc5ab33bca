import { type MessageWriter, NETLINK_NETFILTER, NetlinkSocket, type Outgoing } from "@nlring/netlink";

const NFPROTO_BRIDGE = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NLM_F_CREATE = 0x400;
const TABLE = "nlring-test";
const CHAIN = "all";

/** A rule that queues everything that enters a bridge, made without the package under test; it goes when its socket closes. */
export class BridgeRule implements AsyncDisposable {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Rejects with KernelError: ENOENT without CONFIG_NFT_QUEUE, since no xtables target queues from a bridge. */
  static async make(queue: number): Promise<BridgeRule> {
    const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { transport: "user-ring" });
    try {
      await socket.request([
        mark(0x10),
        message(0, (writer) => {
          // Name, and the flag of an owner.
          writer.attributeString(1, TABLE).attributeUint32Network(2, 2);
        }),
        message(3, (writer) => {
          writer.attributeString(1, TABLE).attributeString(3, CHAIN);
          const hook = writer.openNested(4);
          // NF_BR_PRE_ROUTING, priority 0.
          writer.attributeUint32Network(1, 0).attributeUint32Network(2, 0);
          writer.closeNested(hook).attributeString(7, "filter");
        }),
        message(6, (writer) => {
          writer.attributeString(1, TABLE).attributeString(2, CHAIN);
          const expressions = writer.openNested(4);
          const element = writer.openNested(1);
          writer.attributeString(1, "queue");
          const data = writer.openNested(2);
          writer.attributeUint16Network(1, queue).attributeUint16Network(2, 1);
          writer.closeNested(data).closeNested(element).closeNested(expressions);
        }),
        mark(0x11),
      ]);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return new BridgeRule(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket.close();
  }
}

function message(type: number, write: (writer: MessageWriter) => void): Outgoing {
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | type,
    flags: NLM_F_CREATE,
    write: (writer) => write(writer.uint8(NFPROTO_BRIDGE).uint8(0).uint16Network(0)),
  };
}

/** Begin and end of a transaction. */
function mark(type: number): Outgoing {
  return {
    type,
    acknowledge: false,
    write: (writer) => writer.uint8(0).uint8(0).uint16Network(NFNL_SUBSYS_NFTABLES),
  };
}
