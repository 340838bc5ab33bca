import type { Dump } from "../request/dump.js";
import type { GenericFamily } from "./controller.js";

/** What a FamilyDump needs of a Dump. */
type DumpOfFamily<T> = AsyncIterable<T> & Pick<Dump<T>, "all">;

/**
 * A list that a family hands out in pieces. Every iteration asks anew, when its first item is wanted; `all` collects one. Iterating rejects
 * as that of `Dump` does, and with FamilyNotFoundError where the family was unloaded.
 */
export class FamilyDump<T> implements AsyncIterable<T> {
  readonly #current: () => Promise<GenericFamily>;
  readonly #successor: (family: GenericFamily, error: unknown) => Promise<GenericFamily | undefined>;
  readonly #dump: (family: GenericFamily) => DumpOfFamily<T>;

  constructor(
    current: () => Promise<GenericFamily>,
    successor: (family: GenericFamily, error: unknown) => Promise<GenericFamily | undefined>,
    dump: (family: GenericFamily) => DumpOfFamily<T>,
  ) {
    this.#current = current;
    this.#successor = successor;
    this.#dump = dump;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    const family = await this.#current();
    let handedOut = false;
    try {
      for await (const item of this.#dump(family)) {
        handedOut = true;
        yield item;
      }
    } catch (error) {
      const successor = handedOut ? undefined : await this.#successor(family, error);
      if (successor === undefined) throw error;
      yield* this.#dump(successor);
    }
  }

  /** All items. Rejects as an iteration does. */
  async all(): Promise<T[]> {
    const family = await this.#current();
    try {
      return await this.#dump(family).all();
    } catch (error) {
      const successor = await this.#successor(family, error);
      if (successor === undefined) throw error;
      return this.#dump(successor).all();
    }
  }
}
