import { NLMSG_DONE, NLMSG_ERROR } from "./abi.js";
import { errorNumber, kernelError } from "./acknowledgement.js";
import { ReplyLostError } from "./errors.js";
import type { Message } from "./message.js";

/** One request that waits for its outcome. */
export interface PendingRequest {
  /** nlmsg_type of the request. */
  readonly type: number;
  /** Sees each message that answers the request, before its ACK. */
  readonly visit: ((reply: Message) => void) | undefined;
  settle(error: unknown): void;
}

/** The requests in flight on one socket, by sequence number. No I/O. */
export class RequestTable {
  readonly #pending = new Map<number, PendingRequest>();
  #lastSequence = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request. Sequence 0 is never given: messages that expect no answer carry it. */
  add(request: PendingRequest): number {
    do {
      this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    } while (this.#lastSequence === 0 || this.#pending.has(this.#lastSequence));
    this.#pending.set(this.#lastSequence, request);
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
    const { sequence } = message;
    const request = this.#pending.get(sequence);
    if (request === undefined) return false;
    let error: unknown;
    try {
      if (message.type === NLMSG_ERROR) {
        const errno = errorNumber(message);
        if (errno !== 0) error = kernelError(message, errno);
      } else if (message.type !== NLMSG_DONE) {
        request.visit?.(message);
        return true;
      }
    } catch (failure) {
      error = failure;
    }
    this.#pending.delete(sequence);
    request.settle(error);
    return true;
  }

  /**
   * The kernel handles a request inside the send and queues its answer before the send returns. So when the socket
   * has been read empty, whatever is still in flight lost its answer to a full receive buffer.
   */
  loseAll(): void {
    for (const [sequence, request] of [...this.#pending]) {
      this.#pending.delete(sequence);
      request.settle(new ReplyLostError(request.type));
    }
  }

  rejectAll(error: unknown): void {
    for (const [sequence, request] of [...this.#pending]) {
      this.#pending.delete(sequence);
      request.settle(error);
    }
  }
}
