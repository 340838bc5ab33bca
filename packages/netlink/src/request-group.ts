import type { Message } from "./message.js";
import type { RequestTable } from "./request-table.js";

/** Requests that leave in one send and settle as one: resolved when all are answered, rejected with the first error. */
export class RequestGroup {
  readonly #table: RequestTable;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #sequences: number[] = [];
  readonly #errors: (unknown | undefined)[] = [];
  #unanswered = 0;
  #isSent = false;

  constructor(table: RequestTable, resolve: () => void, reject: (error: unknown) => void) {
    this.#table = table;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Registers the next message of the group and returns its sequence number. */
  add(type: number, answered: boolean, visit: ((reply: Message) => void) | undefined): number {
    const index = this.#sequences.length;
    if (answered) this.#unanswered++;
    const sequence = this.#table.add({
      type,
      visit,
      settle: (error) => {
        if (error !== undefined) this.#errors[index] ??= error;
        if (answered) this.#unanswered--;
        this.#finish();
      },
    });
    this.#sequences.push(sequence);
    return sequence;
  }

  /** Tells that the send happened; a group without answers to wait for is done then. */
  sent(): void {
    this.#isSent = true;
    this.#finish();
  }

  /** Forgets the group after a send that failed. */
  abandon(): void {
    for (const sequence of this.#sequences) this.#table.forget(sequence);
  }

  #finish(): void {
    if (!this.#isSent || this.#unanswered > 0) return;
    this.abandon();
    // A refused batch answers its failing messages alone; the first in order is the cause of the others.
    const error = this.#errors.find((candidate) => candidate !== undefined);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}
