import { Worker } from "node:worker_threads";
import { frameOffset, type RingGeometry, ringLength } from "../dist/index.js";

/** Who is on which side of one ring, and how they behave. */
export interface Scenario {
  readonly name: string;
  readonly producer: "RxFiller" | "KernelSocket" | "TxRing";
  readonly consumer: "RxRing" | "TxDrainer" | "KernelSocket";
  readonly dialect?: "before-4.3" | "from-4.3";
  readonly geometry: RingGeometry;
  /**
   * The reader holds three frames in eight, and gives them back late and in any order: never in the middle of a delivery ("gated"), or at
   * any moment, and the producer stays less than a lap ahead ("paced"). Without either no reader could tell the order.
   */
  readonly holds?: "gated" | "paced";
  /** The reader keeps some frames without holding them, which stops the producer. */
  readonly keeps?: boolean;
  /** The producer loses messages where the ring is full, and counts them. Otherwise it counts and tries again. */
  readonly losing?: boolean;
  /** Some messages are larger than a frame. */
  readonly copies?: boolean;
}

export type Fault =
  | "published-before-written"
  | "wraps-one-frame-late"
  | "wraps-one-frame-early"
  | "held-frames-filled"
  | "message-lost"
  | "message-repeated"
  | "released-twice";

/** What both workers are given. */
export interface Plan {
  readonly scenario: Scenario;
  readonly seed: number;
  /** Messages, lost ones included. */
  readonly count: number;
  readonly fault: Fault | undefined;
  readonly geometry: RingGeometry;
  readonly byteOffset: number;
  readonly memory: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

export interface RunOptions {
  readonly count: number;
  readonly seed: number;
  readonly fault?: Fault;
  /** Milliseconds in which neither side moves before the run is given up. */
  readonly patience?: number;
  readonly onProgress?: (messages: number) => void;
}

/** What the sides counted. */
export interface RunResult {
  readonly producer: SideCount;
  readonly consumer: SideCount;
}

export interface SideCount {
  readonly digest: string;
  readonly messages: number;
  readonly full?: number;
  readonly lost?: number;
  readonly mostKept?: number;
  readonly empty?: number;
}

/** Words of the control memory (fixtures/two-threads/control.mjs). */
const STOP = 0;
const PRODUCER = 8;
const CONSUMER = 24;
const CONTROL_WORDS = 40;

const GUARD = 0xa5;
const GUARD_LENGTH = 64;

/** A seed for one run; NLRING_SEED has one that failed again. */
export function randomSeed(): number {
  const given = process.env["NLRING_SEED"];
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}

/** Runs a scenario in two threads. Throws what either side complained of, with what both saw, and how to run it again. */
export async function runTwoThreads(scenario: Scenario, options: RunOptions): Promise<RunResult> {
  const { count, seed, fault, patience = 20_000, onProgress = () => {} } = options;
  const memory = new GuardedMemory(scenario);
  const control = new SharedArrayBuffer(4 * CONTROL_WORDS);
  const words = new Int32Array(control);
  const plan: Plan = {
    scenario,
    seed,
    count,
    fault,
    geometry: scenario.geometry,
    byteOffset: memory.byteOffset,
    memory: memory.buffer,
    control,
  };
  const direction = scenario.consumer === "RxRing" ? "rx" : "tx";
  const sides = [start(`${direction}-producer`, plan), start(`${direction}-consumer`, plan)] as const;
  const watchdog = new Watchdog(words, patience, onProgress);
  const endings = await Promise.all(sides.map((side) => side.ended));
  watchdog.stop();
  const complaints = endings.flatMap((ending, side) =>
    ending.complaint === undefined || ending.complaint === "stopped"
      ? []
      : [`${side === 0 ? "producer" : "consumer"}: ${ending.complaint}`],
  );
  if (watchdog.isStuck) complaints.unshift(`stuck: neither side moved for ${patience} ms`);
  const [producer, consumer] = endings.map((ending) => ending.counted);
  complaints.push(...memory.damage());
  if (complaints.length === 0 && (producer === undefined || consumer === undefined))
    complaints.push("a side ended without a word");
  if (producer !== undefined && consumer !== undefined) {
    if (producer.digest !== consumer.digest)
      complaints.push(`other messages were read (${consumer.digest}) than delivered (${producer.digest})`);
    if (producer.messages + (producer.lost ?? 0) !== count)
      complaints.push(`${producer.messages} delivered and ${producer.lost} lost of ${count}`);
    if (memory.statuses().some((status) => status !== 0))
      complaints.push("frames are left that are not free");
    if (complaints.length === 0) return { producer, consumer };
  }
  throw new Error(
    [
      `${scenario.name}, again with NLRING_SEED=${seed}:`,
      ...complaints,
      `producer ${describe(words, PRODUCER, "times full", "lost or abandoned")}`,
      `consumer ${describe(words, CONSUMER, "held", "taken")}`,
      `frames: ${memory.statuses().slice(0, 512).join("")}`,
    ].join("\n  "),
  );
}

interface Ending {
  readonly complaint?: string;
  readonly counted?: SideCount;
}

function start(program: string, plan: Plan): { ended: Promise<Ending> } {
  const worker = new Worker(new URL(`./fixtures/two-threads/${program}.mjs`, import.meta.url), {
    workerData: plan,
  });
  let last: Ending = {};
  const ended = new Promise<Ending>((resolve) => {
    worker.on("message", (message: Ending) => {
      last = message;
    });
    worker.on("error", (error) => {
      last = { complaint: String(error) };
      Atomics.store(new Int32Array(plan.control), STOP, 1);
    });
    worker.on("exit", () => resolve(last));
  });
  return { ended };
}

/** Ends a run in which nothing moves. Both sides look at the word it sets wherever they wait. */
class Watchdog {
  isStuck = false;
  readonly #timer: NodeJS.Timeout;

  constructor(words: Int32Array, patience: number, onProgress: (messages: number) => void) {
    let seen = "";
    let since = Date.now();
    this.#timer = setInterval(() => {
      const now = `${Atomics.load(words, PRODUCER)} ${Atomics.load(words, CONSUMER)}`;
      onProgress(words[CONSUMER + 2] ?? 0);
      if (now !== seen) {
        seen = now;
        since = Date.now();
      } else if (Date.now() - since >= patience) {
        this.isStuck = true;
        Atomics.store(words, STOP, 1);
      }
    }, 100);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function describe(words: Int32Array, side: number, second: string, third: string): string {
  const [progress, waiting, messages, secondCount, thirdCount, frame] = words.subarray(side, side + 6);
  return `${waiting === 1 ? "waits" : "runs"} after ${progress} steps: ${messages} messages, ${secondCount} ${second}, ${thirdCount} ${third}, last frame ${frame}`;
}

/** Memory of two rings of one shape, one of them used; whatever is no frame of it has a pattern that nobody may touch. */
class GuardedMemory {
  readonly buffer: SharedArrayBuffer;
  /** Where the used ring starts. */
  readonly byteOffset: number;
  readonly #geometry: RingGeometry;

  constructor({ producer, consumer, geometry }: Scenario) {
    const length = ringLength(geometry);
    // A kernel maps both rings in one piece, RX first.
    const isKernel = producer === "KernelSocket" || consumer === "KernelSocket";
    const guard = isKernel ? 0 : GUARD_LENGTH;
    this.buffer = new SharedArrayBuffer(guard + length + guard + length + GUARD_LENGTH);
    this.byteOffset = consumer === "RxRing" ? guard : guard + length + guard;
    this.#geometry = geometry;
    const bytes = new Uint8Array(this.buffer).fill(GUARD);
    for (const offset of this.#offsets()) bytes.fill(0, offset, offset + geometry.frameSize);
  }

  /** What was written outside the frames. */
  damage(): string[] {
    const bytes = new Uint8Array(new Uint8Array(this.buffer));
    for (const offset of this.#offsets()) bytes.fill(GUARD, offset, offset + this.#geometry.frameSize);
    const first = bytes.findIndex((byte) => byte !== GUARD);
    return first === -1 ? [] : [`byte ${first} outside all frames was written`];
  }

  statuses(): number[] {
    const words = new Int32Array(this.buffer);
    return this.#offsets().map((offset) => Atomics.load(words, offset / 4));
  }

  #offsets(): number[] {
    return Array.from(
      { length: this.#geometry.frameCount },
      (_, frame) => this.byteOffset + frameOffset(this.#geometry, frame),
    );
  }
}
