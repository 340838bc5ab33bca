import { HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../abi.js";
import { AttributeReader } from "./attribute.js";

/** What a message needs of the socket that handed it out: its frame, by the number that a `MessageCursor` has of it. */
export interface FrameKeeper {
  /** Has the producer pass the frame over while the message is kept. Before `releaseFrame`, and only of a frame that is not OWN_MEMORY. */
  holdFrame(frame: number): void;
  /** Gives one message of the frame back, once for each. Only of a frame that is not OWN_MEMORY. */
  releaseFrame(frame: number): void;
}

/** The frame number of a message that lies in memory of its own. */
export const OWN_MEMORY = -1;

/**
 * One received netlink message, read in place: a small object over the ring frame it lies in, or over memory of its own
 * where it did not fit a frame. It is fresh for every message and never used again for another.
 *
 * `view` and `bytes` span the whole ring, and every offset is absolute in them: reading allocates nothing. They are
 * valid until `release()`; from then on the frame belongs to the producer and its bytes to another message.
 */
export class Message {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Where the message starts, its header included. */
  readonly offset: number;
  /** The first byte behind the message. */
  readonly end: number;
  /** Netlink port of the sender as the kernel reported it; 0 is the kernel itself. (In a kernel ring: its process id.) */
  readonly senderPort: number;
  /** Multicast group it was sent to, by number; 0 for none. */
  readonly group: number;
  /**
   * Network namespace that it comes from, by the id that the socket's own namespace has for it (RTM_GETNSID). Undefined for the socket's
   * own namespace, and on a socket without `allNamespaces`.
   */
  readonly namespaceId: number | undefined;
  #keeper: FrameKeeper | undefined;
  readonly #frame: number;
  #held = false;

  /** Messages are made by their socket. */
  constructor(
    keeper: FrameKeeper,
    frame: number,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    end: number,
    senderPort: number,
    group: number,
    namespaceId?: number | undefined,
  ) {
    this.#keeper = keeper;
    this.#frame = frame;
    this.bytes = bytes;
    this.view = view;
    this.offset = offset;
    this.end = end;
    this.senderPort = senderPort;
    this.group = group;
    this.namespaceId = namespaceId;
  }

  /** For the socket: the number of its frame, or OWN_MEMORY. */
  static frameOf(message: Message): number {
    return message.#frame;
  }

  /** nlmsg_type. */
  get type(): number {
    return this.view.getUint16(this.offset + 4, HOST_IS_LITTLE_ENDIAN);
  }

  /** nlmsg_flags. */
  get flags(): number {
    return this.view.getUint16(this.offset + 6, HOST_IS_LITTLE_ENDIAN);
  }

  /** nlmsg_seq. */
  get sequence(): number {
    return this.view.getUint32(this.offset + 8, HOST_IS_LITTLE_ENDIAN);
  }

  /** nlmsg_pid: the port that a reply is meant for. */
  get portId(): number {
    return this.view.getUint32(this.offset + 12, HOST_IS_LITTLE_ENDIAN);
  }

  /** Where the payload behind the 16-byte header starts. */
  get payloadOffset(): number {
    return this.offset + NLMSG_HDRLEN;
  }

  /** True once `release()` was called: the bytes are no longer this message's. */
  get released(): boolean {
    return this.#keeper === undefined;
  }

  /** A cursor over the attributes behind a family header of `familyHeader` bytes (already padded to 4). */
  attributes(familyHeader: number): AttributeReader {
    return new AttributeReader(this.view, this.payloadOffset + familyHeader, this.end, this.offset);
  }

  /**
   * Keeps the message after the visitor returned; the producer passes its frame over until `release()`. A message that was
   * released cannot be held any more.
   */
  hold(): void {
    if (this.#held || this.#keeper === undefined) return;
    this.#held = true;
    if (this.#frame !== OWN_MEMORY) this.#keeper.holdFrame(this.#frame);
  }

  /** True between `hold()` and `release()`. */
  get held(): boolean {
    return this.#held;
  }

  /** Gives the frame back to the producer. Releasing twice, or after the socket was closed, does nothing. */
  release(): void {
    const keeper = this.#keeper;
    if (keeper === undefined) return;
    this.#keeper = undefined;
    this.#held = false;
    if (this.#frame !== OWN_MEMORY) keeper.releaseFrame(this.#frame);
  }
}
