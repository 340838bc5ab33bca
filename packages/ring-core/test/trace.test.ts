import { describe, expect, test } from "vitest";
import { frameOffset, KernelSocket, type RingGeometry, RxRing, ringLength } from "../src/index.js";
import { type Recording, type RingRequest, recordings, type Step } from "./trace.js";
import { Subsystem } from "./trace-subsystem.js";

const SKIP = 4;
/** The smallest chunk of a dump with pages of 4 KiB: NLMSG_GOODSIZE. */
const DUMP_CHUNK = 3776;

type StepOf<Op extends Step["op"]> = Extract<Step, { op: Op }>;

/** Errors are positive in the recordings, and negative here. */
const errorOf = ({ errno }: { readonly errno: number }): number => 0 - errno;

/** Plays one recording against the kernel's side, and reads along as the recorded program did. */
class Replay {
  readonly #recording: Recording;
  readonly #steps: readonly Step[];
  #socket = new KernelSocket();
  #subsystem = new Subsystem(this.#socket, []);
  #rx: RingGeometry | undefined;
  #tx: RingGeometry | undefined;
  #memory = new ArrayBuffer(0);
  #reader: RxRing | undefined;
  readonly #taken = new Set<number>();
  /** Frames whose bytes are the recorded ones, not those of the stand-in. */
  #recorded = new Set<number>();
  /** Lengths of the messages that the reader was given, in order. */
  readonly #read: number[] = [];
  replayed = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
    this.#steps = recording.steps;
  }

  run(): void {
    this.#steps.forEach((step, index) => {
      this.#play(step, index);
      this.replayed++;
    });
  }

  #play(step: Step, index: number): unknown {
    switch (step.op) {
      case "kernel":
        return this.#boot(step);
      case "open":
        return undefined;
      case "setsockopt":
        return this.#setRing(step);
      case "setsockopt-short":
        return expect(this.#socket.setRing("rx", new Uint8Array(step.length))).toBe(errorOf(step));
      case "getsockopt":
        return expect(this.#socket.getRing("rx")).toBe(errorOf(step));
      case "mmap-without-ring":
        return expect(this.#socket.map(4096)).toBe(errorOf(step));
      case "mmap-wrong-length":
        return expect(this.#socket.map(this.#length() + 4096)).toBe(errorOf(step));
      case "mmap-offset":
        return expect(this.#socket.map(this.#length(), 4096)).toBe(errorOf(step));
      case "mmap":
        return this.#map(step);
      case "write":
        return this.#write(step, index);
      case "set":
        return this.#set(step);
      case "send-ring":
        return expect(this.#socket.sendRing((messages) => this.#subsystem.handle(messages))).toBe(
          step.errno === 0 ? step.result : errorOf(step),
        );
      case "send-copy":
        // The recorded ones configure the queue and ask for no answer; an ordinary send leaves the rings alone.
        return expect(step.result).toBe(step.bytes);
      case "poll": {
        const bits = this.#socket.poll();
        return expect({ ...bits }, `poll, step ${index}`).toEqual({
          in: step.in === 1,
          out: step.out === 1,
          err: step.err === 1,
        });
      }
      case "recv":
        return this.#receive(step);
      case "udp":
        return this.#subsystem.queuePacket(step.size);
      case "system":
        return this.#system(index);
      case "snapshot":
        return this.#compare(step);
      case "proc":
        return this.#compareCounters(step);
      case "ring-order":
        return this.#replayOrder(step);
      default:
        throw new Error(`a step that nothing replays: ${JSON.stringify(step satisfies never)}`);
    }
  }

  #boot({ release, pageSize }: StepOf<"kernel">): void {
    const [major = 0, minor = 0] = release.split(".").map(Number);
    this.#socket = new KernelSocket({
      pageSize,
      dialect: major > 4 || (major === 4 && minor >= 3) ? "from-4.3" : "before-4.3",
      misplacedDumps: this.#recording.kernel.endsWith("dump-offset"),
    });
    this.#subsystem = new Subsystem(this.#socket, this.#dumpChunks());
  }

  #setRing(step: StepOf<"setsockopt">): void {
    // The program unmapped between its attempts to change mapped rings and the ones that worked, which is no line of its own.
    if (step.errno === 0) this.#socket.unmap();
    const { ring, blockSize, blockCount, frameSize, frameCount } = step;
    const geometry = { blockSize, blockCount, frameSize, frameCount };
    expect(this.#socket.setRing(ring, geometry), JSON.stringify(step)).toBe(errorOf(step));
    if (step.errno !== 0) return;
    const present = blockCount === 0 ? undefined : geometry;
    if (ring === "rx") this.#rx = present;
    else this.#tx = present;
  }

  #length(): number {
    return (
      (this.#rx === undefined ? 0 : ringLength(this.#rx)) +
      (this.#tx === undefined ? 0 : ringLength(this.#tx))
    );
  }

  #map(step: StepOf<"mmap">): void {
    const memory = this.#socket.map(step.length);
    if (!(memory instanceof ArrayBuffer)) throw new Error(`mmap gave ${String(memory)}`);
    this.#memory = memory;
    if (this.#rx !== undefined) this.#reader = new RxRing(memory, 0, this.#rx, { misplacedMessages: true });
  }

  /** Offset of a frame in the mapping. */
  #frame(ring: "rx" | "tx", frame: number): number {
    const geometry = ring === "rx" ? this.#rx : this.#tx;
    if (geometry === undefined) throw new Error(`no ${ring} ring`);
    const start = ring === "tx" && this.#rx !== undefined ? ringLength(this.#rx) : 0;
    return start + frameOffset(geometry, frame);
  }

  /** What the program wrote is not in the line, but in the next image: a frame keeps its bytes when it was sent. */
  #write(step: StepOf<"write">, index: number): void {
    const offset = this.#frame("tx", step.frame);
    const image = this.#nextImage(index);
    new Uint8Array(this.#memory).set(image.subarray(offset + 24, offset + 24 + step.bytes), offset + 24);
    new DataView(this.#memory).setUint32(offset + 4, step.nmLen, true);
  }

  #nextImage(index: number): Uint8Array {
    const next = this.#steps.slice(index).find((step) => step.op === "snapshot");
    if (next?.op !== "snapshot") throw new Error("no image follows");
    return this.#recording.file(next.file);
  }

  #set({ ring, frame, status }: StepOf<"set">): void {
    if (ring === "tx") {
      Atomics.store(new Int32Array(this.#memory), this.#frame("tx", frame) / 4, status);
      return;
    }
    const reader = this.#reader;
    if (reader === undefined) throw new Error("no reader");
    while (!this.#taken.has(frame)) this.#readOne(reader);
    if (status === SKIP) {
      reader.hold(frame);
    } else {
      reader.release(frame);
      this.#taken.delete(frame);
    }
  }

  /** Reads what is left, and tells the lengths of all messages since the start. */
  readRest(): number[] {
    const reader = this.#reader;
    if (reader !== undefined && this.#steps.some(({ op }) => op === "snapshot")) {
      const wanted = this.delivered.length;
      while (this.#read.length < wanted) this.#readOne(reader);
      expect(reader.next()).toBe(-1);
      expect(reader.malformedCount).toBe(0);
    }
    return this.#read;
  }

  /** Lengths of the messages that the kernel's side delivered, in ring order. */
  get delivered(): readonly number[] {
    return this.#subsystem.delivered;
  }

  #readOne(reader: RxRing): void {
    const frame = reader.next();
    if (frame === -1) throw new Error("the reader finds no frame where the recorded program did");
    this.#taken.add(frame);
    const length = reader.length(frame);
    this.#read.push(length);
    if (reader.isCopy(frame) || !this.#recorded.has(frame)) return;
    // A message says its own length first; a chunk of a dump holds several.
    const first = reader.view.getUint32(reader.payloadOffset(frame), true);
    expect(first).toBeGreaterThanOrEqual(16);
    expect(first).toBeLessThanOrEqual(length);
  }

  #receive(step: StepOf<"recv">): void {
    const received = this.#socket.receive();
    if (step.errno !== 0) expect(received).toBe(errorOf(step));
    else expect(received instanceof Uint8Array ? received.length : received).toBe(step.result);
  }

  /** Two link events, whose bytes are those that the program then received. */
  #system(index: number): void {
    for (const step of this.#steps.slice(index)) {
      if (step.op !== "recv" || step.errno !== 0) continue;
      const event = this.#recording.file(step.file);
      this.#socket.deliver(event, { group: 1 });
      this.#subsystem.delivered.push(event.length);
    }
  }

  #compare(step: StepOf<"snapshot">): void {
    const view = new DataView(this.#memory);
    const states = (ring: "rx" | "tx", count: number): number[][] =>
      Array.from({ length: count }, (_, frame) => {
        const offset = this.#frame(ring, frame);
        return [0, 4, 8].slice(0, ring === "rx" ? 3 : 2).map((field) => view.getUint32(offset + field, true));
      });
    expect(states("rx", step.rx.length), step.why).toEqual(step.rx);
    expect(states("tx", step.tx.length), step.why).toEqual(step.tx);
    const image = this.#recording.file(step.file);
    // The chunks of a dump are the recorded ones, so they must lie where the kernel put them.
    if (this.#recording.scenario.startsWith("route-dump")) {
      const start = this.#frame("rx", 0) + 24;
      const end = start + this.#frameCapacity();
      expect(new Uint8Array(this.#memory, start, end - start)).toEqual(image.subarray(start, end));
    }
    // From here on the reader reads what the kernel itself wrote.
    new Uint8Array(this.#memory).set(image);
    this.#recorded = new Set(step.rx.flatMap(([status], frame) => (status === 2 ? [frame] : [])));
  }

  #frameCapacity(): number {
    return (this.#rx?.frameSize ?? 24) - 24;
  }

  #compareCounters({ nfnetlink_queue }: StepOf<"proc">): void {
    const [, , waiting, , , queueDropped, userDropped, lastId] = nfnetlink_queue
      .trim()
      .split(/\s+/)
      .map(Number);
    expect({ waiting: this.#subsystem.waiting.size, lastId: this.#subsystem.lastId }).toEqual({
      waiting,
      lastId,
    });
    // A full ring moves neither of them.
    expect([queueDropped, userDropped]).toEqual([0, 0]);
  }

  /** Four processors allocate in the order of the frames and deliver in the order of the ids. */
  #replayOrder({ frames }: StepOf<"ring-order">): void {
    const reader = this.#reader;
    if (reader === undefined) throw new Error("no reader");
    const builds = frames.map(([id]) => ({ id, build: this.#socket.allocate(256) }));
    for (const { id, build } of builds.toSorted((one, other) => one.id - other.id)) {
      if (build === undefined) throw new Error("the ring is full");
      const view = new DataView(build.bytes.buffer, build.bytes.byteOffset);
      view.setUint32(0, 132, true);
      view.setUint32(20, id);
      build.deliver(132);
      this.#subsystem.lastId = id;
      this.#subsystem.waiting.add(id);
    }
    const seen: number[] = [];
    for (let frame = reader.next(); frame !== -1; frame = reader.next()) {
      seen.push(reader.view.getUint32(reader.payloadOffset(frame) + 20));
      reader.release(frame);
    }
    this.#read.push(...seen.map(() => 132));
    this.#subsystem.delivered.push(...seen.map(() => 132));
    expect(seen).toEqual(frames.map(([id]) => id));
    expect(places(seen)).toBe(18);
    const numbers = new Map<number, number>();
    for (const [, sender, number] of frames) {
      expect(number).toBeGreaterThan(numbers.get(sender) ?? -1);
      numbers.set(sender, number);
    }
  }

  /** The chunks of the recorded dump, taken from its last image. */
  #dumpChunks(): Uint8Array[] {
    if (!this.#recording.scenario.startsWith("route-dump")) return [];
    const request = this.#steps.find((step): step is Step & RingRequest => step.op === "setsockopt");
    const last = this.#steps.findLast((step) => step.op === "snapshot");
    if (request === undefined || last?.op !== "snapshot") return [];
    const image = this.#recording.file(last.file);
    const shift = this.#recording.kernel.endsWith("dump-offset") ? request.frameSize - 24 - DUMP_CHUNK : 0;
    return last.rx.flatMap(([status, length], frame) => {
      const start = frameOffset(request, frame) + 24 + shift;
      return status === 2 ? [image.subarray(start, start + length)] : [];
    });
  }
}

/** How often an id is lower than the one before it. */
function places(ids: readonly number[]): number {
  return ids.filter((id, index) => index > 0 && id < (ids[index - 1] ?? 0)).length;
}

const all = recordings();

test("every recording is there", () => {
  expect(all.map(({ kernel, scenario }) => `${kernel}/${scenario}`)).toHaveLength(21);
});

describe.each(all.map((recording) => [`${recording.kernel}: ${recording.scenario}`, recording] as const))(
  "%s",
  (_name, recording) => {
    test("the kernel's side does what the kernel did, step by step", () => {
      const replay = new Replay(recording);
      replay.run();
      expect(replay.replayed).toBe(recording.steps.length);
    });

    test("the reader finds the messages that the recorded memory holds, each once and in order", () => {
      const replay = new Replay(recording);
      replay.run();
      expect(replay.readRest()).toEqual(replay.delivered);
    });
  },
);
