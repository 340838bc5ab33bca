import type { RingOptions, SocketOptions, TransportChoice } from "@nlring/netlink";
import type { QueueConfiguration } from "./configuration.js";
import type { LossReport } from "./loss-report.js";
import type { Packet, Verdict } from "./packet.js";

/**
 * A frame holds the largest packet that the kernel hands out, 65,531 bytes, and its metadata. The odd size staggers the frames, which at a
 * multiple of the page size would all compete for the same cache lines.
 */
const UNMAPPED_RING: RingOptions = { frameSize: 70_016, frameCount: 256 };
const RING: RingOptions = {
  ...UNMAPPED_RING,
  // Twice what the kernel keeps waiting, since a mapped ring that is full loses packets.
  mapped: { frameSize: 4096, frameCount: 2048 },
};
/** 65,535 is everything that an attribute can hold. */
const WHOLE_PACKET = 0xffff;
/** The kernel's own default (NFQNL_QMAX_DEFAULT). */
const QUEUE_MAX_LENGTH = 1024;
/** It holds 1,820 packets of 1,400 bytes: more than the kernel keeps waiting by default. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** How a queue is opened; nothing is needed. */
export interface QueueOptions {
  /**
   * Verdict of packets that nobody decides: the handler threw, left them undecided, took too long, or the queue closes. "drop" where
   * undefined.
   */
  readonly defaultVerdict?: Verdict | undefined;
  /**
   * Milliseconds after which a packet that outlived its handler's call, held ones too, gets the default verdict; never where undefined.
   */
  readonly verdictTimeout?: number | undefined;
  /** Bytes of each packet to copy; 0 is metadata only, everything where undefined. */
  readonly copyRange?: number | undefined;
  /** Packets that the kernel keeps waiting for a verdict; 1,024 where undefined. */
  readonly queueMaxLength?: number | undefined;
  /** Takes packets of segmentation offload in one piece (up to 64 KiB); true where undefined. */
  readonly gso?: boolean | undefined;
  /** Lets packets pass, unseen, while the queue or the receive buffer is full, instead of dropping them. */
  readonly failOpen?: boolean | undefined;
  /** Has packets come with their connection, and lets verdicts change it (Linux 3.6, CONFIG_NETFILTER_NETLINK_GLUE_CT). */
  readonly conntrack?: boolean | undefined;
  /** Has packets of local sockets come with user and group id of their owner (Linux 3.14). */
  readonly uidGid?: boolean | undefined;
  /** Has packets of local sockets come with the label that a SECMARK rule gave them (Linux 4.3, CONFIG_NETWORK_SECMARK). */
  readonly securityContext?: boolean | undefined;
  /**
   * Joins verdicts that say the same into one message; true where undefined. It changes nothing that the network sees, and never happens in a
   * kernel ring.
   */
  readonly coalesce?: boolean | undefined;
  /**
   * On SIGTERM and SIGINT, closes the queue and then has the signal take its default effect, unless others listen to it. In the main
   * thread alone: signals reach no worker.
   */
  readonly closeOnSignals?: boolean | undefined;
  /** Receive buffer wanted, in bytes as the kernel accounts them; 4 MiB where undefined. `queue.receiveBuffer` tells what came. */
  readonly receiveBuffer?: number | undefined;
  /** Shape of the receive ring; 256 frames of 70,016 bytes where undefined, or 2,048 of 4,096 where the kernel maps it. */
  readonly ring?: RingOptions | undefined;
  readonly transport?: TransportChoice | undefined;
  /**
   * Packets in the order of their ids, which is that of their arrival. A kernel ring does not keep it; an ordered queue takes the user
   * ring.
   */
  readonly ordered?: boolean | undefined;
  /** Network namespace: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /**
   * Takes over a netlink socket of the protocol NETLINK_NETFILTER that was opened elsewhere, as `NetlinkSocket.open` does; it must have no
   * filter. Rules are made in the process's own network namespace all the same.
   */
  readonly descriptor?: number | undefined;
  /** Closes the queue when aborted; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Counts since the queue was opened. */
export interface QueueStatistics {
  /** Packets handed to the handler or iterator, or decided by default in their place. */
  readonly received: number;
  readonly accepted: number;
  readonly dropped: number;
  readonly repeated: number;
  readonly requeued: number;
  /** How many of the verdicts were the default one. */
  readonly defaulted: number;
  /** How many of those were for packets that waited longer than `verdictTimeout`. */
  readonly timedOut: number;
  /** Packets without a verdict yet; once the queue was lost, those that the kernel dropped. */
  readonly undecided: number;
  /** Messages that carried the verdicts: fewer than these where verdicts were joined. */
  readonly verdictMessages: number;
  /** Handlers that threw or rejected. */
  readonly handlerErrors: number;
  /** Verdicts for packets that the kernel no longer had; a lower bound, since its answers can be lost. */
  readonly unknownVerdicts: number;
  /** Verdicts that the kernel refused for another reason; a lower bound as well. */
  readonly refusedVerdicts: number;
  /**
   * Packets that the receive buffer had no room for, which the kernel dropped or, failing open, let pass; its complaints about verdicts that
   * found no room count among them. Undefined before Linux 4.12.
   */
  readonly receiveDrops: number | undefined;
  /**
   * Those of them that passed unseen, on a queue that fails open; 0 on another. What passes because the queue is at its maximum length is
   * counted by nobody, so let the receive buffer be the smaller of the two.
   */
  readonly passedUnseen: number | undefined;
  /** Sends that the kernel had no memory for; what they held was tried again. */
  readonly sendRetries: number;
  /** Messages that were none of a queue's, or broke the format. */
  readonly malformed: number;
}

/** Decides one packet, at once or through the promise it returns. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing, or a promise; whatever else it returns is not looked at.
export type PacketHandler = (packet: Packet) => void | Promise<unknown>;

/** Events of a queue, with their arguments. */
export interface QueueEvents {
  /** A handler threw or rejected; its packet got the default verdict. Without a listener the first one becomes a process warning. */
  handlerError: [error: unknown];
  /** Something was lost; at most one a second. Without a listener the first one becomes a process warning. */
  loss: [loss: LossReport];
}

/** The socket of a queue. A full receive buffer must not end the listening: what it loses is counted instead. */
export function socketOptionsOf({
  descriptor,
  namespace,
  ordered,
  receiveBuffer,
  ring,
  transport,
}: QueueOptions): SocketOptions {
  return {
    transport,
    ring: ring === undefined ? RING : { ...UNMAPPED_RING, ...ring },
    ordered,
    receiveBuffer: receiveBuffer ?? RECEIVE_BUFFER,
    namespace,
    descriptor,
    noEnobufs: true,
    kernelOnly: true,
  };
}

/** What the kernel is told of a queue. Throws RangeError for options that make no sense. */
export function configurationOf(number: number, options: QueueOptions): QueueConfiguration {
  checkRange("queue number", number, 0, 0xffff);
  if (options.defaultVerdict !== undefined && !["accept", "drop"].includes(options.defaultVerdict)) {
    throw new RangeError(`defaultVerdict is "accept" or "drop", not "${String(options.defaultVerdict)}"`);
  }
  const { verdictTimeout } = options;
  // Node's timers take no more.
  if (verdictTimeout !== undefined) checkRange("verdictTimeout", verdictTimeout, 1, 0x7fff_ffff);
  return {
    copyRange: checkCopyRange(options.copyRange ?? WHOLE_PACKET),
    queueMaxLength: checkMaxLength(options.queueMaxLength ?? QUEUE_MAX_LENGTH),
    gso: options.gso ?? true,
    failOpen: options.failOpen ?? false,
    conntrack: options.conntrack ?? false,
    uidGid: options.uidGid ?? false,
    securityContext: options.securityContext ?? false,
  };
}

/** Throws RangeError. */
export function checkCopyRange(bytes: number): number {
  return checkRange("copyRange", bytes, 0, WHOLE_PACKET);
}

/** Throws RangeError. */
export function checkMaxLength(packets: number): number {
  return checkRange("queueMaxLength", packets, 1, 0xffff_ffff);
}

function checkRange(name: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${name} is a whole number from ${minimum} to ${maximum}, not ${value}`);
  }
  return value;
}
