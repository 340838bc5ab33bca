import { NETLINK_ROUTE, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "../abi.js";
import { EEXIST, ENODEV, EOPNOTSUPP, ERANGE } from "../errno.js";
import type { Outgoing } from "../message/outgoing.js";
import {
  IFF_UP,
  type Link,
  link,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWROUTE,
  RTM_SETLINK,
  RTNLGRP_LINK,
} from "../route/index.js";
import type { Transport, TransportProvider, TransportRequest } from "../transport/transport.js";
import { FakeAddresses } from "./fake-addresses.js";
import { FakeKernel, type FakeKernelOptions } from "./fake-kernel.js";
import type { FakePeer } from "./fake-peer.js";
import type { KernelRequest } from "./fake-request.js";
import { FakeRoutes } from "./fake-routes.js";

/** Tells the members of a group what a request changed. */
export type Tell = (group: number, message: Outgoing, cause: KernelRequest) => void;

/** The loopback device is the first of every network namespace. */
export const LOOPBACK_INDEX = 1;
const FIRST_CONTROL_TYPE = 16;
const MTU_ATTRIBUTE = 4;
const MTU_LENGTH = 4;

/**
 * A small stand-in for rtnetlink, for tests of programs that read and change links, addresses and routes:
 * `NetlinkSocket.open(NETLINK_ROUTE, { transport: new FakeRouteKernel() })`.
 *
 * It has the loopback device (down at first) and dummy devices; IPv4 addresses; IPv4 routes in any table. They can be added, removed and
 * dumped, links also asked for by index, and changes are multicast. What it refuses it refuses as Linux does. It is not Linux: routes lead
 * nowhere, a device that goes down takes its routes along and nothing else, there is no IPv6, and whatever is not named here is EOPNOTSUPP
 * or not looked at. Sockets of other protocols have their requests acknowledged and nothing done.
 */
export class FakeRouteKernel implements TransportProvider {
  readonly #kernel: FakeKernel;
  readonly #links = new Map<number, Link>();
  readonly #addresses: FakeAddresses;
  readonly #routes: FakeRoutes;
  #nextIndex = LOOPBACK_INDEX + 1;

  constructor(options: FakeKernelOptions = {}) {
    this.#kernel = new FakeKernel((request) => this.#handle(request), options);
    const tell: Tell = (group, message, cause) => {
      this.#kernel.multicast(group, message, { cause });
    };
    this.#addresses = new FakeAddresses((index) => this.#links.has(index), tell);
    this.#routes = new FakeRoutes((index) => this.#links.get(index), tell);
    this.#links.set(LOOPBACK_INDEX, newLink({ index: LOOPBACK_INDEX, type: 772, name: "lo", mtu: 65_536 }));
  }

  open(request: TransportRequest): Transport {
    return this.#kernel.open(request);
  }

  /** Another process's socket, as in FakeKernel. */
  peer(protocol: number): FakePeer {
    return this.#kernel.peer(protocol);
  }

  /** Loses the next messages to a socket, as in FakeKernel. */
  lose(portId: number, count: number): void {
    this.#kernel.lose(portId, count);
  }

  #handle(request: KernelRequest): void {
    const { type, flags } = request.message;
    if (request.protocol !== NETLINK_ROUTE || type < FIRST_CONTROL_TYPE) return;
    const dump = (flags & NLM_F_DUMP) === NLM_F_DUMP;
    if (type === RTM_GETLINK && dump) request.dump(this.#linkItems());
    else if (type === RTM_GETLINK) this.#getLink(request);
    else if (type === RTM_NEWLINK || type === RTM_SETLINK) this.#changeLink(request);
    else if (type === RTM_DELLINK) this.#removeLink(request);
    else if (type === RTM_NEWADDR) this.#addresses.add(request);
    else if (type === RTM_DELADDR) this.#addresses.remove(request);
    else if (type === RTM_GETADDR && dump) this.#addresses.dump(request);
    else if (type === RTM_NEWROUTE) this.#routes.add(request);
    else if (type === RTM_DELROUTE) this.#routes.remove(request);
    else if (type === RTM_GETROUTE && dump) this.#routes.dump(request);
    else request.fail(EOPNOTSUPP);
  }

  *#linkItems(): Generator<Outgoing> {
    for (const one of this.#links.values()) yield link.message(RTM_NEWLINK, one);
  }

  #getLink(request: KernelRequest): void {
    const found = this.#find(link.decode(request.message));
    if (found === undefined) request.fail(ENODEV);
    else request.reply(link.message(RTM_NEWLINK, found));
  }

  #changeLink(request: KernelRequest): void {
    if (refusesMtu(request)) return;
    const wanted = link.decode(request.message);
    const found = this.#find(wanted);
    const { type, flags } = request.message;
    if (found === undefined) {
      if (type === RTM_SETLINK || (flags & NLM_F_CREATE) === 0) request.fail(ENODEV);
      else this.#createLink(request, wanted);
      return;
    }
    if (type === RTM_NEWLINK && (flags & NLM_F_EXCL) !== 0) {
      request.fail(EEXIST);
      return;
    }
    const up = found.flags & IFF_UP;
    const mtu = found.mtu;
    found.flags = (found.flags & ~wanted.change) | (wanted.flags & wanted.change);
    if (wanted.mtu !== undefined) found.mtu = wanted.mtu;
    if (up !== 0 && (found.flags & IFF_UP) === 0) this.#routes.removeOf(found.index);
    // What stays as it was is not told.
    if ((found.flags & IFF_UP) !== up || found.mtu !== mtu) this.#tellLink(RTM_NEWLINK, found, request);
  }

  #createLink(request: KernelRequest, wanted: Link): void {
    if (wanted.linkInfo?.kind !== "dummy") {
      request.fail(EOPNOTSUPP, "Unknown device type");
      return;
    }
    const index = this.#nextIndex++;
    const created = newLink({
      index,
      type: 1,
      name: wanted.name ?? `dummy${index}`,
      mtu: wanted.mtu ?? 1500,
    });
    this.#links.set(index, created);
    this.#tellLink(RTM_NEWLINK, created, request);
  }

  #removeLink(request: KernelRequest): void {
    const found = this.#find(link.decode(request.message));
    if (found === undefined) request.fail(ENODEV);
    else if (found.index === LOOPBACK_INDEX) request.fail(EOPNOTSUPP);
    else {
      this.#links.delete(found.index);
      this.#routes.removeOf(found.index);
      this.#addresses.removeOf(found.index);
      this.#tellLink(RTM_DELLINK, found, request);
    }
  }

  #find({ index, name }: Link): Link | undefined {
    if (index !== 0) return this.#links.get(index);
    for (const one of this.#links.values()) if (one.name === name) return one;
    return undefined;
  }

  #tellLink(type: number, changed: Link, cause: KernelRequest): void {
    this.#kernel.multicast(RTNLGRP_LINK, link.message(type, changed), { cause });
  }
}

function newLink(fields: Pick<Link, "index" | "type" | "name" | "mtu">): Link {
  return { family: 0, flags: 0, change: 0, ...fields };
}

/** Checks the one attribute whose policy is played here; true where the request was refused. */
function refusesMtu(request: KernelRequest): boolean {
  const { message } = request;
  const attributes = message.attributes(link.headerLength);
  while (attributes.next()) {
    if (attributes.type !== MTU_ATTRIBUTE || attributes.length >= MTU_LENGTH) continue;
    request.fail(ERANGE, {
      text: "Attribute failed policy validation",
      offset: attributes.offset - 4 - message.offset,
      policy: { kind: "uint32", minimum: 0n, maximum: 0xffff_ffffn },
    });
    return true;
  }
  return false;
}
