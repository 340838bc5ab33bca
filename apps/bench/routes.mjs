// The routes that dumps are measured on, and their schema.
import {
  ipAddress,
  message,
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  struct,
  uint8,
  uint32,
} from "@nlring/netlink";

// include/uapi/linux/rtnetlink.h, socket.h
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const AF_INET = 2;
const LOOPBACK_INDEX = 1;

/** Routes made between two reports of progress. */
const STEP = 10_000;

const route = message(
  struct({
    family: uint8,
    destinationLength: uint8,
    sourceLength: uint8,
    tos: uint8,
    tableByte: uint8,
    protocol: uint8,
    scope: uint8,
    type: uint8,
    flags: uint32,
  }),
  {
    destination: [1, ipAddress],
    source: [2, ipAddress],
    inputInterface: [3, uint32],
    outputInterface: [4, uint32],
    gateway: [5, ipAddress],
    priority: [6, uint32],
    preferredSource: [7, ipAddress],
    table: [15, uint32],
  },
);

/**
 * Adds routes to 10.0.0.0, 10.0.0.1 and so on, on the loopback interface, which must be up.
 *
 * @param {number} count
 * @param {(added: number) => void} onProgress
 */
export async function addRoutes(count, onProgress) {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  for (let added = 0; added < count; ) {
    const end = Math.min(count, added + STEP);
    const requests = [];
    for (; added < end; added++) requests.push(socket.request(newRoute(added)));
    await Promise.all(requests);
    onProgress(added);
  }
  await socket.close();
}

/** @param {number} number */
function newRoute(number) {
  return route.message(
    RTM_NEWROUTE,
    {
      family: AF_INET,
      destinationLength: 32,
      tableByte: RT_TABLE_MAIN,
      protocol: RTPROT_STATIC,
      scope: RT_SCOPE_LINK,
      type: RTN_UNICAST,
      destination: `10.${number >> 16}.${(number >> 8) & 0xff}.${number & 0xff}`,
      outputInterface: LOOPBACK_INDEX,
      priority: 100,
    },
    NLM_F_CREATE | NLM_F_EXCL,
  );
}

/**
 * The IPv4 routes of all tables, as objects of the schema.
 *
 * @param {NetlinkSocket} socket
 */
export function dumpRoutes(socket) {
  return socket.dump(route.message(RTM_GETROUTE, { family: AF_INET }), route);
}
