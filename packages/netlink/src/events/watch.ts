import { DumpInterruptedError, ReplyLostError } from "../errors.js";
import type { Decoder, Outgoing } from "../message/outgoing.js";
import type { Dump } from "../request/dump.js";
import type { EventDecoder } from "./event-decoder.js";
import type { EventMessage, Resync, Subscription } from "./subscription.js";

/** What to list, and which changes to follow. */
export interface WatchRequest<T, D extends EventDecoder> {
  /** The request of the dump that lists what there is. */
  readonly list: Outgoing;
  /** Decodes what it lists. */
  readonly item: Decoder<T>;
  /** Multicast groups that tell of changes, by number. */
  readonly groups: number | readonly number[];
  /** Decodes the changes: a schema, or schemas by message type. */
  readonly changes: D;
}

/** Something that is there. */
export interface WatchItem<T> {
  readonly kind: "item";
  readonly body: T;
}

/** The list is complete: changes follow. */
export interface Synced {
  readonly kind: "synced";
}

/** A change, as its multicast message tells it. */
export interface Change<T> extends Omit<EventMessage<T>, "kind"> {
  readonly kind: "change";
}

/** What a watch gives, told apart by `kind`. */
export type WatchEvent<T, C> = WatchItem<T> | Synced | Resync | Change<C>;

const RETRIES = 3;
const SYNCED: Synced = Object.freeze({ kind: "synced" });

/**
 * What there is, and then what changes. In order: an `item` for each, `synced`, then a `change` for each message. `resync` may come at any
 * time: what was told before is void, and the list starts over.
 *
 * It joins the groups before it lists, so that nothing happens unseen in between: a change that happened while it listed may be in the list
 * already, and is told again behind `synced`. Leaving the loop closes it, and so does `close()`.
 */
export class Watch<T, C> implements AsyncIterable<WatchEvent<T, C>>, AsyncDisposable {
  readonly #list: () => Dump<T>;
  readonly #subscription: Subscription<C>;
  readonly #retries: number;
  readonly #events: AsyncGenerator<WatchEvent<T, C>, undefined>;

  constructor(list: () => Dump<T>, subscription: Subscription<C>, retries: number = RETRIES) {
    this.#list = list;
    this.#subscription = subscription;
    this.#retries = retries;
    this.#events = this.#run();
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchEvent<T, C>, undefined> {
    return this.#events;
  }

  /** Keeps the process alive while a change is waited for (the default). */
  ref(): this {
    this.#subscription.ref();
    return this;
  }

  /** Lets the process end while a change is waited for; the socket that lists has an `unref()` of its own. */
  unref(): this {
    this.#subscription.unref();
    return this;
  }

  /** Leaves the groups. The loop ends. */
  async close(): Promise<void> {
    await this.#subscription.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#run(): AsyncGenerator<WatchEvent<T, C>, undefined> {
    try {
      for (;;) {
        yield* this.#listed();
        yield SYNCED;
        for (;;) {
          const { done, value } = await this.#subscription.next();
          if (done === true) return;
          if (value.kind === "resync") {
            yield value;
            break;
          }
          yield { ...value, kind: "change" };
        }
      }
    } finally {
      await this.close();
    }
  }

  /** Lists until a list was consistent and whole, or the retries are used up. */
  async *#listed(): AsyncGenerator<WatchEvent<T, C>, void> {
    for (let attempt = 0; ; attempt++) {
      try {
        for await (const body of this.#list()) yield { kind: "item", body };
        return;
      } catch (error) {
        const again = error instanceof DumpInterruptedError || error instanceof ReplyLostError;
        if (!again || attempt === this.#retries) throw error;
        yield { kind: "resync" };
      }
    }
  }
}
