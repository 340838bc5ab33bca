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

interface Chain {
  readonly family: keyof typeof FAMILY;
  readonly type: "filter" | "nat";
  readonly hook: keyof typeof HOOK;
  /** Number of the transport protocol. */
  readonly protocol: number;
}

/** Makes a chain with one rule, by nftables messages written by hand. It goes with the socket. */
async function makeRule(
  { family, type, hook, protocol }: Chain,
  act: (writer: MessageWriter) => void,
): Promise<NetlinkSocket> {
  const socket = await NetlinkSocket.open(NETLINK_NETFILTER, { transport: "user-ring" });
  const table = `test-${socket.portId}`;
  const message = (number: number, write: (writer: MessageWriter) => void): Outgoing => ({
    type: (SUBSYSTEM << 8) | number,
    flags: NLM_F_CREATE,
    write: (writer) => write(writer.uint8(FAMILY[family]).uint8(0).uint16Network(0)),
  });
  const mark = (number: number): Outgoing => ({
    type: number,
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
        writer.attributeString(7, type);
      }),
      message(MESSAGE.newRule, (writer) => {
        writer.attributeString(1, table).attributeString(2, "chain");
        const expressions = writer.openNested(4);
        expression(writer, "meta", () => writer.attributeUint32Network(2, 16).attributeUint32Network(1, 1));
        expression(writer, "cmp", () => {
          writer.attributeUint32Network(1, 1).attributeUint32Network(2, 0);
          writeData(writer, 3, [protocol]);
        });
        act(writer);
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

function writeData(writer: MessageWriter, attribute: number, octets: readonly number[]): void {
  const data = writer.openNested(attribute);
  writer.attributeBytes(1, Uint8Array.from(octets));
  writer.closeNested(data);
}

/** Leads packets into a queue at any hook: what the queue itself makes is not under test here. The rule goes with the socket. */
export function hookQueue({
  queue,
  family = "ip",
  hook,
  protocol,
  native = false,
}: HookedQueue): Promise<NetlinkSocket> {
  return makeRule({ family, type: "filter", hook, protocol }, (writer) => {
    if (native) {
      expression(writer, "queue", () => writer.attributeUint16Network(1, queue).attributeUint16Network(2, 1));
    } else {
      expression(writer, "target", () => {
        writer.attributeString(1, "NFQUEUE").attributeUint32Network(2, 3);
        writer.attribute(3, 8).uint16(queue).uint16(1).uint16(0).uint16(0);
      });
    }
  });
}

/** Redirects what is sent by a protocol to another port of this host, which has connections tracked. The rule goes with the socket. */
export function redirectTo(port: number, protocol: number): Promise<NetlinkSocket> {
  return makeRule({ family: "ip", type: "nat", hook: "output", protocol }, (writer) => {
    expression(writer, "immediate", () => {
      writer.attributeUint32Network(1, 1);
      writeData(writer, 2, [port >> 8, port & 0xff]);
    });
    expression(writer, "redir", () => writer.attributeUint32Network(1, 1));
  });
}

/**
 * Saves the marks of forwarded packets with their connections, as `meta mark != 0 ct mark set meta mark` does: without its first half, the
 * next packet of a connection would take the mark away. The rule goes with the socket.
 */
export function saveMarks(protocol: number): Promise<NetlinkSocket> {
  return makeRule({ family: "ip", type: "filter", hook: "forward", protocol }, (writer) => {
    expression(writer, "meta", () => writer.attributeUint32Network(2, 3).attributeUint32Network(1, 1));
    expression(writer, "cmp", () => {
      writer.attributeUint32Network(1, 1).attributeUint32Network(2, 1);
      writeData(writer, 3, [0, 0, 0, 0]);
    });
    expression(writer, "ct", () => writer.attributeUint32Network(2, 3).attributeUint32Network(4, 1));
  });
}
