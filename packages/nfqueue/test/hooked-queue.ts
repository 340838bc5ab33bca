import {
  type MessageWriter,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_CREATE,
  type Outgoing,
} from "@nlring/netlink";

// include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h
const SUBSYSTEM = 10;
const MESSAGE = { newTable: 0, newChain: 3, newRule: 6 } as const;
const OWNER = 2;

/** Families of nftables (NFPROTO_*). */
export const FAMILY = { ip: 2, bridge: 7 } as const;
/** Hooks (NF_INET_*). */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

export interface HookedQueue {
  readonly queue: number;
  readonly family?: keyof typeof FAMILY;
  readonly hook: keyof typeof HOOK;
  /** Number of the transport protocol. */
  readonly protocol: number;
  /** By nftables' own expression, in place of the xtables target: the bridge family has nothing else. */
  readonly native?: boolean;
}

function expression(writer: MessageWriter, name: string, write: () => void): void {
  const element = writer.openNested(1);
  writer.attributeString(1, name);
  const data = writer.openNested(2);
  write();
  writer.closeNested(data);
  writer.closeNested(element);
}

/**
 * Leads packets into a queue at any hook, by nftables messages written by hand: what the queue itself makes is not under test here. The rule
 * goes with the socket.
 */
export async function hookQueue({
  queue,
  family = "ip",
  hook,
  protocol,
  native = false,
}: HookedQueue): Promise<NetlinkSocket> {
  const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { transport: "user-ring" });
  const table = `test-${socket.portId}`;
  const message = (type: number, write: (writer: MessageWriter) => void): Outgoing => ({
    type: (SUBSYSTEM << 8) | type,
    flags: NLM_F_CREATE,
    write: (writer) => write(writer.uint8(FAMILY[family]).uint8(0).uint16Network(0)),
  });
  const mark = (type: number): Outgoing => ({
    type,
    acknowledge: false,
    write: (writer) => writer.uint8(0).uint8(0).uint16Network(SUBSYSTEM),
  });
  try {
    await socket.request([
      mark(0x10),
      message(MESSAGE.newTable, (writer) =>
        writer.attributeString(1, table).attributeUint32Network(2, OWNER),
      ),
      message(MESSAGE.newChain, (writer) => {
        writer.attributeString(1, table).attributeString(3, "chain");
        const base = writer.openNested(4);
        writer.attributeUint32Network(1, HOOK[hook]).attributeUint32Network(2, 0);
        writer.closeNested(base);
        writer.attributeString(7, "filter");
      }),
      message(MESSAGE.newRule, (writer) => {
        writer.attributeString(1, table).attributeString(2, "chain");
        const expressions = writer.openNested(4);
        expression(writer, "meta", () => writer.attributeUint32Network(2, 16).attributeUint32Network(1, 1));
        expression(writer, "cmp", () => {
          writer.attributeUint32Network(1, 1).attributeUint32Network(2, 0);
          const data = writer.openNested(3);
          writer.attributeBytes(1, Uint8Array.of(protocol));
          writer.closeNested(data);
        });
        if (native) {
          expression(writer, "queue", () =>
            writer.attributeUint16Network(1, queue).attributeUint16Network(2, 1),
          );
        } else {
          expression(writer, "target", () => {
            writer.attributeString(1, "NFQUEUE").attributeUint32Network(2, 3);
            writer.attribute(3, 8).uint16(queue).uint16(1).uint16(0).uint16(0);
          });
        }
        writer.closeNested(expressions);
      }),
      mark(0x11),
    ]);
  } catch (error) {
    await socket.close();
    throw error;
  }
  return socket;
}
