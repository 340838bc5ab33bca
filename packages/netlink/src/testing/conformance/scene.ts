import { NETLINK_ROUTE, NETLINK_USERSOCK, NLM_F_CREATE, NLM_F_EXCL } from "../../abi.js";
import type { Outgoing } from "../../message/outgoing.js";
import {
  AF_INET,
  address,
  IFF_UP,
  link,
  RT_TABLE_MAIN,
  RTM_DELADDR,
  RTM_NEWADDR,
  RTM_NEWROUTE,
  RTM_SETLINK,
  route,
} from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { LOOPBACK_INDEX } from "../fake-route-kernel.js";
import type { Stage, StagePeer, StageSocketOptions } from "./case.js";

/** The sockets and the changes of one case, which end with it. */
export class Scene {
  readonly #stage: Stage;
  readonly #sockets: NetlinkSocket[] = [];
  readonly #peers: StagePeer[] = [];
  readonly #kept: AsyncDisposable[] = [];
  /** Requests that take back what was changed. */
  readonly #undo: Outgoing[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async open(protocol: number, options: StageSocketOptions = {}): Promise<NetlinkSocket> {
    const socket = await this.#stage.open(protocol, options);
    this.#sockets.push(socket);
    return socket;
  }

  /** A socket of NETLINK_ROUTE, with the loopback device up. */
  async openRoute(options: StageSocketOptions = {}): Promise<NetlinkSocket> {
    const socket = await this.open(NETLINK_ROUTE, options);
    this.#undo.push(loopback(false));
    await socket.request(loopback(true));
    return socket;
  }

  peer(protocol: number): StagePeer {
    const peer = this.#stage.peer(protocol);
    this.#peers.push(peer);
    return peer;
  }

  /** A socket of NETLINK_USERSOCK and a peer that sends to it. */
  async openPair(options: StageSocketOptions = {}): Promise<{ socket: NetlinkSocket; peer: StagePeer }> {
    return { socket: await this.open(NETLINK_USERSOCK, options), peer: this.peer(NETLINK_USERSOCK) };
  }

  /** Closes what is opened by something else than the scene when that ends. */
  async keep<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    const opened = await opening;
    this.#kept.push(opened);
    return opened;
  }

  /** Adds the routes 10.0.0.0/32 and on to the loopback device. They vanish with the scene, when the device goes down. */
  async addRoutes(count: number): Promise<void> {
    const socket = await this.openRoute();
    await Promise.all(Array.from({ length: count }, (_, number) => socket.request(newRoute(number))));
  }

  /** Adds the addresses 10.128.0.0/32 and on to the loopback device. */
  async addAddresses(count: number): Promise<void> {
    const socket = await this.openRoute();
    const numbers = Array.from({ length: count }, (_, number) => number);
    await Promise.all(numbers.map((number) => socket.request(this.newAddress(number))));
  }

  /** A request that adds an address to the loopback device; it is removed at the end of the scene. */
  newAddress(number: number): Outgoing {
    const values = addressValues(number);
    this.#undo.push(address.message(RTM_DELADDR, values));
    return address.message(RTM_NEWADDR, values, NLM_F_CREATE | NLM_F_EXCL);
  }

  async end(): Promise<void> {
    for (const peer of this.#peers) peer.close();
    for (const opened of this.#kept) await opened[Symbol.asyncDispose]();
    for (const socket of this.#sockets) await socket.close();
    if (this.#undo.length === 0) return;
    const socket = await this.#stage.open(NETLINK_ROUTE, {});
    // What is gone already is as it should be.
    await Promise.allSettled(this.#undo.map((request) => socket.request(request)));
    await socket.close();
  }
}

/** Sets the loopback device up or down. */
export function loopback(up: boolean): Outgoing {
  return link.message(RTM_SETLINK, { index: LOOPBACK_INDEX, flags: up ? IFF_UP : 0, change: IFF_UP });
}

/** The values of the route number `number`. */
export function routeValues(number: number): Parameters<typeof route.message>[1] {
  return {
    family: AF_INET,
    destinationLength: 32,
    shortTable: RT_TABLE_MAIN,
    protocol: "static",
    scope: "link",
    type: "unicast",
    destination: `10.${number >> 16}.${(number >> 8) & 0xff}.${number & 0xff}`,
    outputInterface: LOOPBACK_INDEX,
  };
}

export function newRoute(number: number): Outgoing {
  return route.message(RTM_NEWROUTE, routeValues(number), NLM_F_CREATE | NLM_F_EXCL);
}

/** The values of the address number `number`. */
export function addressValues(number: number): Parameters<typeof address.message>[1] {
  const local = `10.${128 + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`;
  return { family: AF_INET, prefixLength: 32, index: LOOPBACK_INDEX, local, address: local };
}
