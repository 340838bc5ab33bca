// The routes that dumps are measured on.
import { NETLINK_ROUTE, NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL } from "@nlring/netlink";
import { AF_INET, RTM_GETROUTE, RTM_NEWROUTE, route } from "@nlring/netlink/route";

const RT_TABLE_MAIN = 254;
const LOOPBACK_INDEX = 1;

/** Routes made between two reports of progress. */
const STEP = 10_000;

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
      shortTable: RT_TABLE_MAIN,
      protocol: "static",
      scope: "link",
      type: "unicast",
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
