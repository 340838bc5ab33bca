import type { RingOptions, SocketOptions, TransportChoice } from "@nlring/netlink";
import type { QueueConfiguration } from "./configuration.js";
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
/** It holds 1,820 packets of 1,400 bytes, which are charged 2,304 each: more than the kernel keeps waiting by default. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** How a queue is opened; nothing is needed. */
export interface QueueOptions {
  /** Verdict of packets that nobody decides: the handler threw, left them undecided, or the queue closes. "drop" where undefined. */
  readonly defaultVerdict?: Verdict | undefined;
  /** Bytes of each packet to copy; 0 is metadata only, everything where undefined. */
  readonly copyRange?: number | undefined;
  /** Packets that the kernel keeps waiting for a verdict; 1,024 where undefined. */
  readonly queueMaxLength?: number | undefined;
  /** Takes packets of segmentation offload in one piece (up to 64 KiB); true where undefined. */
  readonly gso?: boolean | undefined;
  /** Lets packets pass, unseen, while the queue or the receive buffer is full, instead of dropping them. */
  readonly failOpen?: boolean | undefined;
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
  /** Closes the queue when aborted; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Counts since the queue was opened. */
export interface QueueStatistics {
  /** Packets handed to the handler or iterator, or decided by default in their place. */
  readonly received: number;
  readonly accepted: number;
  readonly dropped: number;
  /** How many of the verdicts were the default one. */
  readonly defaulted: number;
  /** Packets without a verdict yet. */
  readonly undecided: number;
  /** Handlers that threw or rejected. */
  readonly handlerErrors: number;
  /** Verdicts for packets that the kernel no longer had; a lower bound, since its answers can be lost. */
  readonly unknownVerdicts: number;
  /** Verdicts that the kernel refused for another reason; a lower bound as well. */
  readonly refusedVerdicts: number;
  /** Packets that the receive buffer had no room for, which the kernel dropped or, failing open, let pass; undefined before Linux 4.12. */
  readonly receiveDrops: number | undefined;
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
}

/** The socket of a queue. A full receive buffer must not end the listening: what it loses is counted instead. */
export function socketOptionsOf({
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
    noEnobufs: true,
  };
}

/** What the kernel is told of a queue. Throws RangeError for options that make no sense. */
export function configurationOf(number: number, options: QueueOptions): QueueConfiguration {
  checkRange("queue number", number, 0, 0xffff);
  if (options.defaultVerdict !== undefined && !["accept", "drop"].includes(options.defaultVerdict)) {
    throw new RangeError(`defaultVerdict is "accept" or "drop", not "${String(options.defaultVerdict)}"`);
  }
  return {
    copyRange: checkRange("copyRange", options.copyRange ?? WHOLE_PACKET, 0, WHOLE_PACKET),
    queueMaxLength: checkRange("queueMaxLength", options.queueMaxLength ?? QUEUE_MAX_LENGTH, 1, 0xffff_ffff),
    gso: options.gso ?? true,
    failOpen: options.failOpen ?? false,
  };
}

function checkRange(name: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${name} is a whole number from ${minimum} to ${maximum}, not ${value}`);
  }
  return value;
}
