import type { Message } from "./message.js";
import type { RequestTable } from "./request-table.js";

/** Requests that leave in one send and settle as one: resolved when all have settled, rejected with the first error in their order. */
export class RequestGroup {
  readonly #table: RequestTable;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #sequences: number[] = [];
  readonly #errors: (unknown | undefined)[] = [];
  #unsettled = 0;
  #isSent = false;

  constructor(table: RequestTable, resolve: () => void, reject: (error: unknown) => void) {
    this.#table = table;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Registers the next message of the group and returns its sequence number. */
  add(type: number, answered: boolean, visit: ((reply: Message) => void) | undefined): number {
    const index = this.#sequences.length;
    this.#unsettled++;
    const sequence = this.#table.add({
      type,
      answered,
      visit,
      settle: (error) => {
        this.#errors[index] = error;
        this.#unsettled--;
        this.#finish();
      },
    });
    this.#sequences.push(sequence);
    return sequence;
  }

  /** Tells that the send happened. */
  sent(): void {
    this.#isSent = true;
    this.#finish();
  }

  /** Forgets the group after a send that failed. */
  abandon(): void {
    for (const sequence of this.#sequences) this.#table.forget(sequence);
  }

  #finish(): void {
    if (!this.#isSent || this.#unsettled > 0) return;
    // A refused batch answers its failing messages alone; the first in order is the cause of the others.
    const error = this.#errors.find((candidate) => candidate !== undefined);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}
