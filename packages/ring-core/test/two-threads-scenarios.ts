import type { Scenario } from "./two-threads.js";

/** 3 frames of 40 bytes to a block of 128: gaps of 8 bytes in a small ring that is often full. */
const SMALL = { blockSize: 128, blockCount: 3, frameSize: 40, frameCount: 9 };

/** 5 frames of 96 bytes to a block of 512: gaps of 32 bytes. */
const GAPPED = { blockSize: 512, blockCount: 51, frameSize: 96, frameCount: 255 };

/** The same with fewer laps' worth of frames: the producer comes by held frames all the time. */
const SHORT = { blockSize: 512, blockCount: 13, frameSize: 96, frameCount: 65 };

/** What a kernel takes: blocks of a page with 16 frames of 248 bytes, and gaps of 128. */
const PAGED = { blockSize: 4096, blockCount: 8, frameSize: 248, frameCount: 128 };

/** Messages of all scenarios together in one run of the unit tests. */
export const MESSAGES = 500_000;

/** One ring between the library's own two sides, for a test of the harness itself. */
export const PLAIN: Scenario = {
  name: "a fault",
  producer: "RxFiller",
  consumer: "RxRing",
  geometry: GAPPED,
};

/** Every pair of sides over one ring. `share` is how much of a run's messages goes through it. */
export const SCENARIOS: readonly (Scenario & { readonly share: number })[] = [
  {
    name: "RxFiller to RxRing: every frame released at once",
    producer: "RxFiller",
    consumer: "RxRing",
    geometry: GAPPED,
    copies: true,
    share: 0.2,
  },
  {
    name: "RxFiller to RxRing: frames kept and held, released in any order",
    producer: "RxFiller",
    consumer: "RxRing",
    geometry: GAPPED,
    copies: true,
    holds: "gated",
    keeps: true,
    share: 0.15,
  },
  {
    name: "RxFiller to RxRing: held frames released in the middle of deliveries",
    producer: "RxFiller",
    consumer: "RxRing",
    geometry: SHORT,
    copies: true,
    holds: "paced",
    keeps: true,
    share: 0.1,
  },
  {
    name: "RxFiller to RxRing: a small ring that is full most of the time, with held frames",
    producer: "RxFiller",
    consumer: "RxRing",
    geometry: SMALL,
    holds: "gated",
    share: 0.02,
  },
  {
    name: "RxFiller to RxRing: overruns lose messages",
    producer: "RxFiller",
    consumer: "RxRing",
    geometry: GAPPED,
    holds: "gated",
    keeps: true,
    losing: true,
    share: 0.1,
  },
  {
    name: "KernelSocket from 4.3 to RxRing: built out of order, given up and copied; overruns lose messages",
    producer: "KernelSocket",
    consumer: "RxRing",
    dialect: "from-4.3",
    geometry: PAGED,
    keeps: true,
    losing: true,
    copies: true,
    share: 0.08,
  },
  {
    name: "KernelSocket from 4.3 to RxRing: held frames are passed over",
    producer: "KernelSocket",
    consumer: "RxRing",
    dialect: "from-4.3",
    geometry: PAGED,
    holds: "gated",
    keeps: true,
    share: 0.08,
  },
  {
    name: "KernelSocket before 4.3 to RxRing: held frames stop it; overruns lose messages",
    producer: "KernelSocket",
    consumer: "RxRing",
    dialect: "before-4.3",
    geometry: PAGED,
    holds: "gated",
    keeps: true,
    losing: true,
    copies: true,
    share: 0.05,
  },
  {
    name: "TxRing to TxDrainer",
    producer: "TxRing",
    consumer: "TxDrainer",
    geometry: GAPPED,
    share: 0.12,
  },
  {
    name: "TxRing to KernelSocket: sends that an error ends",
    producer: "TxRing",
    consumer: "KernelSocket",
    dialect: "from-4.3",
    geometry: PAGED,
    share: 0.1,
  },
];
