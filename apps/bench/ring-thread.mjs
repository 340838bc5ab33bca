// One of the two threads of rings.mjs: it writes messages of 64 bytes into a ring, or reads them, and spins where it must wait.
import { parentPort, workerData } from "node:worker_threads";
import { RxFiller, RxRing } from "@nlring/ring-core";
import { RingBuffer } from "ringbuf.js";

/** Bytes of a message. */
const LENGTH = 64;

const { isProducer, ours, theirs, geometry, control } = workerData;
const words = new Int32Array(control);
const message = new Uint8Array(LENGTH);
const number = new Int32Array(message.buffer);
const filler = new RxFiller(ours, 0, geometry);
const ring = new RxRing(ours, 0, geometry);
const other = new RingBuffer(theirs, Uint8Array);

/** Each of them moves `count` messages and returns the sum of their numbers. */
const loops = {
  ours: isProducer
    ? (/** @type {number} */ count) => {
        for (let i = 0; i < count; i++) {
          number[0] = i;
          while (filler.deliver(message) === "full");
        }
        return 0;
      }
    : (/** @type {number} */ count) => {
        let sum = 0;
        for (let i = 0; i < count; i++) {
          let frame = ring.next();
          while (frame === -1) frame = ring.next();
          if (ring.length(frame) !== LENGTH) throw new Error("a message of another length");
          sum += ring.view.getInt32(ring.payloadOffset(frame), true);
          ring.release(frame);
        }
        return sum;
      },
  theirs: isProducer
    ? (/** @type {number} */ count) => {
        for (let i = 0; i < count; i++) {
          number[0] = i;
          // All of it or nothing: the capacity is a multiple of the message.
          while (other.push(message) === 0);
        }
        return 0;
      }
    : (/** @type {number} */ count) => {
        let sum = 0;
        for (let i = 0; i < count; i++) {
          while (other.pop(message) === 0);
          sum += number[0] ?? 0;
        }
        return sum;
      },
};

parentPort?.on("message", (/** @type {{ which: "ours" | "theirs", count: number }} */ { which, count }) => {
  // Both threads begin at once.
  Atomics.add(words, 0, 1);
  while (Atomics.load(words, 0) % 2 !== 0);
  const started = process.hrtime.bigint();
  const sum = loops[which](count);
  const nanoseconds = Number(process.hrtime.bigint() - started);
  if (!isProducer && sum !== (count * (count - 1)) / 2) throw new Error("messages were lost");
  parentPort?.postMessage({ perSecond: (count * 1e9) / nanoseconds });
});
