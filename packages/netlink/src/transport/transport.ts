import type { RingGeometry, RxRing, TxRing } from "@nlring/ring-core";
import type { FilterInstruction } from "./filter.js";

/** The ways in which frames get filled and sent. */
export type TransportKind = "kernel-ring" | "user-ring" | "memory";

/** Shape of a ring. */
export interface RingShape {
  /** Bytes per frame, its 24-byte header included; a multiple of 4. */
  readonly frameSize?: number | undefined;
  /** Number of frames. */
  readonly frameCount?: number | undefined;
}

/** Shape of a receive ring, and another for where the kernel maps it. */
export interface RingOptions extends RingShape {
  /**
   * Shape where the kernel maps the ring (Linux 3.10 to 4.5). It is the kernel's own memory there, and the only place where messages wait:
   * many small frames; larger messages come by copy. Where undefined, the shape above in frames of at most 16 KiB, if one is given.
   */
  readonly mapped?: RingShape | undefined;
}

/** What a transport is opened with. */
export interface TransportRequest {
  readonly protocol: number;
  readonly rx: RingGeometry;
  readonly tx: RingGeometry;
  /** Shape of the RX ring where the kernel maps it; its pages decide the rest. */
  readonly mappedRx: { readonly frameSize: number; readonly frameCount: number };
  /** Messages are wanted in the order of arrival, which a kernel ring does not keep. */
  readonly ordered: boolean;
  /** Path or descriptor of the network namespace the socket belongs to; the caller's own where undefined. */
  readonly namespace: string | number | undefined;
  /** A netlink socket of the protocol that was opened elsewhere, which the transport takes over; a new one where undefined. */
  readonly descriptor: number | undefined;
  /** The network namespace of each message is wanted, which a kernel ring does not tell. */
  readonly allNamespaces: boolean;
  /** The socket joins no group, and takes messages of the kernel alone. */
  readonly kernelOnly: boolean;
  /** Program to attach before the socket can receive anything. */
  readonly filter: readonly FilterInstruction[] | undefined;
}

/**
 * How frames get filled and sent. The reader above cannot tell one transport from another but by `kind`.
 * Calls return a negative Linux error number where the system refuses, so that the hot path throws nothing.
 */
export interface Transport {
  readonly kind: TransportKind;
  /** Why it is this kind and no other. */
  readonly reason: string;
  /** The netlink port the socket is bound to. */
  readonly portId: number;
  readonly rx: RxRing;
  readonly tx: TxRing;
  /** False where a held frame stops the producer, so that messages that are kept must be copied; true where undefined. */
  readonly holdsFrames?: boolean | undefined;
  /** True where `rx.namespaceId` is asked for and means what it says: a user ring's. False where undefined. */
  readonly tellsNamespaces?: boolean | undefined;
  /** True where `fill` brings fewer messages than `limit`, although frames are free, only when no more wait. False where undefined. */
  readonly fillsAll?: boolean | undefined;
  /** True where `fill` goes back to the first frame when told to: nothing else fills. False where undefined. */
  readonly rewinds?: boolean | undefined;
  /** Size of the receive buffer in bytes, as the kernel accounts them. */
  readonly receiveBuffer: number;
  /** Asks for a receive buffer and returns the size that came. */
  setReceiveBuffer(bytes: number): number;
  /**
   * Lets up to `limit` received messages into free frames of `rx`. Returns how many; 0 when none waits, so that a request
   * without an answer has lost it; -EAGAIN when none can be had now, which says nothing about answers; -ENOSPC when no frame is
   * free; -ENOBUFS, -ENOMEM or -EMSGSIZE when messages were lost; another negative error number when the socket is of no more use.
   *
   * @param rewound the reader went back to the first frame, and so shall this; never between a fill ahead and the fill that ends it
   */
  fill(limit: number, rewound: boolean): number;
  /**
   * Begins the next fill in another thread, where the transport can: `fill` waits for it, and returns what it brought. Frames that are free
   * now are not touched until then.
   */
  fillAhead?(limit: number): void;
  /** True where something waits that the next `fill` would take, an error included. */
  waits(): boolean;
  /** The message of the oldest COPY frame not yet asked for: `length` bytes, fewer where it was truncated. */
  takeCopied(length: number): Uint8Array | undefined;
  /** Sends what is committed in `tx` to the kernel. Returns bytes, or a negative error number; unsent frames stay committed. */
  drain(): number;
  /** Sends one run of messages by copy to the kernel. Returns bytes, or a negative error number. */
  send(messages: Uint8Array): number;
  /** Messages that the socket had no room for, as the kernel counts them; undefined where it does not say. */
  drops(): number | undefined;
  setOption(level: number, option: number, value: number): void;
  /** Attaches a classic BPF program in the place of the one before. Throws EncodeError or SystemError, and keeps that one. */
  setFilter(program: readonly FilterInstruction[]): void;
  /** Takes the program away; does nothing where there is none. */
  clearFilter(): void;
  addMembership(group: number): void;
  dropMembership(group: number): void;
  /** Resolves when every processor has left what it was doing in the kernel (an RCU grace period). */
  gracePeriod(): Promise<void>;
  /** Names what is called while `resume`d and something waits. */
  onReadable(callback: () => void): void;
  resume(): void;
  pause(): void;
  ref(): void;
  unref(): void;
  /** Closes the socket and takes the rings' memory back: views of it have length 0 from then on. */
  close(): void;
}

/** Something that opens transports of its own, such as the memory transport of `@nlring/netlink/testing`. */
export interface TransportProvider {
  open(request: TransportRequest): Transport;
}
