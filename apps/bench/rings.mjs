// The ring itself, without a kernel: messages between two threads beside ringbuf.js, and what a frame costs in one thread.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { planRing, ringLength } from "@nlring/ring-core";
import { RingBuffer } from "ringbuf.js";

/** Messages that either ring can hold. */
const CAPACITY = 1024;
/** Bytes of a message. */
const LENGTH = 64;

/**
 * @typedef {object} RingsResult
 * @property {number[]} ours messages per second from RxFiller to RxRing, run by run
 * @property {number[]} theirs the same through ringbuf.js, in turn
 */

/**
 * Moves messages of 64 bytes between two threads, through either ring in turn. Runs are short and many: both threads spin, so a run in which
 * the machine has something else to do says nothing, and the median passes over those.
 *
 * @param {{ runs?: number, count?: number }} [options]
 * @returns {Promise<RingsResult>}
 */
export async function measureRings({ runs = 41, count = 250_000 } = {}) {
  const geometry = planRing({ frameSize: 128, frameCount: CAPACITY });
  const shared = {
    geometry,
    ours: new SharedArrayBuffer(ringLength(geometry)),
    theirs: RingBuffer.getStorageForCapacity(CAPACITY * LENGTH, Uint8Array),
    control: new SharedArrayBuffer(4),
  };
  const threads = [true, false].map(
    (isProducer) =>
      new Worker(new URL("./ring-thread.mjs", import.meta.url), { workerData: { ...shared, isProducer } }),
  );
  /** @param {"ours" | "theirs"} which */
  const move = async (which) => {
    const endings = threads.map((thread) => once(thread, "message"));
    for (const thread of threads) thread.postMessage({ which, count });
    const [, [consumer]] = /** @type {[unknown, [{ perSecond: number }]]} */ (await Promise.all(endings));
    return consumer.perSecond;
  };
  try {
    /** @type {RingsResult} */
    const result = { ours: [], theirs: [] };
    // The first pair warms both up and is not counted. Who goes first changes from pair to pair.
    for (let run = 0; run <= runs; run++) {
      const first = run % 2 === 0 ? "ours" : "theirs";
      const second = run % 2 === 0 ? "theirs" : "ours";
      /** @type {{ ours?: number, theirs?: number }} */
      const figures = { [first]: await move(first), [second]: await move(second) };
      if (run === 0) continue;
      result.ours.push(figures.ours ?? Number.NaN);
      result.theirs.push(figures.theirs ?? Number.NaN);
    }
    return result;
  } finally {
    for (const thread of threads) await thread.terminate();
  }
}

/**
 * Nanoseconds per frame through RxRing and through a bare loop of Atomics.load and Atomics.store over the same words, round by round; and
 * bytes of heap that a million frames take.
 *
 * @param {number} [rounds]
 * @returns {Promise<{ ring: number[], bare: number[], heapGrowth: number }>}
 */
export async function measureCost(rounds = 25) {
  const program = fileURLToPath(new URL("./ring-cost.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    "--min-semi-space-size=256",
    "--max-semi-space-size=256",
    program,
    String(rounds),
  ]);
  return JSON.parse(stdout);
}
