/** What the kernel's side of a socket in memory can do to it. */
export interface FakeSocket {
  readonly portId: number;
  /**
   * Hands a message to the socket: from the kernel to it alone where `group` and `senderPort` are 0. False when there is no room: the message
   * is lost.
   */
  deliver(bytes: Uint8Array, group?: number, senderPort?: number): boolean;
  /** True where the socket is a member of the multicast group. */
  isMember(group: number): boolean;
  /** True where the option of level SOL_NETLINK is set, such as NETLINK_EXT_ACK. */
  hasOption(option: number): boolean;
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
  readonly #options = new Set<number>();
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

  hasOption(option: number): boolean {
    return this.#options.has(option);
  }

  protected noteOption(option: number, value: number): void {
    if (value === 0) this.#options.delete(option);
    else this.#options.add(option);
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
