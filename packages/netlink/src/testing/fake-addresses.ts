import { NLM_F_EXCL, NLM_F_REPLACE } from "../abi.js";
import { EADDRNOTAVAIL, EEXIST, ENODEV } from "../errno.js";
import {
  type Address,
  AF_INET,
  address,
  RTM_DELADDR,
  RTM_NEWADDR,
  RTNLGRP_IPV4_IFADDR,
} from "../route/index.js";
import type { KernelRequest } from "./fake-request.js";
import type { Tell } from "./fake-route-kernel.js";

/** The IPv4 addresses of a fake rtnetlink. */
export class FakeAddresses {
  readonly #addresses = new Map<string, Address>();
  readonly #hasLink: (index: number) => boolean;
  readonly #tell: Tell;
  /** Counts the changes, as the kernel does to find out whether a dump is consistent. */
  #generation = 0;

  constructor(hasLink: (index: number) => boolean, tell: Tell) {
    this.#hasLink = hasLink;
    this.#tell = tell;
  }

  add(request: KernelRequest): void {
    const wanted = address.decode(request.message);
    const key = keyOf(wanted);
    const known = this.#addresses.has(key);
    if (!this.#hasLink(wanted.index)) request.fail(ENODEV, "ipv4: Device not found");
    else if (known && (request.message.flags & (NLM_F_EXCL | NLM_F_REPLACE)) !== NLM_F_REPLACE)
      request.fail(EEXIST, "ipv4: Address already assigned");
    else {
      const local = wanted.local ?? wanted.address ?? "0.0.0.0";
      const added = { ...wanted, family: AF_INET, local, address: wanted.address ?? local };
      this.#addresses.set(key, added);
      this.#generation++;
      this.#tell(RTNLGRP_IPV4_IFADDR, address.message(RTM_NEWADDR, added), request);
    }
  }

  remove(request: KernelRequest): void {
    const key = keyOf(address.decode(request.message));
    const removed = this.#addresses.get(key);
    if (removed === undefined) {
      request.fail(EADDRNOTAVAIL, "ipv4: Address not found");
      return;
    }
    this.#addresses.delete(key);
    this.#generation++;
    this.#tell(RTNLGRP_IPV4_IFADDR, address.message(RTM_DELADDR, removed), request);
  }

  dump(request: KernelRequest): void {
    let generation = this.#generation;
    const interrupted = (): boolean => {
      const changed = generation !== this.#generation;
      generation = this.#generation;
      return changed;
    };
    request.dump(this.#items(), { interrupted });
  }

  removeOf(link: number): void {
    for (const [key, { index }] of this.#addresses) if (index === link) this.#addresses.delete(key);
    this.#generation++;
  }

  *#items(): Generator<ReturnType<typeof address.message>> {
    // A map goes on with what was added behind its back, as the kernel's list does.
    for (const one of this.#addresses.values()) yield address.message(RTM_NEWADDR, one);
  }
}

function keyOf({ index, prefixLength, local, address: peer }: Address): string {
  return `${index} ${local ?? peer}/${prefixLength}`;
}
