import {
  type FrameKeeper,
  type MessageCursor,
  type MessagePlace,
  type MessageStore,
  NetlinkError,
  OWN_MEMORY,
} from "@nlring/netlink";
import {
  NF_ACCEPT,
  NF_DROP,
  NF_REPEAT,
  NFQA_CAP_LEN,
  NFQA_CGROUP_CLASSID,
  NFQA_CT,
  NFQA_CT_INFO,
  NFQA_EXP,
  NFQA_GID,
  NFQA_IFINDEX_INDEV,
  NFQA_IFINDEX_OUTDEV,
  NFQA_IFINDEX_PHYSINDEV,
  NFQA_IFINDEX_PHYSOUTDEV,
  NFQA_L2HDR,
  NFQA_PRIORITY,
  NFQA_SECCTX,
  NFQA_SKB_CSUM_NOTVERIFIED,
  NFQA_SKB_CSUMNOTREADY,
  NFQA_SKB_GSO,
  NFQA_UID,
  NFQA_VLAN,
} from "./abi.js";
import { PacketDecidedError } from "./errors.js";
import {
  hasInfo,
  readBytes,
  readFamily,
  readHardwareAddress,
  readHook,
  readTimestamp,
  readUint32,
} from "./packet/attribute-reading.js";
import { Conntrack } from "./packet/conntrack.js";
import { type ConntrackInfo, conntrackInfoOf } from "./packet/conntrack-names.js";
import type { PacketLayout } from "./packet/layout.js";
import type { Family, Hook, PacketAttributes } from "./packet/packet-attributes.js";
import { decodeVlan, type Vlan } from "./packet/vlan.js";
import { type RequeueOptions, requeueVerdict, type VerdictOptions } from "./verdict.js";

/** What becomes of a packet. */
export type Verdict = "accept" | "drop";

const NLMSG_HDRLEN = 16;
/** A larger message is not copied when its packet is held: that would cost more than its frame. */
const LARGEST_COPY = 4096;

/** Length of the payload of a packet that has its verdict: no offset is within. */
const DECIDED = -1;

// Functions and not private methods: a class with one of those marks every object that it makes, 8 bytes a packet, and looks for the mark at
// each call.
/** Where the message lies, for attributes that few ask for. */
let placeOf: (packet: Packet) => MessagePlace;
let borrow: (packet: Packet) => Uint8Array;
/** Says why `size` bytes at an offset cannot be read. */
let refuse: (packet: Packet, offset: number, size: number) => never;

/** What a packet needs of its queue. */
export interface PacketQueue {
  decide(packet: Packet, verdict: number, options: VerdictOptions | undefined): void;
  hold(packet: Packet): void;
}

/**
 * One queued packet, read in place in its ring frame. It is a fresh object for every packet, valid until its verdict: from then on
 * every use throws PacketDecidedError. Its attributes are described at PacketAttributes; `read...` methods read the packet's own bytes, network order.
 *
 * A packet gets exactly one verdict. Left undecided when a synchronous handler returns, when its promise settles, or when the next
 * packet is pulled from an iterator, it gets the queue's default verdict, unless `hold()` was called.
 */
export class Packet implements PacketAttributes {
  /** Number of the packet within its queue: counts from 1, 32 bits, wraps. */
  readonly id: number;
  readonly #queue: PacketQueue;
  readonly #present: number;
  #payloadLength: number;
  // Where the message lies, and its parts in it. They are here and not in an object of their own: that would double what a packet allocates.
  #view: DataView;
  #frame: number;
  #offset: number;
  #end: number;
  #header: number;
  #mark: number;
  #payload: number;
  #bytes: Uint8Array | undefined;
  #held = false;

  /** Packets are made by their queue. */
  constructor(queue: PacketQueue, cursor: MessageCursor, layout: PacketLayout) {
    this.id = cursor.view.getUint32(layout.header);
    this.#queue = queue;
    this.#present = layout.present;
    this.#payloadLength = layout.payloadLength;
    this.#view = cursor.view;
    this.#frame = cursor.frame;
    this.#offset = cursor.offset;
    this.#end = cursor.end;
    this.#header = layout.header;
    this.#mark = layout.mark;
    this.#payload = layout.payload;
  }

  /** True once the packet has its verdict. */
  get decided(): boolean {
    return this.#payloadLength === DECIDED;
  }

  /** True after `hold()`: the packet waits for a verdict of its own, however long that takes. */
  get held(): boolean {
    return this.#held;
  }

  get family(): Family {
    return readFamily(placeOf(this));
  }

  get hook(): Hook {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    return readHook(this.#view, this.#header);
  }

  get etherType(): number {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    return this.#view.getUint16(this.#header + 4);
  }

  get mark(): number {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    return this.#mark === 0 ? 0 : this.#view.getUint32(this.#mark);
  }

  get priority(): number {
    return readUint32(placeOf(this), this.#present, NFQA_PRIORITY) ?? 0;
  }

  get inputInterface(): number {
    return readUint32(placeOf(this), this.#present, NFQA_IFINDEX_INDEV) ?? 0;
  }

  get outputInterface(): number {
    return readUint32(placeOf(this), this.#present, NFQA_IFINDEX_OUTDEV) ?? 0;
  }

  get physicalInputInterface(): number {
    return readUint32(placeOf(this), this.#present, NFQA_IFINDEX_PHYSINDEV) ?? 0;
  }

  get physicalOutputInterface(): number {
    return readUint32(placeOf(this), this.#present, NFQA_IFINDEX_PHYSOUTDEV) ?? 0;
  }

  get hardwareAddress(): string | undefined {
    return readHardwareAddress(placeOf(this), this.#present);
  }

  get timestamp(): bigint | undefined {
    return readTimestamp(placeOf(this), this.#present);
  }

  get length(): number {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    return this.#payloadLength;
  }

  get originalLength(): number {
    return readUint32(placeOf(this), this.#present, NFQA_CAP_LEN) ?? this.#payloadLength;
  }

  get truncated(): boolean {
    return this.originalLength > this.#payloadLength;
  }

  get gso(): boolean {
    return hasInfo(placeOf(this), this.#present, NFQA_SKB_GSO);
  }

  get checksumReady(): boolean {
    return !hasInfo(placeOf(this), this.#present, NFQA_SKB_CSUMNOTREADY);
  }

  get checksumVerified(): boolean {
    return !hasInfo(placeOf(this), this.#present, NFQA_SKB_CSUM_NOTVERIFIED);
  }

  get uid(): number | undefined {
    return readUint32(placeOf(this), this.#present, NFQA_UID);
  }

  get gid(): number | undefined {
    return readUint32(placeOf(this), this.#present, NFQA_GID);
  }

  get cgroupClassId(): number {
    return readUint32(placeOf(this), this.#present, NFQA_CGROUP_CLASSID) ?? 0;
  }

  get vlan(): Vlan | undefined {
    const bytes = readBytes(placeOf(this), this.#present, NFQA_VLAN);
    return bytes === undefined ? undefined : decodeVlan(bytes);
  }

  get layer2Header(): Uint8Array | undefined {
    return readBytes(placeOf(this), this.#present, NFQA_L2HDR);
  }

  get conntrackInfo(): ConntrackInfo | undefined {
    const number = readUint32(placeOf(this), this.#present, NFQA_CT_INFO);
    return number === undefined ? undefined : conntrackInfoOf(number);
  }

  get conntrack(): Conntrack | undefined {
    const bytes = readBytes(placeOf(this), this.#present, NFQA_CT);
    return bytes === undefined ? undefined : new Conntrack(bytes);
  }

  get expectation(): Uint8Array | undefined {
    return readBytes(placeOf(this), this.#present, NFQA_EXP);
  }

  get securityContext(): Uint8Array | undefined {
    return readBytes(placeOf(this), this.#present, NFQA_SECCTX);
  }

  /**
   * The packet's bytes, network header first: a borrowed view of the ring, valid until the verdict. It is the one thing that cannot
   * be taken back: kept longer, it shows another packet's bytes. `copy()` and the `read...` methods are the safe ways.
   */
  get payload(): Uint8Array {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    this.#bytes ??= borrow(this);
    return this.#bytes;
  }

  /** The packet's bytes in memory of their own, for keeping. */
  copy(): Uint8Array {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    return borrow(this).slice();
  }

  // Offsets are whole where a shift leaves them as they are: Number.isInteger makes fractions of them first, at a tenth of what a packet costs.

  /** One byte of the packet. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint8(offset: number): number {
    if (offset >>> 0 !== offset || offset > this.#payloadLength - 1) refuse(this, offset, 1);
    return this.#view.getUint8(this.#payload + offset);
  }

  /** Two bytes of the packet, network byte order. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint16(offset: number): number {
    if (offset >>> 0 !== offset || offset > this.#payloadLength - 2) refuse(this, offset, 2);
    return this.#view.getUint16(this.#payload + offset);
  }

  /** Four bytes of the packet, network byte order. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint32(offset: number): number {
    if (offset >>> 0 !== offset || offset > this.#payloadLength - 4) refuse(this, offset, 4);
    return this.#view.getUint32(this.#payload + offset);
  }

  /**
   * Keeps the packet undecided beyond its handler. It leaves the ring for memory of its own, if its message has 4 KiB at the most and nobody has
   * a `payload` of it; else the ring goes on without its frame, of which there are few.
   */
  hold(): this {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    if (!this.#held) {
      this.#held = true;
      this.#queue.hold(this);
    }
    return this;
  }

  /**
   * Lets the packet go on its way, changed as the options say. Throws VerdictOptionError, PacketCutError for a new payload of a packet that
   * is not all here, SystemError where the kernel has no memory for a verdict that changes more than the mark (others wait for it), and
   * QueueClosedError; the packet is undecided then, and nothing was sent.
   */
  accept(options?: VerdictOptions): void {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    this.#queue.decide(this, NF_ACCEPT, options);
  }

  /** Discards the packet. */
  drop(): void {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    this.#queue.decide(this, NF_DROP, undefined);
  }

  /**
   * Has the packet go through its hook's chain again, changed as the options say: it meets the same rule and comes back to this queue, unless
   * the rule looks at something that changed, such as the mark. Throws as `accept`.
   */
  repeat(options?: VerdictOptions): void {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    this.#queue.decide(this, NF_REPEAT, options);
  }

  /**
   * Hands the packet to another queue, changed as the options say. Where nobody listens there it is dropped, or goes on its way with `bypass`.
   * Throws as `accept`.
   */
  requeue(queue: number, options?: RequeueOptions): void {
    if (this.#payloadLength === DECIDED) throw new PacketDecidedError(this.id);
    this.#queue.decide(this, requeueVerdict(queue, options?.bypass ?? false), options);
  }

  /** For the queue: keeps the bytes of a packet that others will come before. */
  static keep(packet: Packet, frames: FrameKeeper, store: MessageStore): void {
    const frame = packet.#frame;
    if (frame === OWN_MEMORY) return;
    if (packet.#bytes !== undefined || packet.#end - packet.#offset > LARGEST_COPY) {
      frames.holdFrame(frame);
      return;
    }
    const place = store.keep(packet.#view, packet.#offset, packet.#end);
    const shift = place - packet.#offset;
    packet.#view = store.memory.view;
    packet.#frame = OWN_MEMORY;
    packet.#offset = place;
    packet.#end += shift;
    packet.#header += shift;
    packet.#payload += shift;
    if (packet.#mark !== 0) packet.#mark += shift;
    frames.releaseFrame(frame);
  }

  /** For the queue: the verdict is written, the frame goes back. */
  static settle(packet: Packet, frames: FrameKeeper): void {
    packet.#payloadLength = DECIDED;
    packet.#bytes = undefined;
    if (packet.#frame !== OWN_MEMORY) frames.releaseFrame(packet.#frame);
  }

  static {
    placeOf = (packet) => {
      if (packet.#payloadLength === DECIDED) throw new PacketDecidedError(packet.id);
      const offset = packet.#offset;
      return { view: packet.#view, offset, payloadOffset: offset + NLMSG_HDRLEN, end: packet.#end };
    };
    borrow = (packet) => {
      const { buffer, byteOffset } = packet.#view;
      return new Uint8Array(buffer, byteOffset + packet.#payload, packet.#payloadLength);
    };
    refuse = (packet, offset, size) => {
      const length = packet.#payloadLength;
      if (length === DECIDED) throw new PacketDecidedError(packet.id);
      throw new NetlinkError(
        `${size} bytes at offset ${offset} are outside the ${length} bytes of packet ${packet.id}`,
        { code: "ERR_OUT_OF_RANGE" },
      );
    };
  }
}
