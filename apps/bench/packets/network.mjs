// The network that packets are measured on: the loopback interface of a network namespace of its own, as a link of 1,500 bytes.
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { QueueRules } from "@nlring/nfqueue";

const RTM_NEWLINK = 16;
const LOOPBACK_INDEX = 1;
const IFF_UP = 1;
const IFLA_MTU = 4;
const IFLA_GSO_MAX_SEGS = 40;
const MTU = 1500;
const MOST_SEGMENTS = 65_535;

export const QUEUE = 90;
/** The most queues that a consumer listens on. */
export const MOST_QUEUES = 2;
export const PORT = 5390;

/**
 * Whether packets go over the link in one piece with their segments, or as a network card would send them: one by one. Either way the sender
 * hands them to the kernel many at a time, which is what keeps a fast consumer busy.
 *
 * @param {boolean} segmented
 */
export async function setSegmentation(segmented) {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await socket.request({
    type: RTM_NEWLINK,
    write: (writer) => {
      writer.uint32(0).uint32(LOOPBACK_INDEX).uint32(IFF_UP).uint32(IFF_UP);
      writer.attributeUint32(IFLA_MTU, MTU);
      writer.attributeUint32(IFLA_GSO_MAX_SEGS, segmented ? MOST_SEGMENTS : 1);
    },
  });
  await socket.close();
}

/**
 * Leads the traffic into `queues` queues while `action` runs.
 *
 * @template T
 * @param {number} queues
 * @param {() => Promise<T>} action
 */
export async function withRules(queues, action) {
  const rules = new QueueRules(QUEUE);
  /** @type {{ queues?: [number, number] }} */
  const balance = queues === 1 ? {} : { queues: [QUEUE, QUEUE + queues - 1] };
  try {
    await rules.intercept(
      { hook: "input", protocol: "udp", destinationPort: PORT, ...balance },
      { hook: "input", protocol: "tcp", destinationPort: PORT, ...balance },
    );
    return await action();
  } finally {
    await rules.close();
  }
}
