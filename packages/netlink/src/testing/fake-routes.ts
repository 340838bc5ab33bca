import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../abi.js";
import { EEXIST, EINVAL, ENETDOWN, ENODEV, ENOENT, ESRCH } from "../errno.js";
import type { Outgoing } from "../message/outgoing.js";
import {
  AF_INET,
  IFF_UP,
  type Link,
  type Route,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTNLGRP_IPV4_ROUTE,
  route,
} from "../route/index.js";
import type { KernelRequest } from "./fake-request.js";
import type { Tell } from "./fake-route-kernel.js";

/** The IPv4 routes of a fake rtnetlink, in tables by number. */
export class FakeRoutes {
  readonly #tables = new Map<number, Map<string, Route>>();
  readonly #link: (index: number) => Link | undefined;
  readonly #tell: Tell;

  constructor(link: (index: number) => Link | undefined, tell: Tell) {
    this.#link = link;
    this.#tell = tell;
  }

  add(request: KernelRequest): void {
    const { flags } = request.message;
    const wanted = route.decode(request.message);
    const number = tableOf(wanted);
    const key = keyOf(wanted);
    const known = this.#tables.get(number)?.has(key) ?? false;
    const device = this.#link(wanted.outputInterface ?? 0);
    if (device === undefined) request.fail(ENODEV);
    else if ((device.flags & IFF_UP) === 0) request.fail(ENETDOWN, "Device for nexthop is not up");
    else if (known && ((flags & NLM_F_EXCL) !== 0 || (flags & NLM_F_REPLACE) === 0)) request.fail(EEXIST);
    else if (!known && (flags & NLM_F_CREATE) === 0) request.fail(ENOENT);
    else {
      const added = { ...wanted, family: AF_INET, table: number, shortTable: number < 256 ? number : 0 };
      const table = this.#tables.get(number) ?? new Map<string, Route>();
      this.#tables.set(number, table);
      table.set(key, added);
      const replaced = known ? NLM_F_REPLACE : 0;
      this.#tell(RTNLGRP_IPV4_ROUTE, route.message(RTM_NEWROUTE, added, replaced), request);
    }
  }

  remove(request: KernelRequest): void {
    const wanted = route.decode(request.message);
    const table = this.#tables.get(tableOf(wanted));
    const removed = table?.get(keyOf(wanted));
    if (removed === undefined) {
      request.fail(ESRCH);
      return;
    }
    table?.delete(keyOf(wanted));
    this.#tell(RTNLGRP_IPV4_ROUTE, route.message(RTM_DELROUTE, removed), request);
  }

  /** With strict checking the request's header and attributes say what is wanted; without, they are not looked at. */
  dump(request: KernelRequest): void {
    if (!request.transport.options.strict) {
      request.dump(this.#items([...this.#tables.values()]));
      return;
    }
    const wanted = route.decode(request.message);
    if (wanted.destinationLength !== 0 || wanted.sourceLength !== 0 || wanted.tos !== 0) {
      const text = "ipv4: Invalid values in header for FIB dump request";
      request.dump([], { failure: { errno: EINVAL, text } });
      return;
    }
    const number = wanted.table ?? wanted.shortTable;
    const table = this.#tables.get(number);
    if (number === 0) request.dump(this.#items([...this.#tables.values()]));
    else if (table === undefined)
      request.dump([], { failure: { errno: ENOENT, text: "ipv4: FIB table does not exist" } });
    else request.dump(this.#items([table]));
  }

  removeOf(link: number): void {
    for (const table of this.#tables.values()) {
      for (const [key, { outputInterface }] of table) if (outputInterface === link) table.delete(key);
    }
  }

  *#items(tables: readonly ReadonlyMap<string, Route>[]): Generator<Outgoing> {
    // Maps go on with what was added behind their back: the dump shows what is there when it comes to it.
    for (const table of tables) for (const one of table.values()) yield route.message(RTM_NEWROUTE, one);
  }
}

function tableOf({ table, shortTable }: Route): number {
  return table ?? (shortTable === 0 ? RT_TABLE_MAIN : shortTable);
}

function keyOf({ destination, destinationLength, priority }: Route): string {
  return `${destination}/${destinationLength} ${priority ?? 0}`;
}
