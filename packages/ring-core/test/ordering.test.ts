import { describe, expect, test } from "vitest";
import {
  FrameStatus,
  type KernelDialect,
  KernelSocket,
  type MessageBuild,
  planRing,
  RxFiller,
  RxRing,
  ringLength,
} from "../src/index.js";

const GEOMETRY = planRing({ frameSize: 512, frameCount: 8 });
const DIALECTS: readonly KernelDialect[] = ["before-4.3", "from-4.3"];

/** A socket and its reader; messages are one byte. */
class Pair {
  readonly kernel: KernelSocket;
  readonly ring: RxRing;

  constructor(dialect: KernelDialect) {
    this.kernel = new KernelSocket({ dialect });
    this.kernel.setRing("rx", GEOMETRY);
    const memory = this.kernel.map(ringLength(GEOMETRY));
    if (typeof memory === "number") throw new Error(`map gave ${memory}`);
    this.ring = new RxRing(memory, 0, GEOMETRY);
  }

  allocate(): MessageBuild {
    const build = this.kernel.allocate(1);
    if (build === undefined) throw new Error("the ring is full");
    return build;
  }

  /** Everything there is to read, in order; a copy is fetched from the receive queue. */
  read(): number[] {
    const { kernel, ring } = this;
    const read: number[] = [];
    for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
      const received = ring.isCopy(frame) ? kernel.receive() : undefined;
      const message = received ?? ring.bytes.subarray(ring.payloadOffset(frame));
      read.push(typeof message === "number" ? message : (message[0] ?? -1));
      ring.release(frame);
    }
    return read;
  }
}

function finish(build: MessageBuild, byte: number): void {
  build.bytes[0] = byte;
  build.deliver(1);
}

describe.each(DIALECTS)("messages built in frames, %s", (dialect) => {
  test("are read in the order of their allocation, whatever the order in which they are finished", () => {
    const pair = new Pair(dialect);
    const [one, two, three] = [pair.allocate(), pair.allocate(), pair.allocate()];
    finish(three, 3);
    finish(two, 2);
    finish(one, 1);
    expect(pair.read()).toEqual([1, 2, 3]);
  });

  test("wait behind one that is still being built", () => {
    const pair = new Pair(dialect);
    const [one, two] = [pair.allocate(), pair.allocate()];
    finish(two, 2);
    expect(pair.read()).toEqual([]);
    expect(Atomics.load(new Int32Array(pair.ring.bytes.buffer), 0)).toBe(FrameStatus.reserved);
    // poll says that there is something: a reader that trusts it alone would spin.
    expect(pair.kernel.poll().in).toBe(true);
    finish(one, 1);
    expect(pair.read()).toEqual([1, 2]);
  });

  test("numbered when they are finished, are read with their numbers out of order: no frame says so", () => {
    const pair = new Pair(dialect);
    const builds = [pair.allocate(), pair.allocate(), pair.allocate(), pair.allocate()];
    let id = 0;
    for (const turn of [1, 0, 3, 2]) {
      const build = builds[turn];
      if (build !== undefined) finish(build, ++id);
    }
    expect(pair.read()).toEqual([2, 1, 4, 3]);
  });

  test("given up by one builder do not hold up the others", () => {
    const pair = new Pair(dialect);
    const [one, two] = [pair.allocate(), pair.allocate()];
    finish(two, 2);
    one.free();
    expect(pair.read()).toEqual([2]);
    expect(pair.ring.emptyCount).toBe(1);
  });
});

describe.each(DIALECTS)("copied messages, %s", (dialect) => {
  test("are read in the order of their arrival: building them takes no frame", () => {
    const pair = new Pair(dialect);
    const [one, two] = [pair.kernel.allocate(1000), pair.kernel.allocate(1000)];
    if (one === undefined || two === undefined) throw new Error("no room");
    finish(two, 2);
    expect(pair.read()).toEqual([2]);
    finish(one, 1);
    expect(pair.read()).toEqual([1]);
  });

  test("take their place among built ones when they arrive, not when those were allocated or finished", () => {
    const pair = new Pair(dialect);
    const [one, late] = [pair.allocate(), pair.allocate()];
    pair.kernel.deliver(Uint8Array.of(3));
    const four = pair.allocate();
    pair.kernel.deliver(Uint8Array.of(5));
    finish(four, 4);
    finish(one, 1);
    expect(pair.read()).toEqual([1]);
    finish(late, 2);
    expect(pair.read()).toEqual([2, 3, 4, 5]);
  });

  test("hold up what follows until their frame is marked: the n-th copy is the n-th message of the receive queue", () => {
    const pair = new Pair(dialect);
    const first = pair.kernel.queueCopy(Uint8Array.of(1));
    const second = pair.kernel.queueCopy(Uint8Array.of(2));
    finish(pair.allocate(), 3);
    second?.mark();
    expect(pair.read()).toEqual([]);
    first?.mark();
    expect(pair.read()).toEqual([1, 2, 3]);
  });
});

describe("a frame that is given back late while a copy is on its way to it", () => {
  test("counts as passed when one behind it is filled: its copy is read a lap later, and the queue stays in order", () => {
    const pair = new Pair("from-4.3");
    for (let byte = 0; byte < 8; byte++) finish(pair.allocate(), byte);
    const frames = Array.from({ length: 8 }, () => pair.ring.next());
    const [first = -1, ...others] = frames;
    pair.ring.hold(first);
    for (const frame of others) pair.ring.release(frame);
    pair.ring.release(first);
    const late = pair.kernel.queueCopy(Uint8Array.of(10));
    pair.kernel.deliver(Uint8Array.of(11));
    const before = pair.read();
    late?.mark();
    for (let byte = 12; byte < 18; byte++) finish(pair.allocate(), byte);
    const after = pair.read();
    expect({ before, after }).toEqual({ before: [10], after: [12, 13, 14, 15, 16, 17, 11] });
  });
});

describe("a filler", () => {
  test("allocates and fills in one step: the order of delivery is that of the ring, copies included", () => {
    const memory = new ArrayBuffer(ringLength(GEOMETRY));
    const filler = new RxFiller(memory, 0, GEOMETRY);
    const ring = new RxRing(memory, 0, GEOMETRY);
    const kept: Uint8Array[] = [];
    const seen: number[] = [];
    for (let lap = 0; lap < 5; lap++) {
      for (let byte = 0; byte < 7; byte++) {
        const message = new Uint8Array(byte % 3 === 1 ? 600 : 20).fill(lap * 7 + byte);
        if (filler.deliver(message) === "copy") kept.push(message);
      }
      for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
        seen.push((ring.isCopy(frame) ? kept.shift()?.[0] : ring.bytes[ring.payloadOffset(frame)]) ?? -1);
        ring.release(frame);
      }
    }
    expect(seen).toEqual(Array.from({ length: 35 }, (_, index) => index));
  });

  test("is alone: a second one finds the ring full where the first has room", () => {
    const memory = new ArrayBuffer(ringLength(GEOMETRY));
    const producers = [new RxFiller(memory, 0, GEOMETRY), new RxFiller(memory, 0, GEOMETRY)];
    expect(producers.map((producer) => producer.deliver(Uint8Array.of(1)))).toEqual(["valid", "full"]);
    expect(producers[0]?.deliver(Uint8Array.of(2))).toBe("valid");
  });
});
