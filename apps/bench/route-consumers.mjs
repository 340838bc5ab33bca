// Who lists the routes: each way resolves with how many there were.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { AF_INET } from "@nlring/netlink/route";
import { dumpRoutes } from "./routes.mjs";

const run = promisify(execFile);

/**
 * @typedef {object} Consumer
 * @property {() => Promise<number>} list
 * @property {() => Promise<void> | void} close
 */

/** @returns {Promise<Consumer>} */
async function collecting() {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  return { list: async () => (await dumpRoutes(socket).all()).length, close: () => socket.close() };
}

/** @returns {Promise<Consumer>} */
export async function iterating() {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  const list = async () => {
    let count = 0;
    for await (const route of dumpRoutes(socket)) if (route.family === AF_INET) count++;
    return count;
  };
  return { list, close: () => socket.close() };
}

/**
 * The npm package `netlink`; undefined where it is not installed or has no build for this system.
 *
 * @returns {Promise<Consumer | undefined>}
 */
async function npmNetlink() {
  try {
    const { createRtNetlink } = await import("netlink");
    const socket = createRtNetlink();
    return {
      list: async () => (await socket.getRoutes({ family: AF_INET })).length,
      close: () => socket.socket.close(),
    };
  } catch {
    return undefined;
  }
}

/**
 * The program `ip` of iproute2, and JSON.parse; undefined where it is not installed.
 *
 * @returns {Promise<Consumer | undefined>}
 */
async function ipProgram() {
  const list = async () => {
    const argv = ["-4", "-json", "route", "show", "table", "all"];
    const { stdout } = await run("ip", argv, { maxBuffer: 1 << 30 });
    return JSON.parse(stdout).length;
  };
  try {
    await run("ip", ["-json", "link"]);
  } catch {
    return undefined;
  }
  return { list, close: () => {} };
}

/**
 * The ways by name.
 *
 * @type {Readonly<Record<string, () => Promise<Consumer | undefined>>>}
 */
export const CONSUMERS = { collected: collecting, iterated: iterating, npm: npmNetlink, ip: ipProgram };
