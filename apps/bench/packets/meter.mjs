// What a consumer in JavaScript counted and took between two marks.
import { GCProfiler, getHeapStatistics } from "node:v8";
import { MARK_LENGTH } from "./work.mjs";

const PACKETS = 0;
const BYTES = 1;
const DROPPED = 2;

/**
 * @typedef {object} Reading what one run of a consumer came to, between its marks; consumer.c prints the same
 * @property {number} packets
 * @property {number} bytes of the packets, network header and all
 * @property {number} dropped
 * @property {number} digest sum of the words that were read, modulo 2^32
 * @property {number} seconds
 * @property {number} user seconds of processor time
 * @property {number} system
 * @property {number} [syscalls]
 * @property {number} [verdictMessages]
 * @property {number} [gcSeconds]
 * @property {number} [allocatedBytes]
 */

export class Meter {
  // Typed arrays: a number beyond 2^31 in a property would be allocated anew at every packet, and counted as the library's.
  #counts = new Float64Array(3);
  #digest = new Uint32Array(1);
  /** System calls that are counted elsewhere. */
  syscalls = 0;
  #marks = 0;
  #profiler = new GCProfiler();
  #heap = 0;
  #loops = 0;
  #usage = process.cpuUsage();
  #started = 0n;

  /** @param {number} length of a packet */
  count(length) {
    this.#counts[PACKETS] = (this.#counts[PACKETS] ?? 0) + 1;
    this.#counts[BYTES] = (this.#counts[BYTES] ?? 0) + length;
  }

  countDropped() {
    this.#counts[DROPPED] = (this.#counts[DROPPED] ?? 0) + 1;
  }

  /** @param {number} sum of the words read of a packet */
  digest(sum) {
    this.#digest[0] = (this.#digest[0] ?? 0) + sum;
  }

  /**
   * To be told of every packet of MARK_LENGTH; true at the second.
   *
   * @param {number} length
   */
  mark(length) {
    if (length !== MARK_LENGTH) throw new Error(`a packet of ${length} bytes is no mark`);
    if (++this.#marks === 2) return true;
    this.#counts.fill(0);
    this.#digest.fill(0);
    this.syscalls = 0;
    this.#profiler.start();
    this.#heap = getHeapStatistics().used_heap_size;
    this.#loops = loopCount() ?? 0;
    this.#usage = process.cpuUsage();
    this.#started = process.hrtime.bigint();
    return false;
  }

  /**
   * @param {boolean} countsCalls whether `syscalls` was counted; the event loop's waits come on top
   * @returns {Reading}
   */
  read(countsCalls) {
    const seconds = Number(process.hrtime.bigint() - this.#started) / 1e9;
    const { user, system } = process.cpuUsage(this.#usage);
    const loops = loopCount();
    const heap = getHeapStatistics().used_heap_size;
    const { gcSeconds, allocatedBytes } = this.#memory(heap);
    const [packets = 0, bytes = 0, dropped = 0] = this.#counts;
    const [digest = 0] = this.#digest;
    /** @type {Reading} */
    const reading = {
      packets,
      bytes,
      dropped,
      digest,
      seconds,
      user: user / 1e6,
      system: system / 1e6,
      gcSeconds,
      allocatedBytes,
    };
    if (countsCalls && loops !== undefined) reading.syscalls = this.syscalls + loops - this.#loops;
    return reading;
  }

  /** @param {number} heapNow */
  #memory(heapNow) {
    let before = this.#heap;
    let allocatedBytes = 0;
    let microseconds = 0;
    for (const { beforeGC, afterGC, cost } of this.#profiler.stop().statistics) {
      allocatedBytes += beforeGC.heapStatistics.usedHeapSize - before;
      before = afterGC.heapStatistics.usedHeapSize;
      microseconds += cost;
    }
    return { gcSeconds: microseconds / 1e6, allocatedBytes: allocatedBytes + heapNow - before };
  }
}

/** Turns of the event loop, each of which waits once; undefined before Node 20.18. */
function loopCount() {
  const timing = /** @type {{ uvMetricsInfo?: { loopCount: number } }} */ (
    /** @type {unknown} */ (performance.nodeTiming)
  );
  return timing.uvMetricsInfo?.loopCount;
}
