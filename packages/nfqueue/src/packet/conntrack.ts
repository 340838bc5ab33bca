import { AttributeReader } from "@nlring/netlink";
import {
  CTA_COUNTERS_ORIG,
  CTA_COUNTERS_REPLY,
  CTA_HELP,
  CTA_ID,
  CTA_LABELS,
  CTA_MARK,
  CTA_PROTOINFO,
  CTA_STATUS,
  CTA_TIMEOUT,
  CTA_TIMESTAMP,
  CTA_TUPLE_MASTER,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
} from "./conntrack-abi.js";
import { type ConntrackStatus, conntrackStatusOf } from "./conntrack-names.js";
import {
  type ConntrackCounters,
  type ConntrackTcp,
  type ConntrackTimestamps,
  type ConntrackTuple,
  decodeCounters,
  decodeHelper,
  decodeTcp,
  decodeTimestamps,
  decodeTuple,
} from "./conntrack-schema.js";

/** The address and port that translation puts in the place of others. */
export interface ConntrackTranslation {
  readonly address: string | undefined;
  /** Undefined for protocols without ports. */
  readonly port: number | undefined;
}

/**
 * A tracked connection, as a packet of it tells (attributes CTA_*, include/uapi/linux/netfilter/nfnetlink_conntrack.h). It lies in memory of
 * its own and stays valid; each getter decodes its part when it is read.
 *
 * The kernel leaves out what a connection does not have: those parts are undefined, or 0 where that says the same. Getters throw
 * DecodeError where an attribute breaks its format.
 */
export class Conntrack {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** @param bytes the attributes of the nest NFQA_CT; not copied */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The direction of the packet that opened the connection. */
  get original(): ConntrackTuple | undefined {
    const bytes = this.#nest(CTA_TUPLE_ORIG);
    return bytes === undefined ? undefined : decodeTuple(bytes);
  }

  /** The direction of the answers: what translation makes of it is seen here. */
  get reply(): ConntrackTuple | undefined {
    const bytes = this.#nest(CTA_TUPLE_REPLY);
    return bytes === undefined ? undefined : decodeTuple(bytes);
  }

  /** The original direction of the connection that this one was expected by, as FTP's data connection by its control connection. */
  get master(): ConntrackTuple | undefined {
    const bytes = this.#nest(CTA_TUPLE_MASTER);
    return bytes === undefined ? undefined : decodeTuple(bytes);
  }

  /** Where the source of the original direction is translated to (source NAT, masquerading); undefined without. */
  get sourceTranslation(): ConntrackTranslation | undefined {
    if (!this.status.includes("source-nat")) return undefined;
    const { reply } = this;
    return reply === undefined ? undefined : { address: reply.destination, port: reply.destinationPort };
  }

  /** Where the destination of the original direction is translated to (destination NAT, redirection); undefined without. */
  get destinationTranslation(): ConntrackTranslation | undefined {
    if (!this.status.includes("destination-nat")) return undefined;
    const { reply } = this;
    return reply === undefined ? undefined : { address: reply.source, port: reply.sourcePort };
  }

  /** The id that `conntrack -o id` shows. */
  get id(): number | undefined {
    return this.#uint32(CTA_ID);
  }

  /** The connection's mark, 0 where it has none. */
  get mark(): number {
    return this.#uint32(CTA_MARK) ?? 0;
  }

  /** The zone that keeps it apart from connections of the same addresses; 0 is the default one. */
  get zone(): number {
    const reader = this.#find(CTA_ZONE);
    return reader === undefined ? 0 : reader.uint16Network();
  }

  /** Seconds until it is forgotten, if nothing comes; 0 before its first packet has passed. */
  get timeout(): number | undefined {
    return this.#uint32(CTA_TIMEOUT);
  }

  /** What is set of its status, by name. */
  get status(): ConntrackStatus[] {
    return conntrackStatusOf(this.statusBits);
  }

  /** Its status as the kernel has it (IPS_*), for bits without a name here. */
  get statusBits(): number {
    return this.#uint32(CTA_STATUS) ?? 0;
  }

  /** A copy of its labels: a bit map of 16 bytes in the kernel's order. Undefined where it has none. */
  get labels(): Uint8Array | undefined {
    return this.#find(CTA_LABELS)?.bytes().slice();
  }

  /** Undefined for other protocols than TCP. */
  get tcp(): ConntrackTcp | undefined {
    const bytes = this.#nest(CTA_PROTOINFO);
    return bytes === undefined ? undefined : decodeTcp(bytes);
  }

  /** Name of the helper that looks into it, such as "ftp". */
  get helper(): string | undefined {
    const bytes = this.#nest(CTA_HELP);
    return bytes === undefined ? undefined : decodeHelper(bytes);
  }

  /** Traffic of the original direction. No kernel so far tells it with a queued packet. */
  get countersOriginal(): ConntrackCounters | undefined {
    const bytes = this.#nest(CTA_COUNTERS_ORIG);
    return bytes === undefined ? undefined : decodeCounters(bytes);
  }

  /** Traffic of the reply direction, as `countersOriginal`. */
  get countersReply(): ConntrackCounters | undefined {
    const bytes = this.#nest(CTA_COUNTERS_REPLY);
    return bytes === undefined ? undefined : decodeCounters(bytes);
  }

  /** When it began and ended. No kernel so far tells it with a queued packet. */
  get timestamps(): ConntrackTimestamps | undefined {
    const bytes = this.#nest(CTA_TIMESTAMP);
    return bytes === undefined ? undefined : decodeTimestamps(bytes);
  }

  #find(type: number): AttributeReader | undefined {
    const reader = new AttributeReader(this.#view, 0, this.#bytes.length);
    while (reader.next()) if (reader.type === type) return reader;
    return undefined;
  }

  #nest(type: number): Uint8Array | undefined {
    return this.#find(type)?.bytes();
  }

  /** Network byte order. */
  #uint32(type: number): number | undefined {
    return this.#find(type)?.uint32Network();
  }
}
