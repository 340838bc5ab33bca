import { describe } from "vitest";
import { NfQueue } from "../src/index.js";
import { FakeQueueKernel } from "../src/testing/index.js";
import { MemoryEcho } from "./memory-echo.js";
import { verdictSuite, type World } from "./verdict-suite.js";

const QUEUE = 11;

/** The queue in memory: no privilege, no kernel. */
class MemoryWorld implements World {
  readonly fewestFrames: number;
  readonly #kernel: FakeQueueKernel;
  readonly #echo: MemoryEcho;

  constructor(options?: ConstructorParameters<typeof FakeQueueKernel>[0]) {
    this.fewestFrames = options?.mapped === undefined ? 2 : 256;
    this.#kernel = new FakeQueueKernel(options);
    this.#echo = new MemoryEcho(this.#kernel, QUEUE);
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async open(options: Parameters<World["open"]>[0]): Promise<NfQueue> {
    const queue = await NfQueue.open(QUEUE, { ...options, transport: this.#kernel });
    await queue.intercept({ hook: "input", protocol: "udp", destinationPort: 5311 });
    return queue;
  }

  send(order: Parameters<World["send"]>[0]): ReturnType<World["send"]> {
    return this.#echo.send(order);
  }

  flood(order: Parameters<World["flood"]>[0]): ReturnType<World["flood"]> {
    return this.#echo.flood(order);
  }

  waiting(): number {
    return this.#kernel.waiting(QUEUE);
  }
}

describe("frames filled from a receive buffer", () => {
  verdictSuite(new MemoryWorld(), 20_000);
});

// What a kernel that maps rings does with frames, from the stand-in that is held to recordings of two such kernels.
describe.each(["from-4.3", "before-4.3"] as const)("frames mapped by a kernel %s", (mapped) => {
  verdictSuite(new MemoryWorld({ mapped }), 20_000);
});
