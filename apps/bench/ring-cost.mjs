// What taking a frame costs in one thread, beside the atomic operations that it cannot do without; and what it allocates. Prints JSON.
import { FrameStatus, frameOffset, planRing, RxRing, ringLength } from "@nlring/ring-core";

const LAPS = 200;

const geometry = planRing({ frameSize: 128, frameCount: 1024 });
const memory = new SharedArrayBuffer(ringLength(geometry));
const words = new Int32Array(memory);
const ring = new RxRing(memory, 0, geometry);
const STRIDE = geometry.frameSize / 4;
const END = ringLength(geometry) / 4;

for (let frame = 0; frame < geometry.frameCount; frame++)
  words[frameOffset(geometry, frame) / 4 + 1] = 64 + (frame % 8);

function fill() {
  for (let word = 0; word < END; word += STRIDE) Atomics.store(words, word, FrameStatus.valid);
}

function throughRing() {
  let sum = 0;
  for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
    sum += ring.length(frame);
    ring.release(frame);
  }
  return sum;
}

/** The least that the hand-over takes: one load and one store of each status word. */
function bare() {
  let sum = 0;
  for (let word = 0; word < END; word += STRIDE) {
    if (Atomics.load(words, word) !== FrameStatus.valid) break;
    sum += 1;
    Atomics.store(words, word, FrameStatus.unused);
  }
  return sum;
}

/**
 * Nanoseconds per frame. Filling is not in the figure.
 *
 * @param {() => number} empty
 */
function measure(empty) {
  let nanoseconds = 0;
  let sum = 0;
  for (let lap = 0; lap < LAPS; lap++) {
    fill();
    const started = process.hrtime.bigint();
    sum += empty();
    nanoseconds += Number(process.hrtime.bigint() - started);
  }
  if (sum === 0) throw new Error("nothing was read");
  return nanoseconds / (LAPS * geometry.frameCount);
}

/**
 * Bytes of heap that a million frames take. Nothing is collected meanwhile (rings.mjs starts this with a large young generation), so it is all
 * that was allocated; the least of three rounds, for the compiler leaves something behind in the first.
 */
function heapGrowth() {
  const growths = [];
  for (let round = 0; round < 3; round++) {
    global.gc?.();
    const before = process.memoryUsage().heapUsed;
    for (let moved = 0; moved < 1_000_000; moved += geometry.frameCount) {
      fill();
      throughRing();
    }
    growths.push(process.memoryUsage().heapUsed - before);
  }
  return Math.min(...growths);
}

/** @type {{ ring: number[], bare: number[], heapGrowth: number }} */
const result = { ring: [], bare: [], heapGrowth: 0 };
const rounds = Number(process.argv[2] ?? 25);
for (let round = -3; round < rounds; round++) {
  const figures = { ring: measure(throughRing), bare: measure(bare) };
  // The first rounds are the compiler's.
  if (round < 0) continue;
  result.ring.push(figures.ring);
  result.bare.push(figures.bare);
}
result.heapGrowth = heapGrowth();
process.stdout.write(JSON.stringify(result));
