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
const PORT = 5390;

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
 * Where the packets of a row's consumer come from.
 *
 * @param {number} lane which of the row's consumers
 */
export function laneOf(lane) {
  return { port: PORT + lane, queue: QUEUE + lane * MOST_QUEUES };
}

/**
 * Leads the traffic of each lane into `queues` queues of its own while `action` runs.
 *
 * @template T
 * @param {number} lanes
 * @param {number} queues
 * @param {() => Promise<T>} action
 */
export async function withRules(lanes, queues, action) {
  const rules = new QueueRules([QUEUE, laneOf(lanes).queue - 1]);
  try {
    // One chain for all: behind a verdict a packet goes through the chains that are still to come.
    const matches = Array.from({ length: lanes }, (_, lane) => {
      const { port, queue } = laneOf(lane);
      /** @type {[number, number]} */
      const range = [queue, queue + queues - 1];
      return [
        /** @type {const} */ ({ hook: "input", protocol: "udp", destinationPort: port, queues: range }),
        /** @type {const} */ ({ hook: "input", protocol: "tcp", destinationPort: port, queues: range }),
      ];
    });
    await rules.intercept(...matches.flat());
    return await action();
  } finally {
    await rules.close();
  }
}
