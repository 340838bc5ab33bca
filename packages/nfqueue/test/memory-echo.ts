import { setImmediate as nextTurn } from "node:timers/promises";
import type { FakeQueueKernel } from "../src/testing/index.js";
import { datagramOffset, type FloodResult, type SendResult, type TestFamily } from "./traffic.js";
import type { World } from "./verdict-suite.js";

const HEADER = 5;
/** Datagrams in flight. */
const WINDOW = 128;

/** What the echo fixture does with real datagrams, over a queue in memory: an accepted packet is an echo. */
export class MemoryEcho {
  readonly #kernel: FakeQueueKernel;
  readonly #queue: number;

  constructor(kernel: FakeQueueKernel, queue: number) {
    this.#kernel = kernel;
    this.#queue = queue;
  }

  async send({ family, count, sizes, dropEvery = 0 }: Parameters<World["send"]>[0]): Promise<SendResult> {
    let toDrop = 0;
    let echoed = 0;
    let inFlight = 0;
    const verdicts: Promise<void>[] = [];
    for (let sequence = 0; sequence < count; sequence++) {
      while (inFlight >= WINDOW) await nextTurn();
      const drop = dropEvery > 0 && sequence % dropEvery === dropEvery - 1;
      if (drop) toDrop++;
      inFlight++;
      const packet = packetOf(family, sequence, drop, sizes[sequence % sizes.length] ?? HEADER);
      verdicts.push(
        this.#deliver(family, packet).then((arrived) => {
          inFlight--;
          if (arrived) echoed++;
        }),
      );
    }
    await Promise.all(verdicts);
    return { sent: count, toDrop, echoed, doubled: 0 };
  }

  async flood({ family, rate }: Parameters<World["flood"]>[0]): Promise<() => Promise<FloodResult>> {
    let flooding = true;
    let echoed = 0;
    let settled = 0;
    const verdicts: Promise<void>[] = [];
    const done = (async () => {
      while (flooding) {
        for (let i = 0; i < rate && verdicts.length - settled < 500; i++) {
          verdicts.push(
            this.#deliver(family, packetOf(family, verdicts.length, false, 64)).then((arrived) => {
              settled++;
              if (arrived) echoed++;
            }),
          );
        }
        await nextTurn();
      }
      await Promise.all(verdicts);
    })();
    return async () => {
      flooding = false;
      await done;
      return { sent: verdicts.length, echoed };
    };
  }

  /** Without a listener there is no rule either, and the packet passes by. */
  async #deliver(family: TestFamily, payload: Uint8Array): Promise<boolean> {
    if (!this.#kernel.listening(this.#queue)) return true;
    return (await this.#kernel.enqueue(this.#queue, { family, payload })).verdict === "accept";
  }
}

/** Headers that nobody looks into, and a datagram as the echo fixture writes it. */
function packetOf(family: TestFamily, sequence: number, drop: boolean, size: number): Uint8Array {
  const start = datagramOffset(family);
  const packet = new Uint8Array(start + Math.max(size, HEADER));
  packet[0] = family === "ip6" ? 0x60 : 0x45;
  const view = new DataView(packet.buffer);
  view.setUint32(start, sequence);
  view.setUint8(start + 4, drop ? 1 : 0);
  for (let at = HEADER; start + at < packet.length; at++) packet[start + at] = (sequence + at) & 255;
  return packet;
}
