import { NfQueue } from "../src/index.js";
import { FakeQueueKernel } from "../src/testing/index.js";
import { MemoryEcho } from "./memory-echo.js";
import { verdictSuite, type World } from "./verdict-suite.js";

const QUEUE = 11;

/** The queue in memory: no privilege, no kernel. */
class MemoryWorld implements World {
  readonly #kernel = new FakeQueueKernel();
  readonly #echo = new MemoryEcho(this.#kernel, QUEUE);

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

verdictSuite(new MemoryWorld(), 20_000);
