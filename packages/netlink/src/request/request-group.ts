import { ReplyCountError, TimeoutError } from "../errors.js";
import { type Acknowledgement, PLAIN_ACKNOWLEDGEMENT } from "../message/acknowledgement.js";
import type { Message } from "../message/message.js";
import type { Decoder } from "../message/outgoing.js";
import type { RequestOptions } from "../socket-options.js";
import type { RequestOwner } from "./request-table.js";

type Limits = Pick<RequestOptions, "signal" | "timeout">;

/** Calls back when the time is up or the signal aborts. Returns what ends that; undefined where there is nothing to end. */
export function limitWaiting(
  { signal, timeout }: Limits,
  onLimit: (error: unknown) => void,
): (() => void) | undefined {
  if (signal === undefined && timeout === undefined) return undefined;
  const abort = (): void => onLimit(signal?.reason);
  const timer =
    timeout === undefined ? undefined : setTimeout(() => onLimit(new TimeoutError(timeout)), timeout);
  signal?.addEventListener("abort", abort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
}

/**
 * Requests that settle as one: resolved with their acknowledgements when all have settled, rejected with the first error in their order.
 * Its visitor sees the replies to all of them.
 */
export class RequestGroup implements RequestOwner {
  readonly visit: ((reply: Message) => void) | undefined;
  readonly #resolve: (acknowledgements: readonly Acknowledgement[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #acknowledgements: Acknowledgement[] = [];
  readonly #size: number;
  #unsettled: number;
  #failedIndex = Number.POSITIVE_INFINITY;
  #error: unknown;
  #stopLimit: (() => void) | undefined;

  constructor(
    size: number,
    options: RequestOptions,
    resolve: (acknowledgements: readonly Acknowledgement[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#size = size;
    // None at all settle as one would.
    this.#unsettled = Math.max(1, size);
    this.#resolve = resolve;
    this.#reject = reject;
    const { visit } = options;
    this.visit =
      visit === undefined
        ? undefined
        : (reply) => {
            // Whoever was told that it took too long is not told more.
            if (this.#unsettled > 0) visit(reply);
          };
    this.#stopLimit = limitWaiting(options, (error) => this.refuse(error));
  }

  settle(index: number, error: unknown, acknowledgement: Acknowledgement = PLAIN_ACKNOWLEDGEMENT): void {
    if (this.#unsettled === 0) return;
    if (index < this.#size) this.#acknowledgements[index] = acknowledgement;
    // A refused batch answers its failing messages alone; the first in order is the cause of the others.
    if (error !== undefined && index < this.#failedIndex) {
      this.#failedIndex = index;
      this.#error = error;
    }
    this.#unsettled--;
    if (this.#unsettled > 0) return;
    this.#end();
    if (this.#error === undefined) this.#resolve(this.#acknowledgements);
    else this.#reject(this.#error);
  }

  /** Rejects at once, whatever may still settle. */
  refuse(error: unknown): void {
    if (this.#unsettled === 0) return;
    this.#unsettled = 0;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#stopLimit?.();
    this.#stopLimit = undefined;
  }
}

/** One request without options: all that it has to do is to settle its promise. */
export class SoleRequest implements RequestOwner {
  readonly visit: undefined;
  readonly #resolve: (acknowledgement: Acknowledgement) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (acknowledgement: Acknowledgement) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(_index: number, error: unknown, acknowledgement: Acknowledgement): void {
    if (error === undefined) this.#resolve(acknowledgement);
    else this.#reject(error);
  }

  refuse(error: unknown): void {
    this.#reject(error);
  }
}

/** The one reply that a request is to have. */
export class SoleReply<T> {
  readonly #requestType: number;
  readonly #decoder: Decoder<T>;
  #count = 0;
  #value: { readonly decoded: T } | undefined;

  constructor(requestType: number, decoder: Decoder<T>) {
    this.#requestType = requestType;
    this.#decoder = decoder;
  }

  visit(message: Message): void {
    this.#count++;
    if (this.#count === 1) this.#value = { decoded: this.#decoder.decode(message) };
  }

  take(): T {
    if (this.#value === undefined || this.#count !== 1)
      throw new ReplyCountError(this.#requestType, this.#count);
    return this.#value.decoded;
  }
}
