import type { MessageSource } from "@nlring/ring-core";
import {
  NETLINK_BROADCAST_ERROR,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_LISTEN_ALL_NSID,
  NETLINK_NO_ENOBUFS,
  SOL_NETLINK,
} from "../abi.js";
import { EINVAL } from "../errno.js";
import { SystemError } from "../errors.js";
import { encodeFilter, type FilterInstruction, WRONG_FILTER } from "../transport/filter.js";
import { FilterMachine } from "./filter-machine.js";
import { decodeFilter, isValidFilter } from "./filter-program.js";

/** Options of a socket that the kernel's side acts on, by their names in `NetlinkSocket.open`. */
export interface FakeSocketOptions {
  readonly strict: boolean;
  readonly broadcastError: boolean;
  readonly extendedAck: boolean;
  readonly shortErrors: boolean;
  readonly allNamespaces: boolean;
  readonly noEnobufs: boolean;
}

/** What the kernel's side of a socket in memory can do to it. */
export interface FakeSocket {
  readonly portId: number;
  readonly options: FakeSocketOptions;
  /**
   * Hands a message to the socket: from the kernel to it alone, and from the socket's own network namespace, where `source` says nothing else.
   * False when it does not get there: there is no room, and it is lost; or the socket's filter refuses it.
   */
  deliver(bytes: Uint8Array, source?: MessageSource): boolean;
  /** True where the socket is a member of the multicast group. */
  isMember(group: number): boolean;
  /**
   * Starts a dump as the kernel does: `next` is asked for a chunk of at most `room` bytes, and for the one behind it when that was taken. It
   * returns undefined behind the last. Returns 0, or -EBUSY while another dump of the socket runs.
   */
  startDump(next: (room: number) => Uint8Array | undefined): number;
  /** Loses the next messages for this socket, as if its receive buffer were full. */
  lose(count: number): void;
}

/** What sockets in memory have in common: groups, readiness and their end. */
export abstract class MemorySocket {
  readonly #memory: ArrayBuffer;
  readonly #onClose: () => void;
  readonly #groups = new Set<number>();
  readonly #switches = new Set<number>();
  #filter: FilterMachine | undefined;
  #callback: () => void = () => {};
  #resumed = false;
  #closed = false;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(memory: ArrayBuffer, onClose: () => void) {
    this.#memory = memory;
    this.#onClose = onClose;
  }

  /** True while a message or an error waits. */
  protected abstract get isReadable(): boolean;

  protected get closed(): boolean {
    return this.#closed;
  }

  isMember(group: number): boolean {
    return this.#groups.has(group);
  }

  get options(): FakeSocketOptions {
    const switches = this.#switches;
    return {
      strict: switches.has(NETLINK_GET_STRICT_CHK),
      broadcastError: switches.has(NETLINK_BROADCAST_ERROR),
      extendedAck: switches.has(NETLINK_EXT_ACK),
      shortErrors: switches.has(NETLINK_CAP_ACK),
      allNamespaces: switches.has(NETLINK_LISTEN_ALL_NSID),
      noEnobufs: switches.has(NETLINK_NO_ENOBUFS),
    };
  }

  setOption(level: number, option: number, value: number): void {
    if (level !== SOL_NETLINK) return;
    if (value === 0) this.#switches.delete(option);
    else this.#switches.add(option);
  }

  setFilter(program: readonly FilterInstruction[]): void {
    const instructions = decodeFilter(encodeFilter(program));
    if (!isValidFilter(instructions))
      throw new SystemError("setsockopt", EINVAL, WRONG_FILTER, { subject: "SO_ATTACH_FILTER" });
    this.#filter = new FilterMachine(instructions);
  }

  clearFilter(): void {
    this.#filter = undefined;
  }

  /** What the filter leaves of a message; undefined where it refuses it. */
  protected filtered(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#filter === undefined) return bytes;
    const kept = this.#filter.run(bytes);
    return kept === 0 ? undefined : bytes.subarray(0, kept);
  }

  addMembership(group: number): void {
    this.#groups.add(group);
  }

  dropMembership(group: number): void {
    this.#groups.delete(group);
  }

  gracePeriod(): Promise<void> {
    return Promise.resolve();
  }

  onReadable(callback: () => void): void {
    this.#callback = callback;
  }

  resume(): void {
    this.#resumed = true;
    this.wake();
  }

  pause(): void {
    this.#resumed = false;
  }

  ref(): void {}

  unref(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearImmediate(this.#scheduled);
    // Detached as on Linux, so that code which reads on after the close fails here as it does there.
    structuredClone(this.#memory, { transfer: [this.#memory] });
    this.#onClose();
  }

  /** Level-triggered, like poll: calls back as long as something waits and the reader wants to know. */
  protected wake(): void {
    if (this.#scheduled !== undefined || !this.#resumed || this.#closed || !this.isReadable) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      if (!this.#resumed || this.#closed) return;
      this.#callback();
      this.wake();
    });
  }
}
