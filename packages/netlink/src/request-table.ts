import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from "./abi.js";
import { outcome } from "./acknowledgement.js";
import { DumpInterruptedError, ReplyLostError } from "./errors.js";
import type { Message } from "./message.js";

/** One request that waits for its outcome. */
export interface PendingRequest {
  /** nlmsg_type of the request. */
  readonly type: number;
  /** True where the kernel answers whatever happens; false where it only speaks up on failure. */
  readonly answered: boolean;
  /** Sees each message that answers the request, before its ACK. */
  readonly visit: ((reply: Message) => void) | undefined;
  /** Called once, with the error or undefined. */
  settle(error: unknown): void;
}

interface Entry {
  readonly request: PendingRequest;
  /** What the visitor threw. The rest of the answer is still taken off the socket, unseen. */
  failure: { readonly error: unknown } | undefined;
  /** The kernel said that its dump is inconsistent. */
  interrupted: boolean;
}

/** The requests in flight on one socket, by sequence number. No I/O. */
export class RequestTable {
  readonly #pending = new Map<number, Entry>();
  #lastSequence = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request. Sequence 0 is never given: messages that expect no answer carry it. */
  add(request: PendingRequest): number {
    do {
      this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    } while (this.#lastSequence === 0 || this.#pending.has(this.#lastSequence));
    this.#pending.set(this.#lastSequence, { request, failure: undefined, interrupted: false });
    return this.#lastSequence;
  }

  forget(sequence: number): void {
    this.#pending.delete(sequence);
  }

  /**
   * Takes a message that came from the kernel for this socket's port. True when it answered a request in flight and is
   * nobody else's business.
   */
  dispatch(message: Message): boolean {
    const { sequence, type } = message;
    const entry = this.#pending.get(sequence);
    if (entry === undefined) return false;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0 && type !== NLMSG_ERROR) entry.interrupted = true;
    if (type === NLMSG_ERROR || type === NLMSG_DONE) {
      this.#pending.delete(sequence);
      entry.request.settle(conclusion(entry, message));
    } else if (entry.failure === undefined) {
      try {
        entry.request.visit?.(message);
      } catch (error) {
        entry.failure = { error };
      }
    }
    return true;
  }

  /**
   * The kernel handles a request inside the send and queues its answer before the send returns. So when the socket has been read
   * empty, what is still in flight and had to be answered lost its answer to a full receive buffer; the rest did not fail.
   */
  readEmpty(): void {
    for (const [sequence, entry] of [...this.#pending]) {
      this.#pending.delete(sequence);
      const { request, failure } = entry;
      if (failure !== undefined) request.settle(failure.error);
      else request.settle(request.answered ? new ReplyLostError(request.type) : undefined);
    }
  }

  rejectAll(error: unknown): void {
    for (const [sequence, { request }] of [...this.#pending]) {
      this.#pending.delete(sequence);
      request.settle(error);
    }
  }
}

function conclusion({ request, failure, interrupted }: Entry, message: Message): unknown {
  if (failure !== undefined) return failure.error;
  return outcome(message, request.type) ?? (interrupted ? new DumpInterruptedError(request.type) : undefined);
}
