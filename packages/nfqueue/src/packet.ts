import { type Message, NetlinkError } from "@nlring/netlink";
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
  readonly #message: Message;
  readonly #present: number;
  readonly #header: number;
  readonly #mark: number;
  readonly #payload: number;
  readonly #payloadLength: number;
  #bytes: Uint8Array | undefined;
  #decided = false;
  #kept = false;

  /** Packets are made by their queue. */
  constructor(queue: PacketQueue, message: Message, layout: PacketLayout) {
    this.#queue = queue;
    this.#message = message;
    this.#present = layout.present;
    this.#header = layout.header;
    this.#mark = layout.mark;
    this.#payload = layout.payload;
    this.#payloadLength = layout.payloadLength;
    this.id = message.view.getUint32(layout.header);
  }

  /** True once the packet has its verdict. */
  get decided(): boolean {
    return this.#decided;
  }

  /** True after `hold()`: the packet waits for a verdict of its own, however long that takes. */
  get held(): boolean {
    return this.#kept;
  }

  get family(): Family {
    return readFamily(this.#readable());
  }

  get hook(): Hook {
    return readHook(this.#readable(), this.#header);
  }

  get etherType(): number {
    return this.#readable().view.getUint16(this.#header + 4);
  }

  get mark(): number {
    const { view } = this.#readable();
    return this.#mark === 0 ? 0 : view.getUint32(this.#mark);
  }

  get priority(): number {
    return readUint32(this.#readable(), this.#present, NFQA_PRIORITY) ?? 0;
  }

  get inputInterface(): number {
    return readUint32(this.#readable(), this.#present, NFQA_IFINDEX_INDEV) ?? 0;
  }

  get outputInterface(): number {
    return readUint32(this.#readable(), this.#present, NFQA_IFINDEX_OUTDEV) ?? 0;
  }

  get physicalInputInterface(): number {
    return readUint32(this.#readable(), this.#present, NFQA_IFINDEX_PHYSINDEV) ?? 0;
  }

  get physicalOutputInterface(): number {
    return readUint32(this.#readable(), this.#present, NFQA_IFINDEX_PHYSOUTDEV) ?? 0;
  }

  get hardwareAddress(): string | undefined {
    return readHardwareAddress(this.#readable(), this.#present);
  }

  get timestamp(): bigint | undefined {
    return readTimestamp(this.#readable(), this.#present);
  }

  get length(): number {
    this.#readable();
    return this.#payloadLength;
  }

  get originalLength(): number {
    return readUint32(this.#readable(), this.#present, NFQA_CAP_LEN) ?? this.#payloadLength;
  }

  get truncated(): boolean {
    return this.originalLength > this.#payloadLength;
  }

  get gso(): boolean {
    return hasInfo(this.#readable(), this.#present, NFQA_SKB_GSO);
  }

  get checksumReady(): boolean {
    return !hasInfo(this.#readable(), this.#present, NFQA_SKB_CSUMNOTREADY);
  }

  get checksumVerified(): boolean {
    return !hasInfo(this.#readable(), this.#present, NFQA_SKB_CSUM_NOTVERIFIED);
  }

  get uid(): number | undefined {
    return readUint32(this.#readable(), this.#present, NFQA_UID);
  }

  get gid(): number | undefined {
    return readUint32(this.#readable(), this.#present, NFQA_GID);
  }

  get cgroupClassId(): number {
    return readUint32(this.#readable(), this.#present, NFQA_CGROUP_CLASSID) ?? 0;
  }

  get vlan(): Vlan | undefined {
    const bytes = readBytes(this.#readable(), this.#present, NFQA_VLAN);
    return bytes === undefined ? undefined : decodeVlan(bytes);
  }

  get layer2Header(): Uint8Array | undefined {
    return readBytes(this.#readable(), this.#present, NFQA_L2HDR);
  }

  get conntrackInfo(): ConntrackInfo | undefined {
    const number = readUint32(this.#readable(), this.#present, NFQA_CT_INFO);
    return number === undefined ? undefined : conntrackInfoOf(number);
  }

  get conntrack(): Conntrack | undefined {
    const bytes = readBytes(this.#readable(), this.#present, NFQA_CT);
    return bytes === undefined ? undefined : new Conntrack(bytes);
  }

  get expectation(): Uint8Array | undefined {
    return readBytes(this.#readable(), this.#present, NFQA_EXP);
  }

  get securityContext(): Uint8Array | undefined {
    return readBytes(this.#readable(), this.#present, NFQA_SECCTX);
  }

  /**
   * The packet's bytes, network header first: a borrowed view of the ring, valid until the verdict. It is the one thing that cannot
   * be taken back: kept longer, it shows another packet's bytes. `copy()` and the `read...` methods are the safe ways.
   */
  get payload(): Uint8Array {
    const message = this.#readable();
    this.#bytes ??= message.bytes.subarray(this.#payload, this.#payload + this.#payloadLength);
    return this.#bytes;
  }

  /** The packet's bytes in memory of their own, for keeping. */
  copy(): Uint8Array {
    return this.#readable().bytes.slice(this.#payload, this.#payload + this.#payloadLength);
  }

  /** One byte of the packet. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint8(offset: number): number {
    return this.#readable().view.getUint8(this.#at(offset, 1));
  }

  /** Two bytes of the packet, network byte order. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint16(offset: number): number {
    return this.#readable().view.getUint16(this.#at(offset, 2));
  }

  /** Four bytes of the packet, network byte order. Throws NetlinkError ERR_OUT_OF_RANGE outside it. */
  readUint32(offset: number): number {
    return this.#readable().view.getUint32(this.#at(offset, 4));
  }

  /** Keeps the packet undecided beyond its handler; the ring goes on without its frame. */
  hold(): this {
    this.#readable();
    if (!this.#kept) {
      this.#kept = true;
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
    this.#readable();
    this.#queue.decide(this, NF_ACCEPT, options);
  }

  /** Discards the packet. */
  drop(): void {
    this.#readable();
    this.#queue.decide(this, NF_DROP, undefined);
  }

  /**
   * Has the packet go through its hook's chain again, changed as the options say: it meets the same rule and comes back to this queue, unless
   * the rule looks at something that changed, such as the mark. Throws as `accept`.
   */
  repeat(options?: VerdictOptions): void {
    this.#readable();
    this.#queue.decide(this, NF_REPEAT, options);
  }

  /**
   * Hands the packet to another queue, changed as the options say. Where nobody listens there it is dropped, or goes on its way with `bypass`.
   * Throws as `accept`.
   */
  requeue(queue: number, options?: RequeueOptions): void {
    this.#readable();
    this.#queue.decide(this, requeueVerdict(queue, options?.bypass ?? false), options);
  }

  /** For the queue: keeps the frame while a promise decides. */
  static keepFrame(packet: Packet): void {
    packet.#message.hold();
  }

  /** For the queue: the verdict is written, the frame goes back. */
  static settle(packet: Packet): void {
    packet.#decided = true;
    packet.#bytes = undefined;
    packet.#message.release();
  }

  #readable(): Message {
    if (this.#decided) throw new PacketDecidedError(this.id);
    return this.#message;
  }

  #at(offset: number, size: number): number {
    if (!(Number.isInteger(offset) && offset >= 0 && offset + size <= this.#payloadLength)) {
      throw new NetlinkError(
        `${size} bytes at offset ${offset} are outside the ${this.#payloadLength} bytes of packet ${this.id}`,
        { code: "ERR_OUT_OF_RANGE" },
      );
    }
    return this.#payload + offset;
  }
}
