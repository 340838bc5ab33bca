import type { Message } from "./message/message.js";
import type { ReceiveStatistics } from "./receive/frame-reader.js";
import type { FilterInstruction } from "./transport/filter.js";
import type { TransportChoice } from "./transport/open-transport.js";
import type { RingOptions } from "./transport/transport.js";

/** How a socket is opened; nothing is needed. */
export interface SocketOptions {
  /** Which transport to use; `auto` where undefined. `socket.transport` tells what came and why. */
  readonly transport?: TransportChoice | undefined;
  /** Shape of the receive ring; 64 frames of 32,792 bytes where undefined. */
  readonly ring?: RingOptions | undefined;
  /**
   * Messages in the order in which they arrive. A kernel ring shows them in the order in which the kernel began to build them, which
   * several processors may finish in another; so an ordered socket takes the user ring, where reception and copy are one step.
   */
  readonly ordered?: boolean | undefined;
  /** Receive buffer wanted, in bytes as the kernel accounts them; `socket.receiveBuffer` tells what came. */
  readonly receiveBuffer?: number | undefined;
  /** Network namespace of the socket: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /**
   * Sets NETLINK_NO_ENOBUFS: a full receive buffer loses what does not fit and goes on, instead of refusing everything
   * until it has been read empty. The losses show in `statistics.drops` alone.
   */
  readonly noEnobufs?: boolean | undefined;
  /**
   * Takes over a netlink socket of the protocol that was opened elsewhere, such as by a privileged parent in another network namespace:
   * its file descriptor. It keeps its port, groups and options, is bound where it was not, becomes close-on-exec and non-blocking, and takes
   * the user ring. It is this socket's from then on, and closed with it or where `open` rejects after that: never close it yourself, nor open it twice.
   *
   * What is no such socket is refused with SystemError (EBADF, ENOTSOCK, EAFNOSUPPORT, EPROTOTYPE), and stays open.
   */
  readonly descriptor?: number | undefined;
  /**
   * A classic BPF program that decides what reaches the socket, attached before anything can; see `setFilter`. On a socket from a
   * `descriptor` it may find messages that came before it.
   */
  readonly filter?: readonly FilterInstruction[] | undefined;
  /**
   * Sets NETLINK_GET_STRICT_CHK (Linux 4.20): the kernel refuses requests to list with fields or attributes that it would pass over
   * otherwise, and lists what their headers select.
   */
  readonly strict?: boolean | undefined;
  /**
   * Sets NETLINK_BROADCAST_ERROR: a multicast message that this socket has no room for is reported to its sender, so that a subsystem
   * of the kernel which cares (conntrack events) delivers it again.
   */
  readonly broadcastError?: boolean | undefined;
  /**
   * Errors in words, with the place of the fault (NETLINK_EXT_ACK, Linux 4.12). Where undefined, true if the kernel knows it; `true` insists.
   */
  readonly extendedAck?: boolean | undefined;
  /**
   * Errors with the header of the request in place of all of it (NETLINK_CAP_ACK, Linux 4.3). Where undefined, true if the kernel
   * knows it; `true` insists.
   */
  readonly shortErrors?: boolean | undefined;
  /**
   * Multicast messages of all network namespaces that have an id in the socket's own (NETLINK_LISTEN_ALL_NSID, Linux 4.2); see
   * `message.namespaceId`. Takes CAP_NET_BROADCAST in the user namespaces that own the socket's namespace and theirs; and the user
   * ring, since a kernel ring does not tell them apart.
   */
  readonly allNamespaces?: boolean | undefined;
  /**
   * Takes messages of the kernel alone: in a user ring it refuses what other processes send to this socket (ECONNREFUSED), and nobody has to
   * ask who sent a message, which costs a fortieth of an NFQUEUE packet. For sockets that join no multicast group: `addMembership` throws
   * TransportError. A socket from a `descriptor` may be in groups already, and is left as it is.
   */
  readonly kernelOnly?: boolean | undefined;
  /** Closes the socket when aborted; what is pending then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a request is answered, and how long that may take. */
export interface RequestOptions {
  /**
   * Sees each message that answers the request, in place: it is valid until the visitor returns, unless that calls `hold()`. A visitor
   * that throws sees no more of them, and the request rejects with what it threw once the answer has ended.
   */
  readonly visit?: ((reply: Message) => void) | undefined;
  /** Rejects with its reason when aborted. What was sent has its effect all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the request rejects with TimeoutError; unlimited where undefined. */
  readonly timeout?: number | undefined;
}

/** Counts of a socket since it was opened. */
export interface SocketStatistics extends ReceiveStatistics {
  /**
   * Messages that the receive buffer had no room for, as the kernel counts them; undefined before Linux 4.12. Once the socket is closed,
   * as it was then.
   */
  readonly drops: number | undefined;
  /** Sends that the kernel had no memory for (EAGAIN, ENOBUFS, ENOMEM): what they held stayed, and was tried again. */
  readonly sendRetries: number;
}
