/**
 * The only place where status words are touched that another thread, or the kernel, may touch at the same time.
 *
 * The word is what hands a frame from one side to the other, possibly on another processor: everything that a side wrote into a frame
 * must be visible before the word that gives the frame away, and nothing may be read of a frame before the word that gives it to us.
 * `Atomics` is sequentially consistent, which includes acquire and release; on memory that is not shared the language promises nothing
 * about other agents, and engines emit the same instructions (docs/memory-ordering.md).
 */

/** Loads a status word with acquire: what its writer stored before it is visible after it. */
export function loadStatus(words: Int32Array, index: number): number {
  return Atomics.load(words, index);
}

/** Stores a status word with release: whoever loads it sees everything stored before it. */
export function storeStatus(words: Int32Array, index: number, status: number): void {
  Atomics.store(words, index, status);
}
