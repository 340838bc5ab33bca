import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameStatus, RxFiller, type RxRing } from "../src/index.js";
import { GuardedMemory, geometryOf } from "./ring-fixture.js";
import { SlotProducer } from "./slot-producer.js";

const SEQUENCES = 3500;

/** One to nine frames, in one to nine blocks, with and without tail gaps. */
const geometries = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .filter(([framesPerBlock, blockCount]) => framesPerBlock * blockCount <= 9)
  .map(([framesPerBlock, blockCount]) => geometryOf(framesPerBlock, blockCount));

/** What is known of the ring without looking at it: plain arrays. */
class Model {
  /** Messages that were delivered and not read. */
  readonly waiting: { readonly frame: number; readonly message: number }[] = [];
  readonly taken: number[] = [];
  readonly held: number[] = [];
  head = 0;
  sent = 0;
  readonly frameCount: number;

  constructor(frameCount: number) {
    this.frameCount = frameCount;
  }

  /** The frame that a producer fills next, or undefined where the ring is full. */
  nextFree(): number | undefined {
    let frame = this.head;
    for (let seen = 0; seen < this.frameCount && this.held.includes(frame); seen++)
      frame = (frame + 1) % this.frameCount;
    const busy =
      this.held.includes(frame) ||
      this.taken.includes(frame) ||
      this.waiting.some((delivery) => delivery.frame === frame);
    return busy ? undefined : frame;
  }
}

class Rings {
  readonly memory: GuardedMemory;
  readonly ring: RxRing;
  readonly filler: RxFiller;

  constructor(memory: GuardedMemory) {
    this.memory = memory;
    this.ring = memory.rx();
    this.filler = new RxFiller(memory.buffer, memory.byteOffset, memory.geometry);
  }
}

/** Every frame is its producer's, filled, taken or held, and only one of them, in the memory as in the model. */
function expectOneOwner(model: Model, { memory, ring }: Rings): void {
  for (let frame = 0; frame < model.frameCount; frame++) {
    const filled = model.waiting.some((delivery) => delivery.frame === frame);
    const taken = model.taken.includes(frame);
    const held = model.held.includes(frame);
    if (Number(filled) + Number(taken) + Number(held) > 1) throw new Error(`frame ${frame} has two owners`);
    const status = memory.status(frame);
    const isFull = status === FrameStatus.valid || status === FrameStatus.copy;
    if (held ? status !== FrameStatus.skip : filled || taken ? !isFull : status !== FrameStatus.unused)
      throw new Error(`frame ${frame} is in state ${status}`);
  }
  if (ring.takenCount !== model.taken.length || ring.heldCount !== model.held.length)
    throw new Error("the counts are wrong");
  if (!memory.guardsIntact) throw new Error("bytes outside the frames were written");
}

/** Removes the element that a number picks. */
function pick(frames: number[], which: number): number | undefined {
  return frames.splice(which % Math.max(frames.length, 1), 1)[0];
}

abstract class Step implements fc.Command<Model, Rings> {
  readonly which: number;

  constructor(which: number) {
    this.which = which;
  }

  check(_model: Readonly<Model>): boolean {
    return true;
  }

  run(model: Model, rings: Rings): void {
    this.act(model, rings);
    expectOneOwner(model, rings);
  }

  toString(): string {
    return `${this.constructor.name}(${this.which})`;
  }

  abstract act(model: Model, rings: Rings): void;
}

class Deliver extends Step {
  act(model: Model, { filler, ring }: Rings): void {
    const frame = model.nextFree();
    const message = model.sent % 251;
    const length = this.which % 5 === 0 ? ring.capacity + 1 : 1 + (this.which % ring.capacity);
    const outcome = filler.deliver(new Uint8Array(length).fill(message), { group: message });
    expect(outcome).toBe(frame === undefined ? "full" : length > ring.capacity ? "copy" : "valid");
    if (frame === undefined) return;
    model.waiting.push({ frame, message });
    model.head = (frame + 1) % model.frameCount;
    model.sent++;
  }
}

class Next extends Step {
  act(model: Model, { ring }: Rings): void {
    const expected = model.waiting.shift();
    const frame = ring.next();
    expect(frame).toBe(expected?.frame ?? -1);
    if (expected === undefined) return;
    expect(ring.group(frame)).toBe(expected.message);
    if (!ring.isCopy(frame)) expect(ring.bytes[ring.payloadOffset(frame)]).toBe(expected.message);
    model.taken.push(frame);
  }
}

class Hold extends Step {
  override check(model: Readonly<Model>): boolean {
    return model.taken.length > 0;
  }

  act(model: Model, { ring }: Rings): void {
    const frame = pick(model.taken, this.which);
    if (frame === undefined) return;
    ring.hold(frame);
    model.held.push(frame);
  }
}

class Release extends Step {
  override check(model: Readonly<Model>): boolean {
    return model.taken.length > 0;
  }

  act(model: Model, { ring }: Rings): void {
    const frame = pick(model.taken, this.which);
    if (frame !== undefined) ring.release(frame);
  }
}

class ReleaseLate extends Step {
  override check(model: Readonly<Model>): boolean {
    return model.held.length > 0;
  }

  act(model: Model, { ring }: Rings): void {
    const frame = pick(model.held, this.which);
    if (frame !== undefined) ring.release(frame);
  }
}

const steps = fc.commands(
  [Deliver, Next, Hold, Release, ReleaseLate].map((Kind) => fc.nat(99).map((which) => new Kind(which))),
  { maxCommands: 100, size: "max" },
);

/** One reader of a ring that a SlotProducer fills; compares each frame that it takes. */
class SlotReading {
  readonly #memory: GuardedMemory;
  readonly #producer: SlotProducer;
  readonly #ring: RxRing;
  readonly #taken: number[] = [];
  readonly #held: number[] = [];
  readonly #readsEveryTime: boolean;

  constructor(memory: GuardedMemory, restless: boolean) {
    this.#memory = memory;
    this.#producer = new SlotProducer(memory, restless);
    this.#ring = memory.rx();
    this.#readsEveryTime = restless;
  }

  reserve(): void {
    if (!this.#producer.reserve() || !this.#readsEveryTime) return;
    while (this.next());
  }

  finish(which: number): void {
    this.#producer.finish(which, (["valid", "copy", "abort"] as const)[which % 3] ?? "valid");
  }

  next(): boolean {
    const expected = this.#producer.expected();
    const frame = this.#ring.next();
    expect(frame).toBe(expected?.frame ?? -1);
    if (frame === -1) return false;
    expect(this.#ring.bytes[this.#ring.payloadOffset(frame)]).toBe(expected?.message);
    this.#producer.slots.shift();
    this.#taken.push(frame);
    return true;
  }

  hold(which: number): void {
    const frame = pick(this.#taken, which);
    if (frame === undefined) return;
    this.#ring.hold(frame);
    this.#held.push(frame);
  }

  release(which: number): void {
    const frame = pick(this.#taken, which);
    if (frame !== undefined) this.#ring.release(frame);
  }

  releaseLate(which: number): void {
    const frame = pick(this.#held, which);
    if (frame !== undefined) this.#ring.release(frame);
  }

  /** Whatever was going on, all messages come out in order. */
  end(): void {
    while (this.#taken.length > 0) this.release(0);
    while (this.#held.length > 0) this.releaseLate(0);
    for (const _ of this.#producer.slots) this.#producer.finish(0, "valid");
    while (this.next()) this.release(0);
    expect(this.#producer.slots).toEqual([]);
    expect(this.#ring.next()).toBe(-1);
    expect(this.#memory.guardsIntact).toBe(true);
  }
}

const actions = fc.array(
  fc.tuple(fc.constantFrom("reserve", "finish", "next", "hold", "release", "releaseLate"), fc.nat(99)),
  { maxLength: 120, size: "max" },
);

describe("the RX ring", () => {
  test("loses, repeats and reorders no frame, and every frame has one owner", () => {
    fc.assert(
      fc.property(geometries, steps, (geometry, commands) => {
        fc.modelRun(
          () => ({ model: new Model(geometry.frameCount), real: new Rings(new GuardedMemory(geometry)) }),
          commands,
        );
      }),
      { numRuns: SEQUENCES },
    );
  });

  test.each([
    ["takes frames first and fills them in any order", false],
    // Its place among frames that were given back cannot be told once it has gone all the way round: the reader reads before that.
    ["also moves over held frames when the ring is full, as long as the reader reads on every time", true],
  ])("does so with a producer that %s", (_behaviour, restless) => {
    fc.assert(
      fc.property(geometries, actions, (geometry, sequence) => {
        const reading = new SlotReading(new GuardedMemory(geometry), restless);
        for (const [action, which] of sequence) reading[action](which);
        reading.end();
      }),
      { numRuns: SEQUENCES },
    );
  });
});
