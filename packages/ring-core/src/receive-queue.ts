/** Bytes of receive buffer that a message is charged beside its own: about what the kernel's own bookkeeping of it takes. */
const MESSAGE_OVERHEAD = 768;

/** A socket's receive queue: messages that are in no ring frame, and what they take of the receive buffer. */
export class ReceiveQueue {
  readonly #limit: number;
  readonly #messages: Uint8Array[] = [];
  #charged = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** True where the next message is refused. The kernel compares before it charges: the one before may have gone past the limit. */
  get isOver(): boolean {
    return this.#charged > this.#limit;
  }

  /** True where a dump that is read from here goes on. */
  get isHalfEmpty(): boolean {
    return this.#charged <= this.#limit / 2;
  }

  /** True where a dump that is read from here cannot even start. */
  get isExhausted(): boolean {
    return this.#charged >= this.#limit;
  }

  /** Queues a copy of the message. */
  push(message: Uint8Array): void {
    this.#messages.push(message.slice());
    this.#charged += message.length + MESSAGE_OVERHEAD;
  }

  /** The oldest message; undefined for none. */
  shift(): Uint8Array | undefined {
    const message = this.#messages.shift();
    if (message !== undefined) this.#charged -= message.length + MESSAGE_OVERHEAD;
    return message;
  }

  purge(): void {
    this.#messages.length = 0;
    this.#charged = 0;
  }
}
