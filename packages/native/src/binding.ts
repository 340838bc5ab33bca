/** Shape of one ring, as struct nl_mmap_req of the kernel has it: bytes and numbers of blocks and frames. */
export interface NativeRingGeometry {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly frameSize: number;
  readonly frameCount: number;
}

/**
 * A netlink socket (AF_NETLINK, close-on-exec, non-blocking) with its rings.
 *
 * Set-up calls throw the system's error (`code`, negative `errno`, `syscall`, and `option` where a socket option was
 * refused). `fill`, `drain`, `send` and `receive`, which run per packet, return a negative error number instead. Once
 * closed, the first throw ERR_SOCKET_CLOSED and the second return -EBADF. Wrong arguments throw a TypeError or RangeError.
 */
export interface NativeSocket {
  /** Binds to a port (0: the kernel chooses) and to a mask of the first 32 multicast groups; returns the port. */
  bind(portId: number, groups: number): number;
  /**
   * Connects a new socket to the kernel: what other processes sent to this port before is thrown away, and refused (ECONNREFUSED) from then on.
   * Multicast messages still come, so only of a socket in no group `fill` knows that each message is the kernel's own: it does not ask who sent it,
   * which is cheaper.
   */
  connect(): void;
  /** The port that the socket is bound to; 0 while it is not. */
  readonly portId: number;
  /** Joins a multicast group by number, and has the group of each message told from then on. */
  addMembership(group: number): void;
  dropMembership(group: number): void;
  /** setsockopt with a 32-bit integer. */
  setOption(level: number, option: number, value: number): void;
  /** getsockopt of a 32-bit integer. */
  getOption(level: number, option: number): number;
  /**
   * Has a classic BPF program decide what the socket receives (SO_ATTACH_FILTER): instructions of 8 bytes as struct sock_filter
   * (include/uapi/linux/filter.h), in host byte order. It takes the place of the one before. Throws EINVAL for a wrong program.
   */
  attachFilter(program: Uint8Array): void;
  /** Takes the program away (SO_DETACH_FILTER); does nothing where there is none. */
  detachFilter(): void;
  /** Size of the receive buffer in bytes, as the kernel accounts them (twice what SO_RCVBUF was set to). */
  readonly receiveBuffer: number;
  /** Asks for a receive buffer of that size, beyond net.core.rmem_max where privilege allows; returns what came. */
  setReceiveBuffer(bytes: number): number;
  /** Messages lost to a full receive buffer (SO_MEMINFO). Throws ENOPROTOOPT before Linux 4.12. */
  drops(): number;
  /**
   * Maps anonymous memory for both rings, RX first, TX right behind it, at most 4 GiB together. Its views have length 0 after
   * `close`. A socket has one mapping: a second throws EBUSY. Node does not transfer such memory to another thread; code that
   * detaches it by ArrayBuffer.prototype.transfer takes the ring from the socket: `fill` and `drain` return -EFAULT from then on.
   */
  mapUserRing(rx: NativeRingGeometry, tx: NativeRingGeometry): ArrayBuffer;
  /** Has the kernel map its own rings (NETLINK_RX_RING, NETLINK_TX_RING); throws its error where it refuses. */
  mapKernelRing(rx: NativeRingGeometry, tx: NativeRingGeometry): ArrayBuffer;
  /**
   * User ring: one recvmmsg of up to `limit` (at most 64) messages straight into free frames in ring order, passing over held
   * ones. Writes each header and stores the status last: length, group, the sender's port in the pid field (0 for the kernel), and
   * in the gid field the id of the network namespace where NETLINK_LISTEN_ALL_NSID has the kernel tell it, else 0xffffffff.
   * A message larger than a frame becomes a COPY frame and waits for `takeCopied`.
   *
   * With `fromFirst` it goes back to the first frame before it begins, unless a fill ahead is under way: for a reader that has given every frame
   * back and goes back too. The frames in use are then few, and stay in the processor's caches.
   *
   * Returns how many; 0 when none waits; -ENOSPC when the frame at the head is not free; -ENOBUFS when the receive buffer overran;
   * -EOPNOTSUPP without a user ring.
   */
  fill(limit: number, fromFirst?: boolean): number;
  /**
   * Begins a fill of up to `limit` (at most 32) messages in another thread. The next `fill` takes what it brought, once it has ended, and fills
   * no more itself; where nothing came it is a fill as always. Frames that are free now are its own until then. Does nothing where none is,
   * while one is under way, or without a user ring.
   */
  fillAhead(limit: number): void;
  /** The message of the oldest COPY frame; shorter than the frame's length where even the spare memory cut it. */
  takeCopied(): Uint8Array | undefined;
  /**
   * User ring: sends the consecutive VALID frames from the head to the kernel, gathered into as few sends as the send buffer
   * allows, and frees them. Kernel ring: lets the kernel send them. Returns bytes; unsent frames stay VALID. A length that is no
   * multiple of 4 or does not fit its frame gives -EINVAL, and one beyond the send buffer -EMSGSIZE.
   */
  drain(): number;
  /**
   * poll(2) on the socket without waiting: true where it is readable, or a fill ahead is under way. A kernel ring's dumps go on inside it, and nowhere else.
   */
  poll(): boolean;
  /** Sends bytes to a port and a mask of groups, by default to the kernel. Returns bytes. */
  send(messages: Uint8Array, portId?: number, groups?: number): number;
  /** Receives one message. Returns its full length: more than `into` holds where it was cut. */
  receive(into: Uint8Array): number;
  /** Port of the sender of the last message received by `receive`; 0 is the kernel. */
  readonly senderPort: number;
  /** Multicast group of the last message received by `receive`; 0 for none. */
  readonly group: number;
  /**
   * Names what is called while the socket is readable and resumed, again and again until it was read empty. Once for a socket: a
   * second throws EEXIST. What the callback throws is an uncaught exception. Starts paused; `resume` before it does nothing.
   */
  onReadable(callback: () => void): void;
  resume(): void;
  pause(): void;
  /** Has the watched socket keep the event loop alive (the default). */
  ref(): void;
  unref(): void;
  /** Closes the socket and empties the rings' memory; the memory itself goes when its ArrayBuffer is collected. */
  close(): void;
}

/** What the addon exports. */
export interface NativeAddon {
  readonly version: number;
  /** Bytes per page of memory; a kernel ring's blocks are multiples of it. */
  readonly pageSize: number;
  /** Sizes and offsets in bytes of the structures, as the addon was compiled. */
  readonly layout: Readonly<Record<string, number>>;
  /**
   * Opens a netlink socket, in a network namespace by path or descriptor where one is given: a thread of its own enters it,
   * opens the socket and ends. Or takes a netlink socket of the protocol over by its descriptor, and makes it close-on-exec and
   * non-blocking: it keeps its port, groups and options, and is the caller's no more. Throws EBADF or ENOTSOCK for what is no
   * socket, EAFNOSUPPORT for one of another family and EPROTOTYPE for another protocol's; the descriptor stays open then.
   */
  readonly Socket: new (
    protocol: number,
    namespace?: string | number,
    descriptor?: number,
  ) => NativeSocket;
  /**
   * Resolves after an RCU grace period of the kernel (membarrier): no processor still works with what was deleted before. Resolves
   * at once where the kernel refuses.
   */
  gracePeriod(): Promise<void>;
}
