import type { MessageWriter } from "@nlring/netlink";
import {
  CTA_LABELS,
  CTA_LABELS_MASK,
  CTA_MARK,
  NF_QUEUE,
  NF_VERDICT_FLAG_QUEUE_BYPASS,
  NF_VERDICT_QBITS,
  NFQA_CT,
  NFQA_MARK,
  NFQA_PAYLOAD,
  NFQA_PRIORITY,
  NFQA_VLAN,
  NFQA_VLAN_PROTO,
  NFQA_VLAN_TCI,
} from "./abi.js";
import { PacketCutError, VerdictOptionError } from "./errors.js";

/** A VLAN tag for a packet of a bridge. */
export interface VlanVerdict {
  /** VLAN id, 0 to 4,095. */
  readonly id: number;
  /** Priority code point, 0 to 7; 0 where undefined. */
  readonly priority?: number | undefined;
  /** Drop eligible indicator; false where undefined. */
  readonly dropEligible?: boolean | undefined;
  /** Ether type of the tag: 0x8100 (802.1Q) where undefined, or 0x88a8 (802.1ad). */
  readonly protocol?: number | undefined;
}

/** What a verdict changes of its packet. What is undefined stays as it is. */
export interface VerdictOptions {
  /** Sets the packet's mark (skb->mark); 0 is a mark as any other. */
  readonly mark?: number | undefined;
  /**
   * The packet's new bytes, network header first, at most 65,531. The kernel takes its checksums as they are: fill in all of them, the
   * transport's too. They may be an edited `packet.payload`, and are read before the call returns.
   */
  readonly payload?: Uint8Array | undefined;
  /** Sets the mark of the packet's connection. Needs the queue's option `conntrack`. */
  readonly conntrackMark?: number | undefined;
  /**
   * The connection's labels, as the kernel's bitmap lies in memory (on little-endian hosts bit n is bit n % 8 of byte n / 8): 4 to 16 bytes,
   * in steps of 4. Needs the queue's option `conntrack`, and a rule of the host that uses labels: without one connections have no room for them.
   */
  readonly conntrackLabels?: Uint8Array | undefined;
  /** Which bits of the labels change, as long as the labels; all where undefined. */
  readonly conntrackLabelsMask?: Uint8Array | undefined;
  /** Tags a packet of the family "bridge" (Linux 4.7). */
  readonly vlan?: VlanVerdict | undefined;
  /** Sets the packet's priority (skb->priority), such as 0x10002 for class 1:2. Linux 5.18; older kernels pass over it. */
  readonly priority?: number | undefined;
}

/** What handing a packet to another queue changes of it, and what becomes of it where nobody listens there. */
export interface RequeueOptions extends VerdictOptions {
  /** Lets the packet pass where nobody listens on the other queue, instead of dropping it. */
  readonly bypass?: boolean | undefined;
}

/** What the check of options must know of their packet. */
export interface VerdictSubject {
  readonly id: number;
  readonly family: string;
  readonly length: number;
  readonly originalLength: number;
}

/** nfgenmsg, the verdict and a mark. */
const PLAIN_VERDICT_LENGTH = 4 + 12 + 8;
/** A payload larger than that does not fit an attribute. */
const MAXIMUM_PAYLOAD = 0xffff - 4;
/** What a packet of the family has at the least: its network header. */
const MINIMUM_PAYLOAD: ReadonlyMap<string, number> = new Map([
  ["ip", 20],
  ["ip6", 40],
]);
/** NF_CT_LABELS_MAX_SIZE (include/uapi/linux/netfilter/xt_connlabel.h), bytes. */
const MAXIMUM_LABELS = 16;
const ETH_P_8021Q = 0x8100;
/** The most that marks, priority, VLAN and conntrack take together. */
const OPTIONS_LENGTH = 8 + (4 + 8 + 8) + (4 + 8 + 20 + 20) + 4;

/** The NF_QUEUE verdict that hands a packet to another queue. Throws VerdictOptionError. */
export function requeueVerdict(queue: number, bypass: boolean): number {
  if (!Number.isInteger(queue) || queue < 0 || queue > 0xffff) {
    throw new VerdictOptionError(`queue ${queue}: queue numbers are whole, from 0 to 65,535`);
  }
  return ((queue << NF_VERDICT_QBITS) | (bypass ? NF_VERDICT_FLAG_QUEUE_BYPASS : 0) | NF_QUEUE) >>> 0;
}

/** True where the options set a mark at the most, which a batch verdict can carry. */
export function isPlain(options: VerdictOptions): boolean {
  return (
    options.payload === undefined &&
    options.priority === undefined &&
    options.conntrackMark === undefined &&
    options.conntrackLabels === undefined &&
    options.conntrackLabelsMask === undefined &&
    options.vlan === undefined
  );
}

export function checkUint32(name: string, value: number): void {
  // Neither NaN nor a fraction survives the conversion.
  if (value >>> 0 !== value)
    throw new VerdictOptionError(`${name} ${String(value)}: it is whole, from 0 to 4,294,967,295`);
}

/** Checks options against their packet and queue. Throws VerdictOptionError, or PacketCutError. */
export function checkVerdictOptions(
  options: VerdictOptions,
  packet: VerdictSubject,
  hasConntrack: boolean,
): void {
  const { mark, payload, priority, conntrackMark, vlan } = options;
  if (mark !== undefined) checkUint32("mark", mark);
  if (priority !== undefined) checkUint32("priority", priority);
  if (conntrackMark !== undefined) checkUint32("conntrackMark", conntrackMark);
  if (payload !== undefined) checkPayload(payload, packet);
  if (vlan !== undefined) checkVlan(vlan, packet.family);
  checkLabels(options);
  if (!hasConntrack && (conntrackMark !== undefined || options.conntrackLabels !== undefined)) {
    throw new VerdictOptionError(
      "a verdict changes the connection only on a queue with the option `conntrack: true`: a kernel that cannot would pass over it in silence",
    );
  }
}

function checkPayload(payload: Uint8Array, packet: VerdictSubject): void {
  if (!(payload instanceof Uint8Array)) throw new VerdictOptionError("payload is no Uint8Array");
  // Metadata alone comes without its original length.
  if (packet.length === 0 || packet.originalLength > packet.length) {
    throw new PacketCutError(packet.id, packet.length, packet.originalLength);
  }
  const minimum = MINIMUM_PAYLOAD.get(packet.family) ?? 1;
  if (payload.length < minimum || payload.length > MAXIMUM_PAYLOAD) {
    throw new VerdictOptionError(
      `payload of ${payload.length} bytes: a packet of family "${packet.family}" has from ${minimum} to 65,531`,
    );
  }
}

function checkVlan({ id, priority = 0, protocol = ETH_P_8021Q }: VlanVerdict, family: string): void {
  checkWhole("vlan.id", id, 0xfff);
  checkWhole("vlan.priority", priority, 7);
  checkWhole("vlan.protocol", protocol, 0xffff);
  if (family !== "bridge")
    throw new VerdictOptionError(`vlan: the kernel tags packets of the family "bridge", not "${family}"`);
}

function checkLabels({ conntrackLabels: labels, conntrackLabelsMask: mask }: VerdictOptions): void {
  if (mask !== undefined && mask.length !== labels?.length) {
    throw new VerdictOptionError("conntrackLabelsMask goes with conntrackLabels, and is as long");
  }
  if (labels === undefined) return;
  if (labels.length === 0 || labels.length > MAXIMUM_LABELS || labels.length % 4 !== 0) {
    throw new VerdictOptionError(`conntrackLabels of ${labels.length} bytes: it takes 4, 8, 12 or 16`);
  }
}

function checkWhole(name: string, value: number, maximum: number): void {
  if (!Number.isInteger(value) || value < 0 || value > maximum)
    throw new VerdictOptionError(`${name} ${String(value)}: it is whole, from 0 to ${maximum}`);
}

/** Bytes that a verdict with these options takes at the most, behind the message header. */
export function verdictLength(options: VerdictOptions): number {
  const { payload } = options;
  return PLAIN_VERDICT_LENGTH + OPTIONS_LENGTH + (payload === undefined ? 0 : 4 + payload.length + 3);
}

/** Writes what the verdict changes, behind its header. The options were checked. */
export function writeVerdictOptions(writer: MessageWriter, options: VerdictOptions): void {
  const { mark, payload, priority, conntrackMark, conntrackLabels, conntrackLabelsMask, vlan } = options;
  if (mark !== undefined) writer.attributeUint32Network(NFQA_MARK, mark);
  if (priority !== undefined) writer.attributeUint32Network(NFQA_PRIORITY, priority);
  if (vlan !== undefined) {
    const tag = writer.openNested(NFQA_VLAN);
    writer.attributeUint16Network(NFQA_VLAN_PROTO, vlan.protocol ?? ETH_P_8021Q);
    writer.attributeUint16Network(NFQA_VLAN_TCI, tagControlInformation(vlan));
    writer.closeNested(tag);
  }
  if (conntrackMark !== undefined || conntrackLabels !== undefined) {
    const connection = writer.openNested(NFQA_CT);
    if (conntrackMark !== undefined) writer.attributeUint32Network(CTA_MARK, conntrackMark);
    if (conntrackLabels !== undefined) writer.attributeBytes(CTA_LABELS, conntrackLabels);
    if (conntrackLabelsMask !== undefined) writer.attributeBytes(CTA_LABELS_MASK, conntrackLabelsMask);
    writer.closeNested(connection);
  }
  if (payload !== undefined) writer.attributeBytes(NFQA_PAYLOAD, payload);
}

function tagControlInformation({ id, priority = 0, dropEligible = false }: VlanVerdict): number {
  return (priority << 13) | (dropEligible ? 1 << 12 : 0) | id;
}
