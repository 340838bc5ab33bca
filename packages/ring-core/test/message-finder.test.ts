import { describe, expect, test } from "vitest";
import { FrameStatus, KernelSocket, planRing, RxRing, ringLength } from "../src/index.js";
import { GuardedMemory } from "./ring-fixture.js";

const NLMSG_ERROR = 2;
const RTM_NEWLINK = 16;
const GEOMETRY = planRing({ frameSize: 4096, frameCount: 2 });
const CAPACITY = 4096 - 24;

/** Messages of these lengths one behind the other, as in a chunk of a dump; none of their bytes but those of the length is zero. */
function chunk(...lengths: number[]): number[] {
  return lengths.flatMap((length) => {
    const bytes = Array.from({ length: (length + 3) & ~3 }, () => 0xee);
    bytes.splice(0, 4, length & 0xff, (length >> 8) & 0xff, length >> 16, 0);
    bytes.splice(4, 4, RTM_NEWLINK, 0, 2, 0);
    return bytes;
  });
}

/** An acknowledgement: 36 bytes, most of its words too small to be a length. */
const ACKNOWLEDGEMENT = [36, 0, 0, 0, NLMSG_ERROR, 0, 0, 1, ...new Array<number>(28).fill(1)];

class Frames {
  readonly memory = new GuardedMemory(GEOMETRY);
  readonly ring = new RxRing(this.memory.buffer, this.memory.byteOffset, GEOMETRY, {
    misplacedMessages: true,
  });

  /** What the kernel leaves in a frame: a message `shift` bytes behind the payload's start. */
  fill(frame: number, message: readonly number[], shift: number, length = message.length): void {
    new Uint8Array(this.memory.buffer).set(message, this.memory.offset(frame) + 24 + shift);
    this.memory.setLength(frame, length);
    this.memory.setStatus(frame, FrameStatus.valid);
  }

  /** Where in the payload the next frame's message was found; undefined where no frame was given. */
  takeShift(): number | undefined {
    const frame = this.ring.next();
    if (frame === -1) return undefined;
    const shift = this.ring.payloadOffset(frame) - this.memory.offset(frame) - 24;
    this.ring.release(frame);
    return shift;
  }
}

describe("a message that is not at its payload's start", () => {
  test.each([0, 4, 296, CAPACITY - 600])("is found %d bytes behind it", (shift) => {
    const frames = new Frames();
    frames.fill(0, chunk(300, 300), shift);
    expect(frames.takeShift()).toBe(shift);
  });

  test.each([1, 2, 3, 297, 298, 299, CAPACITY - 601])(
    "is found where no word starts, %d bytes behind it",
    (shift) => {
      const frames = new Frames();
      frames.fill(0, chunk(256, 344), shift);
      expect(frames.takeShift()).toBe(shift);
    },
  );

  test.each([0, 1, 2, 3, 4])(
    "is found by its lengths, of whatever bytes they are made (shift %d)",
    (shift) => {
      for (const lengths of [[16], [256], [512, 20], [20, 4000], [4000, 20], [272, 1024, 122], [259]]) {
        const frames = new Frames();
        const message = chunk(...lengths);
        const last = lengths.at(-1) ?? 0;
        frames.fill(0, message, shift, message.length - (((last + 3) & ~3) - last));
        expect(frames.takeShift(), lengths.join()).toBe(shift);
      }
    },
  );

  test("is found in a frame that it fills to the last byte", () => {
    const frames = new Frames();
    frames.fill(0, chunk(CAPACITY), 0);
    expect(frames.takeShift()).toBe(0);
  });

  test("is found where an acknowledgement was in the frame's last lap", () => {
    const frames = new Frames();
    frames.fill(0, ACKNOWLEDGEMENT, 0);
    frames.fill(1, ACKNOWLEDGEMENT, 0);
    expect([frames.takeShift(), frames.takeShift()]).toEqual([0, 0]);
    frames.fill(0, chunk(300, 300), 296);
    expect(frames.takeShift()).toBe(296);
    expect(frames.ring.misplacedCount).toBe(0);
  });

  test("is found where one that started earlier was in the frame's last lap, held in between", () => {
    const frames = new Frames();
    frames.fill(0, chunk(300), 8);
    const frame = frames.ring.next();
    frames.ring.hold(frame);
    frames.ring.release(frame);
    frames.fill(1, ACKNOWLEDGEMENT, 0);
    expect(frames.takeShift()).toBe(0);
    frames.fill(0, chunk(300), 2000);
    expect(frames.takeShift()).toBe(2000);
  });

  test("is found where the kernel freed what it had built in the frame's last lap", () => {
    const frames = new Frames();
    frames.fill(0, chunk(600), 0, 0);
    frames.fill(1, chunk(600), 0, CAPACITY + 1);
    expect(frames.takeShift()).toBeUndefined();
    expect([frames.ring.emptyCount, frames.ring.malformedCount]).toEqual([1, 1]);
    for (const frame of [0, 1]) frames.fill(frame, chunk(300), 1000);
    expect([frames.takeShift(), frames.takeShift()]).toEqual([1000, 1000]);
  });

  test("is not taken for one that a packet of the frame's last lap carried", () => {
    const frames = new Frames();
    // Whoever sends packets to a queue chooses what they hold.
    const packet = [...chunk(616).slice(0, 16), ...chunk(300, 300)];
    frames.fill(0, packet, 0);
    frames.fill(1, packet, 0, 0);
    expect([frames.takeShift(), frames.takeShift()]).toEqual([0, undefined]);
    for (const frame of [0, 1]) frames.fill(frame, chunk(300), 1000);
    expect([frames.takeShift(), frames.takeShift()]).toEqual([1000, 1000]);
  });

  test("is found behind the end of a message that the kernel took back", () => {
    const frames = new Frames();
    // A dump's chunk ends with the last message that fitted; what it had of the next one stays behind the chunk's length.
    frames.fill(0, [...chunk(300), ...chunk(200).slice(0, 120)], 0, 300);
    expect(frames.takeShift()).toBe(0);
    frames.fill(1, chunk(20), 0);
    expect(frames.takeShift()).toBe(0);
    frames.fill(0, chunk(300), 1000);
    expect(frames.takeShift()).toBe(1000);
  });

  test("is looked for in the frame alone, whatever the length says", () => {
    const frames = new Frames();
    for (let length = 1; length <= 20; length++) {
      frames.fill(0, new Array<number>(CAPACITY).fill(0xff), 0, length);
      frames.fill(1, new Array<number>(CAPACITY).fill(0), 0, length);
      expect(frames.takeShift()).toBeUndefined();
    }
    expect(frames.ring.misplacedCount).toBe(40);
    expect(frames.memory.guardsIntact).toBe(true);
    expect([frames.memory.status(0), frames.memory.status(1)]).toEqual([0, 0]);
  });

  test("is looked for in a memory that ends with the frame", () => {
    const memory = new ArrayBuffer(ringLength(GEOMETRY));
    const ring = new RxRing(memory, 0, GEOMETRY, { misplacedMessages: true });
    const words = new Int32Array(memory);
    for (const start of [0, 1024]) {
      words.fill(-1, start + 6, start + 1024);
      words[start + 1] = 1;
      Atomics.store(words, start, FrameStatus.valid);
    }
    expect([ring.next(), ring.misplacedCount]).toEqual([-1, 2]);
  });

  test("takes the first likely start where no messages add up", () => {
    const frames = new Frames();
    const words = Array.from({ length: CAPACITY / 4 }, () => [20, 0, 0, 0]).flat();
    // From every word 19 messages can be followed before the sum is wrong; the first of them is what is left.
    frames.fill(0, words, 0, 390);
    expect(frames.takeShift()).toBe(0);
  });
});

describe("copies", () => {
  test("are not looked for, and the frame keeps what it holds", () => {
    const frames = new Frames();
    frames.fill(0, chunk(300), 0);
    frames.fill(1, chunk(300), 0);
    frames.takeShift();
    frames.takeShift();
    const stale = [1, 2, 3, 4];
    frames.memory.setPayload(0, stale);
    frames.memory.setLength(0, 100_000);
    frames.memory.setStatus(0, FrameStatus.copy);
    const frame = frames.ring.next();
    expect([frame, frames.ring.isCopy(frame), frames.ring.length(frame)]).toEqual([0, true, 100_000]);
    expect(frames.ring.payloadOffset(frame)).toBe(frames.memory.offset(0) + 24);
    frames.ring.release(frame);
    const payload = new Uint8Array(frames.memory.buffer, frames.memory.offset(0) + 24, 4);
    expect([...payload]).toEqual(stale);
    expect(frames.memory.guardsIntact).toBe(true);
  });
});

describe("a kernel that misplaces dumps", () => {
  test("is read over many laps of acknowledgements, freed messages, copies and dumps", () => {
    const geometry = planRing({ frameSize: 16_384, frameCount: 4 });
    const kernel = new KernelSocket({ misplacedDumps: true });
    kernel.setRing("rx", geometry);
    const memory = kernel.map(ringLength(geometry));
    if (!(memory instanceof ArrayBuffer)) throw new Error(`no memory: ${String(memory)}`);
    const ring = new RxRing(memory, 0, geometry, { misplacedMessages: true });
    for (let lap = 0; lap < 20; lap++) {
      const steps = [
        () => kernel.startDump(() => undefined),
        () => {
          const build = kernel.allocate(36, "acknowledgement");
          build?.bytes.set(ACKNOWLEDGEMENT);
          build?.deliver(36);
        },
        () => {
          const build = kernel.allocate(600);
          build?.bytes.fill(0xcc);
          build?.free();
        },
        () => kernel.deliver(new Uint8Array(20_000)),
        () => {
          const chunks = [chunk(300, 1200), chunk(20)];
          kernel.startDump(() => {
            const next = chunks.shift();
            return next === undefined ? undefined : Uint8Array.from(next);
          });
        },
      ];
      for (let step = 0; step < steps.length; step++) {
        steps[(step + lap) % steps.length]?.();
        for (let waits = 0; waits < 2; waits++) {
          kernel.poll();
          for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
            if (ring.isCopy(frame)) kernel.receive();
            else expect(ring.bytes[ring.payloadOffset(frame) + 3]).toBe(0);
            ring.release(frame);
          }
        }
      }
    }
    expect({
      lost: ring.misplacedCount,
      empty: ring.emptyCount,
      malformed: ring.malformedCount,
      drops: kernel.drops,
      dumping: kernel.dumping,
    }).toEqual({ lost: 0, empty: 20, malformed: 0, drops: 0, dumping: false });
  });
});
