import {
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
} from "../abi.js";
import { DumpInterruptedError, ReplyLostError } from "../errors.js";
import { type Acknowledgement, conclude, PLAIN_ACKNOWLEDGEMENT } from "../message/acknowledgement.js";
import type { Message } from "../message/message.js";
import type { Outgoing } from "../message/outgoing.js";

/** Who is told how a request ended. */
export interface RequestOwner {
  /** Sees each message that answers the request, before its end. */
  visit?: ((reply: Message) => void) | undefined;
  /** Called once: with what the kernel's ACK said, or with the error. */
  settle(index: number, error: unknown, acknowledgement: Acknowledgement): void;
}

/** One message that was sent, or is about to be, and waits for its outcome. */
export class PendingRequest {
  readonly outgoing: Outgoing;
  /** True where the kernel answers whatever happens; false where it only speaks up on failure. */
  readonly answered: boolean;
  /** Which of its owner's messages it is. */
  readonly index: number;
  readonly owner: RequestOwner;
  sequence = 0;
  /** The message as it was sent, for the places that an error names. */
  bytes: Uint8Array | undefined;
  /** Where it starts in `bytes`. */
  offset = 0;
  /** True while somebody waits for what answers it: false for a dump that is ahead of its reader. */
  wanted = true;
  /** What the visitor threw. The rest of the answer is still taken off the socket, unseen. */
  failure: { readonly error: unknown } | undefined;
  /** The kernel said that its dump is inconsistent. */
  interrupted = false;

  constructor(outgoing: Outgoing, answered: boolean, owner: RequestOwner, index: number) {
    this.outgoing = outgoing;
    this.answered = answered;
    this.owner = owner;
    this.index = index;
  }
}

/** The requests in flight on one socket, by sequence number. No I/O. */
export class RequestTable {
  readonly #pending = new Map<number, PendingRequest>();
  #lastSequence = 0;
  #wanted = 0;
  #visited = 0;

  /** How many are in flight. */
  get size(): number {
    return this.#pending.size;
  }

  /** How many of them somebody waits for. While it is 0, nothing needs to be read for requests. */
  get wanted(): number {
    return this.#wanted;
  }

  /** True where somebody waits for replies too, of which there may be any number, and not for ACKs alone. */
  get expectsReplies(): boolean {
    return this.#visited > 0;
  }

  /** A sequence number that no request in flight has. 0 is never given: messages that expect no answer carry it. */
  nextSequence(): number {
    do {
      this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    } while (this.#lastSequence === 0 || this.#pending.has(this.#lastSequence));
    return this.#lastSequence;
  }

  /** Registers a request that is sent right after. */
  add(request: PendingRequest): void {
    this.#pending.set(request.sequence, request);
    if (request.wanted) this.#count(request, 1);
  }

  /** Forgets a request whose send failed. */
  forget(request: PendingRequest): void {
    if (this.#pending.delete(request.sequence) && request.wanted) this.#count(request, -1);
  }

  setWanted(request: PendingRequest, wanted: boolean): void {
    if (request.wanted === wanted) return;
    request.wanted = wanted;
    if (this.#pending.has(request.sequence)) this.#count(request, wanted ? 1 : -1);
  }

  /**
   * Takes a plain ACK: the most frequent answer, for which no Message is made (it is a tenth of what a batched request costs). The arguments
   * place an NLMSG_ERROR from the kernel to this port in `view`. False where it is anything else.
   */
  acknowledge(view: DataView, offset: number, length: number): boolean {
    // struct nlmsgerr: the error number, then the header that is answered.
    if (length < NLMSG_HDRLEN + 4 + NLMSG_HDRLEN) return false;
    if (view.getInt32(offset + NLMSG_HDRLEN, HOST_IS_LITTLE_ENDIAN) !== 0) return false;
    if ((view.getUint16(offset + 6, HOST_IS_LITTLE_ENDIAN) & NLM_F_ACK_TLVS) !== 0) return false;
    const request = this.#pending.get(view.getUint32(offset + 8, HOST_IS_LITTLE_ENDIAN));
    if (request === undefined || request.failure !== undefined || request.interrupted) return false;
    this.forget(request);
    request.owner.settle(request.index, undefined, PLAIN_ACKNOWLEDGEMENT);
    return true;
  }

  /**
   * Takes a message that came from the kernel for this socket's port. True when it answered a request in flight and is
   * nobody else's business.
   */
  dispatch(message: Message): boolean {
    const { sequence, type } = message;
    const request = this.#pending.get(sequence);
    if (request === undefined) return false;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0 && type !== NLMSG_ERROR) request.interrupted = true;
    if (type === NLMSG_ERROR || type === NLMSG_DONE) {
      this.forget(request);
      end(request, message);
    } else if (request.failure === undefined) {
      try {
        request.owner.visit?.(message);
      } catch (error) {
        request.failure = { error };
      }
    }
    return true;
  }

  /**
   * The kernel handles a request inside the send and queues its answer before the send returns. So when the socket has been read
   * empty, what is still in flight and had to be answered lost its answer to a full receive buffer; the rest did not fail.
   */
  readEmpty(): void {
    if (this.#pending.size === 0) return;
    for (const request of [...this.#pending.values()]) {
      this.forget(request);
      const { failure, owner, index } = request;
      if (failure !== undefined) owner.settle(index, failure.error, PLAIN_ACKNOWLEDGEMENT);
      else {
        const lost = request.answered ? new ReplyLostError(request.outgoing.type) : undefined;
        owner.settle(index, lost, PLAIN_ACKNOWLEDGEMENT);
      }
    }
  }

  rejectAll(error: unknown): void {
    for (const request of [...this.#pending.values()]) {
      this.forget(request);
      request.owner.settle(request.index, error, PLAIN_ACKNOWLEDGEMENT);
    }
  }

  #count({ owner }: PendingRequest, change: 1 | -1): void {
    this.#wanted += change;
    if (owner.visit !== undefined) this.#visited += change;
  }
}

/** Tells the owner how its request ended, by the NLMSG_ERROR or NLMSG_DONE that answers it. */
function end(request: PendingRequest, message: Message): void {
  const { owner, index, failure, interrupted, outgoing } = request;
  const conclusion = conclude(message, request);
  let error: unknown = conclusion.error;
  if (failure !== undefined) error = failure.error;
  else if (error === undefined && interrupted) error = new DumpInterruptedError(outgoing.type);
  owner.settle(index, error, conclusion.acknowledgement);
}
