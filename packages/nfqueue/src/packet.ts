import { HOST_IS_LITTLE_ENDIAN, type Message, NetlinkError } from "@nlring/netlink";
import {
  NF_ACCEPT,
  NF_DROP,
  NF_REPEAT,
  NFGENMSG_LENGTH,
  NFQA_CAP_LEN,
  NFQA_IFINDEX_INDEV,
  NFQA_IFINDEX_OUTDEV,
  NFQA_MARK,
  NFQA_PACKET_HDR,
  NFQA_PAYLOAD,
  NFQA_SKB_CSUMNOTREADY,
  NFQA_SKB_GSO,
  NFQA_SKB_INFO,
} from "./abi.js";
import { PacketDecidedError } from "./errors.js";
import { type RequeueOptions, requeueVerdict, type VerdictOptions } from "./verdict.js";

export type Family = "ip" | "ip6" | "bridge" | "arp" | "netdev" | "unknown";
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting" | "unknown";
export type Verdict = "accept" | "drop";

/** What a packet needs of its queue. */
export interface PacketQueue {
  decide(packet: Packet, verdict: number, options: VerdictOptions | undefined): void;
  hold(packet: Packet): void;
}

const FAMILIES: ReadonlyMap<number, Family> = new Map([
  [2, "ip"],
  [3, "arp"],
  [5, "netdev"],
  [7, "bridge"],
  [10, "ip6"],
]);
const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** Where the parts of a packet message lie, filled by one pass over its attributes and read at once. */
export class PacketLayout {
  header = 0;
  mark = 0;
  payload = 0;
  payloadLength = 0;

  /** Notes the offsets in a message of type NFQNL_MSG_PACKET. False where an attribute leaves the message, or there is no header. */
  read(message: Message): boolean {
    const { view, end } = message;
    this.header = 0;
    this.mark = 0;
    this.payload = end;
    this.payloadLength = 0;
    let at = message.payloadOffset + NFGENMSG_LENGTH;
    // The last attribute is the payload and may lack its padding.
    while (at + 4 <= end) {
      const length = view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
      if (length < 4 || at + length > end) return false;
      switch (view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN)) {
        case NFQA_PACKET_HDR:
          if (length >= 4 + 7) this.header = at + 4;
          break;
        case NFQA_MARK:
          if (length >= 4 + 4) this.mark = at + 4;
          break;
        case NFQA_PAYLOAD:
          this.payload = at + 4;
          this.payloadLength = length - 4;
          break;
      }
      at += (length + 3) & ~3;
    }
    return this.header !== 0;
  }
}

/**
 * One queued packet, read in place in its ring frame. It is a fresh object for every packet, valid until its verdict: from then on
 * every use throws PacketDecidedError. Numbers are in host order here; `read...` methods read the packet's own bytes, network order.
 *
 * A packet gets exactly one verdict. Left undecided when a synchronous handler returns, when its promise settles, or when the next
 * packet is pulled from an iterator, it gets the queue's default verdict, unless `hold()` was called.
 */
export class Packet {
  /** Number of the packet within its queue: counts from 1, 32 bits, wraps. */
  readonly id: number;
  readonly #queue: PacketQueue;
  readonly #message: Message;
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

  /** Family of the rule that queued it. */
  get family(): Family {
    const message = this.#readable();
    return FAMILIES.get(message.view.getUint8(message.payloadOffset)) ?? "unknown";
  }

  get hook(): Hook {
    return HOOKS[this.#readable().view.getUint8(this.#header + 6)] ?? "unknown";
  }

  /** Ether type of the packet, such as 0x0800 for IPv4. */
  get etherType(): number {
    return this.#readable().view.getUint16(this.#header + 4);
  }

  /** The packet's mark (skb->mark), 0 where it has none. */
  get mark(): number {
    const { view } = this.#readable();
    return this.#mark === 0 ? 0 : view.getUint32(this.#mark);
  }

  /** Index of the interface it came in by; 0 for none. */
  get inputInterface(): number {
    return this.#attributeUint32(NFQA_IFINDEX_INDEV);
  }

  /** Index of the interface it leaves by; 0 for none. */
  get outputInterface(): number {
    return this.#attributeUint32(NFQA_IFINDEX_OUTDEV);
  }

  /** Bytes of the packet that are here, its network header first. */
  get length(): number {
    this.#readable();
    return this.#payloadLength;
  }

  /** Bytes of the whole packet: more than `length` where the copy range or the attribute's limit of 65,531 cut it. */
  get originalLength(): number {
    this.#readable();
    return this.#attributeUint32(NFQA_CAP_LEN) || this.#payloadLength;
  }

  /** True for a packet that segmentation offload keeps in one piece; it may be larger than the MTU. */
  get gso(): boolean {
    return (this.#attributeUint32(NFQA_SKB_INFO) & NFQA_SKB_GSO) !== 0;
  }

  /** False where the transport checksum is not filled in yet, which is normal for local traffic and no fault. */
  get checksumReady(): boolean {
    return (this.#attributeUint32(NFQA_SKB_INFO) & NFQA_SKB_CSUMNOTREADY) === 0;
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

  #attributeUint32(type: number): number {
    const attributes = this.#readable().attributes(NFGENMSG_LENGTH);
    while (attributes.next()) {
      if (attributes.type === type) return attributes.uint32Network();
    }
    return 0;
  }
}
