import { HOST_IS_LITTLE_ENDIAN, type NetlinkSocket, NLM_F_REQUEST, SystemError } from "@nlring/netlink";
import { MESSAGE_VERDICT, MESSAGE_VERDICT_BATCH, NFQA_MARK, NFQA_VERDICT_HDR } from "./abi.js";
import { writeQueueHeader } from "./configuration.js";
import { type VerdictOptions, verdictLength, writeVerdictOptions } from "./verdict.js";

/** No mark is set: marks are unsigned. */
export const NO_MARK = -1;
/** Failures of a send that pass: the kernel has no memory, or no room. */
const BUSY: readonly string[] = ["EAGAIN", "ENOBUFS", "ENOMEM"];

/** Bytes of a plain verdict message: nlmsghdr, nfgenmsg, and the attribute NFQA_VERDICT_HDR. */
const VERDICT_LENGTH = 16 + 4 + 12;
/** With the attribute NFQA_MARK. */
const MARKED_LENGTH: number = VERDICT_LENGTH + 8;

interface PlainVerdict {
  readonly type: number;
  readonly verdict: number;
  readonly mark: number;
  readonly id: number;
}

/**
 * Writes the verdicts of one queue. Verdicts that say the same of a settled prefix become one NFQNL_MSG_VERDICT_BATCH, which the kernel
 * applies to every packet that it has queued with that id or a lower one.
 *
 * That no packet is meant which nobody saw, and none whose decision is still to come, rests on this:
 * - The kernel numbers a packet, queues it and puts its message into the socket under the queue's one lock, and takes it out of the queue again
 *   where the socket has no room (nfnetlink_queue.c). So every queued packet has its message in the socket, in order of the ids, and
 *   who has read the message of an id has read those of all lower ones. A number that a failed delivery consumed belongs to no queued packet: gaps
 *   stop nothing.
 * - A user ring keeps the socket's order. A mapped ring does not: its frames are in the order in which messages were begun, before they had a
 *   number. There nothing is joined, nor after an id that came out of order all the same.
 * - A message that arrived and was lost above the kernel (`socket.unseen`) is a queued packet that nobody sees: from then on nothing is joined.
 * - Only verdicts of packets without an undecided one before them are joined.
 * - Ids are compared as a signed difference, by the kernel and here, which is right while two queued ids are less than 2^31 apart. A
 *   packet that waited longer than that is not joined with what comes behind it.
 */
export class VerdictSender {
  readonly #socket: NetlinkSocket;
  readonly #queue: number;
  readonly #words: Uint32Array;
  readonly #portId: number;
  #joins: boolean;
  // The verdict that is kept back: of `#count` packets, the last of which is `#lastId`.
  #count = 0;
  #verdict = 0;
  #mark = NO_MARK;
  #lastId = 0;
  #inTurn = false;
  /** Verdicts that no send frame was free for, in order. */
  #postponed: PlainVerdict[] = [];
  #messages = 0;

  constructor(socket: NetlinkSocket, queue: number, joins: boolean) {
    this.#socket = socket;
    this.#queue = queue;
    this.#words = socket.sendWords;
    this.#portId = socket.portId;
    this.#joins = joins && socket.transport.kind !== "kernel-ring";
    socket.beforeFlush(() => this.#flushKept());
  }

  /** Verdict messages written so far, each of which may decide many packets. */
  get messages(): number {
    return this.#messages;
  }

  /** Joins nothing any more: ids came out of order. */
  stopJoining(): void {
    this.#joins = false;
  }

  /** Until `endTurn` whoever decides flushes by itself: a lone verdict pays for nothing that would see to it. */
  beginTurn(): void {
    this.#inTurn = true;
  }

  /** Where the turn failed before its flush, what is kept back leaves all the same. */
  endTurn(): void {
    this.#inTurn = false;
    if (this.#count > 0 && !this.#socket.closed) this.#socket.flushSoon();
  }

  /**
   * Gives a packet a verdict and a mark (or NO_MARK); it leaves before the event loop waits.
   *
   * @param settled true where no packet before it is undecided
   */
  decide(id: number, verdict: number, mark: number, settled: boolean): void {
    if (!settled || !this.#joins || this.#socket.unseen !== 0) {
      this.#flushKept();
      this.#write(MESSAGE_VERDICT, verdict, mark, id);
      return;
    }
    if (
      this.#count > 0 &&
      this.#verdict === verdict &&
      this.#mark === mark &&
      ((id - this.#lastId) | 0) > 0
    ) {
      this.#lastId = id;
      this.#count++;
      return;
    }
    this.#flushKept();
    this.#verdict = verdict;
    this.#mark = mark;
    this.#lastId = id;
    this.#count = 1;
    if (!this.#inTurn) this.#socket.flushSoon();
  }

  /** Gives a packet a verdict that changes more of it than its mark. Throws SystemError where the kernel takes nothing now. */
  decideWith(id: number, verdict: number, options: VerdictOptions): void {
    this.#flushKept();
    const writer = writeQueueHeader(
      this.#socket.compose(MESSAGE_VERDICT, 0, verdictLength(options)),
      this.#queue,
    );
    writer.attribute(NFQA_VERDICT_HDR, 8).uint32Network(verdict).uint32Network(id);
    writeVerdictOptions(writer, options);
    this.#socket.commit();
    this.#messages++;
  }

  /** Writes what is kept back. */
  #flushKept(): void {
    if (this.#postponed.length > 0) this.#retryPostponed();
    if (this.#count === 0) return;
    const type = this.#count === 1 ? MESSAGE_VERDICT : MESSAGE_VERDICT_BATCH;
    this.#count = 0;
    this.#write(type, this.#verdict, this.#mark, this.#lastId);
  }

  #write(type: number, verdict: number, mark: number, id: number): void {
    // Behind those that wait: the network sees packets in the order of their verdicts.
    if (this.#postponed.length > 0 || !this.#tryWrite(type, verdict, mark, id)) {
      this.#postponed.push({ type, verdict, mark, id });
    }
  }

  #retryPostponed(): void {
    let written = 0;
    for (const { type, verdict, mark, id } of this.#postponed) {
      if (!this.#tryWrite(type, verdict, mark, id)) break;
      written++;
    }
    if (written > 0) this.#postponed = this.#postponed.slice(written);
  }

  /** False where every send frame is full and the kernel takes none: the socket tries again by itself, and asks for more before it sends. */
  #tryWrite(type: number, verdict: number, mark: number, id: number): boolean {
    try {
      this.#place(type, verdict, mark, id);
      this.#messages++;
      return true;
    } catch (error) {
      // A socket that was lost tells its reader.
      if (this.#socket.closed) return true;
      if (error instanceof SystemError && BUSY.includes(error.code)) return false;
      throw error;
    }
  }

  /** Writes a message of a shape that is always the same word by word: a field through a DataView takes some 40 instructions. */
  #place(type: number, verdict: number, mark: number, id: number): void {
    const length = mark === NO_MARK ? VERDICT_LENGTH : MARKED_LENGTH;
    const words = this.#words;
    const at = this.#socket.place(length);
    words[at] = length;
    words[at + 1] = pair(type, NLM_F_REQUEST);
    words[at + 2] = 0;
    words[at + 3] = this.#portId;
    // Family AF_UNSPEC and version NFNETLINK_V0, both 0, and the queue.
    words[at + 4] = networkOrder(this.#queue);
    words[at + 5] = pair(12, NFQA_VERDICT_HDR);
    words[at + 6] = networkOrder(verdict);
    words[at + 7] = networkOrder(id);
    if (mark === NO_MARK) return;
    words[at + 8] = pair(8, NFQA_MARK);
    words[at + 9] = networkOrder(mark);
  }
}

/** The word that has two 16-bit numbers in host byte order behind each other. */
function pair(first: number, second: number): number {
  return HOST_IS_LITTLE_ENDIAN ? first | (second << 16) : (first << 16) | second;
}

/** The word that has a 32-bit number in network byte order. */
function networkOrder(number: number): number {
  if (!HOST_IS_LITTLE_ENDIAN) return number;
  return (number << 24) | ((number & 0xff00) << 8) | ((number >>> 8) & 0xff00) | (number >>> 24);
}
