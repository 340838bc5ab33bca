import { describe, expect, test } from "vitest";
import {
  broadcast,
  FrameHeader,
  FrameStatus,
  frameOffset,
  type KernelDialect,
  KernelSocket,
  type KernelSocketOptions,
  planRing,
  type RingGeometry,
  RxRing,
  ringLength,
  TxRing,
  writeRingRequest,
} from "../src/index.js";

const EPERM = -1;
const EAGAIN = -11;
const ENOMEM = -12;
const EBUSY = -16;
const EINVAL = -22;
const ENOPROTOOPT = -92;
const ENOBUFS = -105;
const ECONNREFUSED = -111;

const { unused, reserved, valid, copy, skip } = FrameStatus;
const DIALECTS: readonly KernelDialect[] = ["before-4.3", "from-4.3"];
/** Eight frames with 1,000 bytes of payload. */
const RX = planRing({ frameSize: 1024, frameCount: 8 });
const TX = planRing({ frameSize: 2048, frameCount: 4 });
const NO_RING: RingGeometry = { blockSize: 0, blockCount: 0, frameSize: 0, frameCount: 0 };
/** More than a frame holds. */
const LARGE = new Uint8Array(1001);

/** A mapped socket and what user space sees of it. */
class Mapped {
  readonly kernel: KernelSocket;
  readonly memory: ArrayBufferLike;
  wakes = 0;

  constructor(options: KernelSocketOptions = {}, rx: RingGeometry | undefined = RX, tx?: RingGeometry) {
    this.kernel = new KernelSocket({ onWake: () => this.wakes++, ...options });
    if (rx !== undefined) expect(this.kernel.setRing("rx", rx)).toBe(0);
    if (tx !== undefined) expect(this.kernel.setRing("tx", tx)).toBe(0);
    const length = (rx === undefined ? 0 : ringLength(rx)) + (tx === undefined ? 0 : ringLength(tx));
    this.memory = mapped(this.kernel, length);
  }

  statuses(geometry = RX, byteOffset = 0): number[] {
    return statuses(this.memory, geometry, byteOffset);
  }

  set(frame: number, status: number): void {
    Atomics.store(new Int32Array(this.memory), frameOffset(RX, frame) / 4, status);
  }

  field(frame: number, field: number): number {
    return new DataView(this.memory).getUint32(frameOffset(RX, frame) + field, true);
  }

  /** Builds and delivers so many messages; returns how many found a frame. */
  build(count: number): number {
    let built = 0;
    for (let i = 0; i < count; i++) if (this.kernel.allocate(10)?.deliver(10) === true) built++;
    return built;
  }
}

function mapped(kernel: KernelSocket, length: number): ArrayBufferLike {
  const memory = kernel.map(length);
  if (typeof memory === "number") throw new Error(`map gave ${memory}`);
  return memory;
}

function statuses(memory: ArrayBufferLike, geometry: RingGeometry, byteOffset = 0): number[] {
  const words = new Int32Array(memory);
  return Array.from({ length: geometry.frameCount }, (_, frame) =>
    Atomics.load(words, (byteOffset + frameOffset(geometry, frame)) / 4),
  );
}

/** So many chunks, the last of them as well. */
function chunks(count: number, length = 100): () => Uint8Array | undefined {
  let left = count;
  return () => (left-- > 0 ? new Uint8Array(length).fill(count - left) : undefined);
}

/** A dump fits frames that hold its allocation. */
const DUMPS = { dumpSize: 1000 };

describe("setting rings up", () => {
  test.each(["rx", "tx"] as const)("the %s ring is refused without privilege, whatever is asked", (ring) => {
    const kernel = new KernelSocket({ privileged: false });
    expect(kernel.setRing(ring, RX)).toBe(EPERM);
    expect(kernel.setRing(ring, new Uint8Array(3))).toBe(EPERM);
  });

  test("a request of fewer than 16 bytes is invalid, before it matters that rings are mapped", () => {
    const { kernel } = new Mapped();
    expect(kernel.setRing("rx", new Uint8Array(15))).toBe(EINVAL);
    expect(kernel.setRing("rx", new Uint8Array(16))).toBe(EBUSY);
  });

  test("bytes behind the 16 of a request are not looked at", () => {
    const kernel = new KernelSocket();
    expect(kernel.setRing("rx", Uint8Array.of(...writeRingRequest(RX), 1, 2, 3))).toBe(0);
  });

  test("neither ring changes while one is mapped, however invalid the request", () => {
    const { kernel } = new Mapped();
    expect(kernel.setRing("rx", NO_RING)).toBe(EBUSY);
    expect(kernel.setRing("tx", { ...TX, frameSize: 1 })).toBe(EBUSY);
    kernel.map(ringLength(RX));
    kernel.unmap();
    expect(kernel.setRing("rx", NO_RING)).toBe(EBUSY);
    kernel.unmap();
    expect(kernel.setRing("rx", NO_RING)).toBe(0);
  });

  test("the RX ring does not change while a message is built in it; the TX ring does", () => {
    const kernel = new KernelSocket();
    kernel.setRing("rx", RX);
    const builds = [kernel.allocate(10), kernel.allocate(10)];
    expect(kernel.setRing("rx", NO_RING)).toBe(EBUSY);
    expect(kernel.setRing("tx", TX)).toBe(0);
    builds[0]?.free();
    expect(kernel.setRing("rx", NO_RING)).toBe(EBUSY);
    builds[1]?.deliver(1);
    expect(kernel.setRing("rx", NO_RING)).toBe(0);
  });

  test("a ring that is there is not made again, valid or not", () => {
    const kernel = new KernelSocket();
    kernel.setRing("tx", TX);
    expect(kernel.setRing("tx", TX)).toBe(EBUSY);
    expect(kernel.setRing("tx", { ...TX, frameSize: 1 })).toBe(EBUSY);
    expect(kernel.setRing("rx", RX)).toBe(0);
  });

  test.each([
    ["a block of no bytes", { blockSize: 0 }],
    ["a block of 2 GiB", { blockSize: 0x8000_0000 }],
    ["a block of part of a page", { blockSize: 6144 }],
    ["a frame smaller than its header", { frameSize: 20 }],
    ["a frame of an odd size", { frameSize: 1022 }],
    ["a frame larger than its block", { frameSize: 8196 }],
    ["one frame too many", { frameCount: 9 }],
  ])("%s is invalid", (_name, change) => {
    const kernel = new KernelSocket();
    expect(kernel.setRing("rx", { ...RX, ...change })).toBe(EINVAL);
    expect(kernel.map(ringLength(RX))).toBe(EINVAL);
  });

  test("blocks are whole pages of the kernel that there is", () => {
    expect(new KernelSocket({ pageSize: 65_536 }).setRing("rx", RX)).toBe(EINVAL);
  });

  test("memory that cannot be had is an error, and changes nothing", () => {
    const made: number[] = [];
    const kernel = new KernelSocket({
      createMemory: (length) => {
        if (made.push(length) > 1) throw new RangeError("no memory");
        return new ArrayBuffer(length);
      },
    });
    kernel.setRing("rx", RX);
    expect(kernel.setRing("tx", TX)).toBe(ENOMEM);
    expect(made).toEqual([ringLength(RX), ringLength(RX) + ringLength(TX)]);
    expect(kernel.map(ringLength(RX))).toBeInstanceOf(ArrayBuffer);
  });

  test("other errors in making memory are the caller's own", () => {
    const kernel = new KernelSocket({
      createMemory: () => {
        throw new TypeError("wrong");
      },
    });
    expect(() => kernel.setRing("rx", RX)).toThrow(TypeError);
  });

  test("no blocks and some frames are invalid; no blocks and no frames take a ring away, and one that is not there", () => {
    const kernel = new KernelSocket();
    expect(kernel.setRing("rx", { ...NO_RING, frameCount: 1 })).toBe(EINVAL);
    expect(kernel.setRing("rx", { ...NO_RING, blockSize: 5, frameSize: 7 })).toBe(0);
    kernel.setRing("rx", RX);
    expect(kernel.setRing("rx", NO_RING)).toBe(0);
    expect(kernel.map(ringLength(RX))).toBe(EINVAL);
    expect(kernel.setRing("rx", RX)).toBe(0);
  });

  test("the geometry is never told", () => {
    const { kernel } = new Mapped({}, RX, TX);
    expect([kernel.getRing("rx"), kernel.getRing("tx")]).toEqual([ENOPROTOOPT, ENOPROTOOPT]);
  });

  test("setting the RX ring empties the receive queue and its account; setting the TX ring does not", () => {
    const kernel = new KernelSocket({ receiveBuffer: 0 });
    expect(kernel.deliver(LARGE)).toBe(true);
    kernel.setRing("tx", TX);
    expect(kernel.poll().in).toBe(true);
    kernel.setRing("rx", RX);
    expect(kernel.poll().in).toBe(false);
    expect(kernel.receive()).toBe(EAGAIN);
    expect(kernel.deliver(LARGE)).toBe(true);
  });
});

describe("one ring set up beside the other", () => {
  test("the RX ring keeps its messages, its head and what is being built in it", () => {
    const kernel = new KernelSocket();
    kernel.setRing("rx", RX);
    kernel.allocate(3)?.deliver(3);
    const build = kernel.allocate(3);
    build?.bytes.set([4]);
    kernel.deliver(Uint8Array.of(7), { group: 9 });
    kernel.setRing("tx", TX);
    build?.bytes.set([5, 6], 1);
    build?.deliver(3);
    kernel.allocate(1)?.deliver(1);
    const memory = mapped(kernel, ringLength(RX) + ringLength(TX));
    expect(statuses(memory, RX)).toEqual([valid, valid, copy, valid, 0, 0, 0, 0]);
    expect([...new Uint8Array(memory, frameOffset(RX, 1) + 24, 3)]).toEqual([4, 5, 6]);
    expect(kernel.receive()).toEqual(Uint8Array.of(7));
  });

  test("it keeps them when the TX ring goes", () => {
    const kernel = new KernelSocket();
    kernel.setRing("rx", RX);
    kernel.setRing("tx", TX);
    kernel.allocate(3)?.deliver(3);
    kernel.setRing("tx", NO_RING);
    kernel.allocate(3)?.deliver(3);
    expect(statuses(mapped(kernel, ringLength(RX)), RX).slice(0, 3)).toEqual([valid, valid, unused]);
  });

  test.each([
    ["memory of their own", (length: number) => new ArrayBuffer(length)],
    ["the same memory again", always(new SharedArrayBuffer(ringLength(RX) + ringLength(TX)))],
  ])(
    "the TX ring keeps its messages and its head when the RX ring comes and goes, in %s",
    (_name, createMemory) => {
      const kernel = new KernelSocket({ createMemory });
      kernel.setRing("tx", TX);
      const writer = new TxRing(mapped(kernel, ringLength(TX)), 0, TX);
      const send = (ring: TxRing, byte: number): void => {
        const frame = ring.reserve();
        ring.bytes[ring.payloadOffset(frame)] = byte;
        ring.commit(1);
      };
      const sent: number[] = [];
      const handle = (messages: Uint8Array): number => {
        sent.push(messages[0] ?? -1);
        return messages[0] === 2 ? ECONNREFUSED : 0;
      };
      for (const byte of [1, 2, 3]) send(writer, byte);
      expect(kernel.sendRing(handle)).toBe(ECONNREFUSED);
      kernel.unmap();
      kernel.setRing("rx", RX);
      const memory = mapped(kernel, ringLength(RX) + ringLength(TX));
      expect(statuses(memory, RX)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      expect(statuses(memory, TX, ringLength(RX))).toEqual([0, 0, valid, 0]);
      kernel.unmap();
      kernel.setRing("rx", NO_RING);
      expect(kernel.sendRing(handle)).toBe(1);
      expect(sent).toEqual([1, 2, 3]);
    },
  );

  test("a copy on its way when its ring goes ends nowhere", () => {
    const kernel = new KernelSocket();
    kernel.setRing("rx", RX);
    const queued = kernel.queueCopy(LARGE);
    kernel.setRing("rx", NO_RING);
    kernel.setRing("rx", RX);
    queued?.mark();
    expect(statuses(mapped(kernel, ringLength(RX)), RX)[0]).toBe(unused);
  });
});

function always(memory: ArrayBufferLike): () => ArrayBufferLike {
  return () => memory;
}

describe("mapping", () => {
  test("takes exactly the length of the rings there are, RX first, rounded up to pages", () => {
    const { kernel, memory } = new Mapped({}, RX, TX);
    const both = ringLength(RX) + ringLength(TX);
    expect(memory.byteLength).toBe(both);
    expect(kernel.map(both - 1)).toBe(memory);
    for (const length of [0, ringLength(RX), both + 1, both - 4096]) expect(kernel.map(length)).toBe(EINVAL);
    expect(kernel.map(both, 4096)).toBe(EINVAL);
  });

  test("finds no ring to map", () => {
    expect(new KernelSocket().map(4096)).toBe(EINVAL);
    expect(new KernelSocket().map(0)).toBe(EINVAL);
  });

  test("puts the TX ring at the start where it is alone", () => {
    const kernel = new KernelSocket();
    kernel.setRing("tx", TX);
    const writer = new TxRing(mapped(kernel, ringLength(TX)), 0, TX);
    writer.reserve();
    writer.commit(5);
    expect(kernel.sendRing(() => 0)).toBe(5);
  });

  test("what came before it lies in the first frames", () => {
    const kernel = new KernelSocket();
    kernel.setRing("rx", RX);
    kernel.allocate(5)?.deliver(5);
    expect(statuses(mapped(kernel, ringLength(RX)), RX)[0]).toBe(valid);
  });

  test("unmapping what is not mapped does nothing", () => {
    const kernel = new KernelSocket();
    kernel.unmap();
    kernel.setRing("rx", RX);
    kernel.map(ringLength(RX));
    expect(kernel.setRing("rx", NO_RING)).toBe(EBUSY);
  });
});

describe.each(DIALECTS)("frames of a kernel %s", (dialect) => {
  test("a message is RESERVED while it is built, and VALID with all its fields when it is delivered", () => {
    const socket = new Mapped({ dialect });
    const build = socket.kernel.allocate(1000);
    expect(socket.statuses()[0]).toBe(reserved);
    expect([build?.bytes.length, socket.wakes]).toEqual([1000, 0]);
    build?.bytes.set([1, 2, 3]);
    expect(build?.deliver(3, { senderPort: 7, group: 2 })).toBe(true);
    expect([0, 4, 8, 12].map((field) => socket.field(0, field))).toEqual([valid, 3, 2, 7]);
    expect([...new Uint8Array(socket.memory, 24, 3)]).toEqual([1, 2, 3]);
    expect(socket.wakes).toBe(1);
  });

  test("a message that is freed is VALID with no length, its other fields as they were, and wakes nobody", () => {
    const socket = new Mapped({ dialect });
    socket.kernel.allocate(10)?.deliver(10, { group: 5 });
    for (let frame = 1; frame < 8; frame++) socket.kernel.allocate(1)?.deliver(1);
    for (let frame = 0; frame < 8; frame++) socket.set(frame, unused);
    socket.wakes = 0;
    socket.kernel.allocate(10)?.free();
    expect([socket.field(0, FrameHeader.length), socket.field(0, FrameHeader.group)]).toEqual([0, 5]);
    expect([socket.statuses()[0], socket.wakes]).toEqual([valid, 0]);
    expect(socket.kernel.poll().in).toBe(true);
  });

  test("a message is delivered or freed once, and no longer than it was allocated", () => {
    const socket = new Mapped({ dialect });
    for (const size of [10, 2000]) {
      const build = socket.kernel.allocate(size);
      for (const length of [size + 1, -1, 0.5])
        expect(() => build?.deliver(length)).toThrow(
          expect.objectContaining({ code: "ERR_FRAME_LENGTH", errno: EINVAL }),
        );
      expect(build?.deliver(size)).toBe(true);
      const ended = expect.objectContaining({ code: "ERR_FRAME_NOT_RESERVED" });
      expect(() => build?.deliver(1)).toThrow(ended);
      expect(() => build?.free()).toThrow(ended);
    }
  });

  test("an allocation larger than a frame becomes a copy, however short the message; one as large as the frame does not", () => {
    const socket = new Mapped({ dialect });
    socket.kernel.allocate(1000)?.deliver(1);
    const build = socket.kernel.allocate(1001);
    expect(socket.statuses()[1]).toBe(unused);
    build?.bytes.fill(9);
    expect(build?.deliver(5, { group: 3 })).toBe(true);
    expect([0, 4, 8, 12].map((field) => socket.field(1, field))).toEqual([copy, 5, 3, 0]);
    expect(socket.kernel.receive()).toEqual(new Uint8Array(5).fill(9));
    socket.kernel.allocate(1001)?.free();
    expect(socket.statuses()[2]).toBe(unused);
  });

  test("a copy has its message in the receive queue, as it was, and wakes readers", () => {
    const socket = new Mapped({ dialect });
    const message = Uint8Array.of(1, 2);
    socket.kernel.deliver(message, { senderPort: 8 });
    message.fill(0);
    expect([0, 4, 8, 12].map((field) => socket.field(0, field))).toEqual([copy, 2, 0, 8]);
    expect(socket.kernel.receive()).toEqual(Uint8Array.of(1, 2));
    expect(socket.wakes).toBe(1);
  });

  test("between queue and mark a copy's message can be received, poll tells of it, and its frame reads UNUSED", () => {
    const socket = new Mapped({ dialect });
    const queued = socket.kernel.queueCopy(Uint8Array.of(1), { group: 4 });
    socket.build(1);
    expect(socket.statuses().slice(0, 3)).toEqual([unused, valid, unused]);
    expect(socket.kernel.poll().in).toBe(true);
    expect(socket.kernel.receive()).toEqual(Uint8Array.of(1));
    queued?.mark();
    expect(socket.statuses().slice(0, 2)).toEqual([copy, valid]);
    expect(socket.field(0, FrameHeader.group)).toBe(4);
  });

  test("frames are filled strictly in order: one that is not given back stops them, whatever follows it", () => {
    const socket = new Mapped({ dialect });
    expect(socket.build(9)).toBe(8);
    for (const frame of [1, 2]) socket.set(frame, unused);
    expect(socket.build(1)).toBe(0);
    socket.set(0, unused);
    expect(socket.build(4)).toBe(3);
  });

  test("the kernel sets no frame back", () => {
    const socket = new Mapped({ dialect });
    socket.kernel.allocate(1)?.free();
    socket.kernel.allocate(1)?.deliver(1);
    socket.kernel.deliver(LARGE);
    socket.kernel.receive();
    socket.kernel.poll();
    expect(socket.statuses().slice(0, 3)).toEqual([valid, valid, copy]);
  });

  test("without a ring messages are queued, built or not", () => {
    const kernel = new KernelSocket({ dialect });
    const build = kernel.allocate(100_000);
    build?.bytes.set([1, 2]);
    expect(build?.deliver(2)).toBe(true);
    kernel.deliver(Uint8Array.of(3));
    expect([kernel.receive(), kernel.receive(), kernel.receive()]).toEqual([
      Uint8Array.of(1, 2),
      Uint8Array.of(3),
      EAGAIN,
    ]);
  });
});

describe("held frames at the head", () => {
  test("before 4.3 they make the ring full", () => {
    const socket = new Mapped({ dialect: "before-4.3" });
    socket.build(8);
    socket.set(0, skip);
    socket.set(1, unused);
    expect(socket.build(1)).toBe(0);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
  });

  test("from 4.3 messages that are built pass over them", () => {
    const socket = new Mapped({ dialect: "from-4.3" });
    socket.build(8);
    for (const frame of [0, 1]) socket.set(frame, skip);
    socket.set(2, unused);
    expect(socket.build(2)).toBe(1);
    expect(socket.statuses().slice(0, 4)).toEqual([skip, skip, valid, valid]);
  });

  test("from 4.3 the head has passed them even where the ring turns out full", () => {
    const socket = new Mapped({ dialect: "from-4.3" });
    socket.build(8);
    socket.set(0, skip);
    expect(socket.build(1)).toBe(0);
    socket.set(0, unused);
    expect(socket.build(1)).toBe(0);
    socket.set(1, unused);
    expect(socket.build(1)).toBe(1);
  });

  test("from 4.3 a ring that is all held is full", () => {
    const socket = new Mapped({ dialect: "from-4.3" });
    for (let frame = 0; frame < 8; frame++) socket.set(frame, skip);
    expect(socket.build(1)).toBe(0);
    socket.set(0, unused);
    expect(socket.build(1)).toBe(1);
  });

  test.each(DIALECTS)("%s they stop a copy", (dialect) => {
    const socket = new Mapped({ dialect });
    socket.set(0, skip);
    expect(socket.kernel.deliver(LARGE)).toBe(false);
    expect([socket.kernel.takeError(), socket.kernel.drops]).toEqual([ENOBUFS, 1]);
    expect(socket.kernel.receive()).toBe(EAGAIN);
  });
});

describe.each(DIALECTS)("overruns of a kernel %s", (dialect) => {
  test("a message with no frame is lost, counted and told once, with a wake", () => {
    const socket = new Mapped({ dialect });
    socket.build(8);
    socket.wakes = 0;
    expect(socket.build(3)).toBe(0);
    expect(socket.kernel.drops).toBe(3);
    expect(socket.wakes).toBe(1);
    expect(socket.kernel.poll().err).toBe(true);
    expect([socket.kernel.receive(), socket.kernel.receive()]).toEqual([ENOBUFS, EAGAIN]);
    expect(socket.kernel.poll().err).toBe(false);
  });

  test("no other error comes while the socket is congested: until the receive queue is empty in poll", () => {
    const socket = new Mapped({ dialect });
    socket.kernel.deliver(LARGE);
    socket.build(8);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
    socket.kernel.poll();
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(0);
    socket.kernel.receive();
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
    socket.kernel.poll();
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
  });

  test("a receive that only gives the error, or nothing, ends congestion too", () => {
    const socket = new Mapped({ dialect });
    socket.build(9);
    expect(socket.kernel.receive()).toBe(ENOBUFS);
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
    expect(socket.kernel.receive()).toBe(EAGAIN);
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
  });

  test("poll alone never ends an error", () => {
    const socket = new Mapped({ dialect });
    socket.build(9);
    expect([1, 2, 3].map(() => socket.kernel.poll().err)).toEqual([true, true, true]);
  });

  test("poll of a socket without an RX ring does not end congestion; a receive does", () => {
    const kernel = new KernelSocket({ dialect, receiveBuffer: 0 });
    kernel.deliver(LARGE);
    expect(kernel.deliver(LARGE)).toBe(false);
    kernel.takeError();
    kernel.setRing("rx", RX);
    kernel.setRing("rx", NO_RING);
    kernel.poll();
    expect(kernel.deliver(LARGE)).toBe(false);
    kernel.receive();
    expect(kernel.deliver(LARGE)).toBe(true);
  });

  test("a congested socket takes messages into frames, and refuses copies", () => {
    const socket = new Mapped({ dialect });
    socket.build(9);
    for (let frame = 0; frame < 8; frame++) socket.set(frame, unused);
    expect(socket.kernel.deliver(LARGE)).toBe(false);
    expect(socket.build(1)).toBe(1);
    expect([socket.kernel.drops, socket.statuses().slice(0, 2)]).toEqual([2, [valid, unused]]);
    socket.kernel.poll();
    expect(socket.kernel.deliver(LARGE)).toBe(true);
  });

  test("a refused copy of another socket is that socket's affair; the kernel's and a group's are overruns", () => {
    const socket = new Mapped({ dialect });
    socket.build(9);
    expect(socket.kernel.deliver(LARGE, { senderPort: 6 })).toBe(false);
    expect(socket.kernel.drops).toBe(1);
    expect(socket.kernel.deliver(LARGE, { senderPort: 6, group: 1 })).toBe(false);
    expect(socket.kernel.deliver(LARGE)).toBe(false);
    expect(socket.kernel.drops).toBe(3);
  });

  test("a copy that finds no frame is an overrun, whoever sent it", () => {
    const socket = new Mapped({ dialect });
    socket.build(8);
    expect(socket.kernel.deliver(LARGE, { senderPort: 6 })).toBe(false);
    expect([socket.kernel.drops, socket.kernel.takeError()]).toEqual([1, ENOBUFS]);
  });

  test("the receive buffer limits copies: each is charged with more than its length, and the last may go over", () => {
    const socket = new Mapped({ dialect, receiveBuffer: 3000 });
    expect(socket.kernel.deliver(LARGE)).toBe(true);
    expect(socket.kernel.deliver(LARGE)).toBe(true);
    expect(socket.kernel.deliver(Uint8Array.of(1))).toBe(false);
    expect(socket.build(1)).toBe(1);
    expect(socket.kernel.receive()).toBe(ENOBUFS);
    expect(socket.kernel.receive()).toHaveLength(1001);
    // There is room, but the socket stays congested until its queue is empty.
    expect(socket.kernel.deliver(Uint8Array.of(1))).toBe(false);
    socket.kernel.receive();
    expect(socket.kernel.deliver(Uint8Array.of(1))).toBe(true);
  });

  test("with NO_ENOBUFS overruns are counted, not told, and do not congest", () => {
    const socket = new Mapped({ dialect, noEnobufs: true });
    socket.build(9);
    socket.set(0, unused);
    expect(socket.kernel.deliver(LARGE)).toBe(true);
    expect([socket.kernel.drops, socket.kernel.takeError()]).toEqual([1, 0]);
  });

  test("NO_ENOBUFS ends congestion when it is set, and leaves a pending error", () => {
    const socket = new Mapped({ dialect });
    socket.build(9);
    socket.set(0, unused);
    socket.kernel.setNoEnobufs(true);
    expect(socket.kernel.deliver(LARGE)).toBe(true);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
    socket.kernel.setNoEnobufs(false);
    socket.build(1);
    expect(socket.kernel.takeError()).toBe(ENOBUFS);
  });

  test("an acknowledgement that is lost is told even with NO_ENOBUFS, each time", () => {
    const socket = new Mapped({ dialect, noEnobufs: true });
    socket.build(8);
    for (const drops of [1, 2]) {
      expect(socket.kernel.allocate(36, "acknowledgement")).toBeUndefined();
      expect([socket.kernel.takeError(), socket.kernel.drops]).toEqual([ENOBUFS, drops]);
    }
  });
});

describe("broadcasts", () => {
  test("come as copies with their group, also where a frame would hold them", () => {
    const sockets = [new Mapped(), new Mapped({}, RX, TX)];
    expect(
      broadcast(
        sockets.map(({ kernel }) => kernel),
        Uint8Array.of(1),
        33,
        5,
      ),
    ).toBe(2);
    for (const socket of sockets) {
      expect([0, 4, 8, 12].map((field) => socket.field(0, field))).toEqual([copy, 1, 33, 5]);
      expect(socket.kernel.receive()).toEqual(Uint8Array.of(1));
    }
  });

  test("are lost by each socket on its own", () => {
    const full = new Mapped();
    full.build(8);
    const congested = new Mapped({ receiveBuffer: 0 });
    congested.kernel.deliver(LARGE);
    const plain = new KernelSocket();
    const fine = new Mapped();
    const sockets = [full.kernel, congested.kernel, plain, fine.kernel];
    expect(broadcast(sockets, Uint8Array.of(1), 1)).toBe(2);
    expect(sockets.map(({ drops }) => drops)).toEqual([1, 1, 0, 0]);
    expect(sockets.map((socket) => socket.takeError())).toEqual([ENOBUFS, ENOBUFS, 0, 0]);
    expect(plain.receive()).toEqual(Uint8Array.of(1));
  });

  test.each([0, -1, 1.5, 2 ** 32])("are to a group, which %d is not", (group) => {
    expect(() => broadcast([], LARGE, group)).toThrow(RangeError);
  });
});

describe.each(DIALECTS)("dumps of a kernel %s", (dialect) => {
  test("start with one chunk, go on inside poll until half the ring is full, and take a frame for each chunk", () => {
    const socket = new Mapped({ dialect, ...DUMPS });
    const used = (): number => socket.statuses().filter((status) => status === valid).length;
    expect(socket.kernel.startDump(chunks(20))).toBe(0);
    expect(used()).toBe(1);
    socket.kernel.poll();
    expect(used()).toBe(5);
    socket.kernel.poll();
    for (const frame of [0, 1, 2]) socket.set(frame, unused);
    expect(used()).toBe(2);
    socket.kernel.poll();
    expect(socket.statuses()).toEqual([0, 0, 0, valid, valid, valid, valid, 0]);
  });

  test("end with their last chunk: only then another may start", () => {
    const socket = new Mapped({ dialect, ...DUMPS });
    expect(socket.kernel.startDump(chunks(2))).toBe(0);
    expect([socket.kernel.dumping, socket.kernel.startDump(chunks(1))]).toEqual([true, EBUSY]);
    socket.kernel.poll();
    expect([socket.kernel.dumping, socket.kernel.startDump(chunks(1))]).toEqual([false, 0]);
    expect(socket.statuses().slice(0, 4)).toEqual([valid, valid, valid, unused]);
    expect(socket.kernel.startDump(chunks(0))).toBe(0);
    expect(socket.statuses()[3]).toBe(unused);
  });

  test("a dump that starts with a full ring fails, and goes on when there is room, with nothing lost", () => {
    const socket = new Mapped({ dialect, ...DUMPS });
    socket.build(8);
    expect(socket.kernel.startDump(chunks(3, 7))).toBe(ENOBUFS);
    expect([socket.kernel.drops, socket.kernel.dumping]).toEqual([1, true]);
    for (let frame = 0; frame < 8; frame++) socket.set(frame, unused);
    socket.kernel.poll();
    expect([0, 1, 2].map((frame) => socket.field(frame, FrameHeader.length))).toEqual([7, 7, 7]);
    expect([0, 1, 2].map((frame) => socket.field(frame, 24) & 0xff)).toEqual([1, 2, 3]);
  });

  test("frames that are smaller than a chunk's allocation get copies, whatever the receive buffer", () => {
    const socket = new Mapped({ dialect, receiveBuffer: 0 });
    socket.kernel.startDump(chunks(3));
    socket.kernel.poll();
    expect(socket.statuses().slice(0, 4)).toEqual([copy, copy, copy, unused]);
    expect(socket.kernel.drops).toBe(0);
  });

  test("go on inside a receive, one chunk for each message, while half the receive buffer is free", () => {
    const kernel = new KernelSocket({ dialect, receiveBuffer: 4000 });
    kernel.startDump(chunks(3));
    expect(kernel.poll().in).toBe(true);
    expect([kernel.receive(), kernel.dumping]).toEqual([new Uint8Array(100).fill(1), true]);
    kernel.deliver(LARGE);
    kernel.deliver(LARGE);
    expect(kernel.receive()).toHaveLength(100);
    expect(kernel.dumping).toBe(true);
    expect(kernel.receive()).toHaveLength(1001);
    expect(kernel.dumping).toBe(false);
    expect(kernel.receive()).toHaveLength(1001);
    expect(kernel.receive()).toEqual(new Uint8Array(100).fill(3));
    expect(kernel.receive()).toBe(EAGAIN);
  });

  test("without a ring they do not start with a full receive buffer", () => {
    const kernel = new KernelSocket({ dialect, receiveBuffer: 100 });
    kernel.deliver(LARGE);
    expect(kernel.startDump(chunks(1))).toBe(ENOBUFS);
  });

  test("a chunk that is larger than its allocation is a mistake of the caller", () => {
    const socket = new Mapped({ dialect, ...DUMPS });
    expect(() => socket.kernel.startDump(chunks(1, 1001))).toThrow(RangeError);
  });

  test("whoever is woken for a chunk may poll, and gets each chunk once", () => {
    const lengths: number[] = [];
    const socket: Mapped = new Mapped({ dialect, ...DUMPS, onWake: () => socket.kernel.poll() });
    let next = 0;
    socket.kernel.startDump(() => (next < 4 ? new Uint8Array(++next) : undefined));
    for (let frame = 0; frame < 5; frame++) lengths.push(socket.field(frame, FrameHeader.length));
    expect(lengths).toEqual([1, 2, 3, 4, 0]);
  });

  test("start at the end of the frame where the kernel misplaces them, and nothing else does", () => {
    const socket = new Mapped({ dialect, dumpSize: 700, misplacedDumps: true });
    socket.kernel.startDump(chunks(1));
    const build = socket.kernel.allocate(4);
    build?.bytes.fill(9);
    build?.deliver(4);
    expect([socket.field(0, 24), socket.field(0, 24 + 300), socket.field(0, FrameHeader.length)]).toEqual([
      0, 0x0101_0101, 100,
    ]);
    expect(socket.field(1, 24)).toBe(0x0909_0909);
  });
});

describe("poll", () => {
  test("before 4.3 looks at the frame before the head: any use of it counts", () => {
    const socket = new Mapped({ dialect: "before-4.3" });
    expect(socket.kernel.poll().in).toBe(false);
    const build = socket.kernel.allocate(1);
    expect(socket.kernel.poll().in).toBe(true);
    socket.set(0, skip);
    expect(socket.kernel.poll().in).toBe(true);
    socket.set(0, unused);
    expect(socket.kernel.poll().in).toBe(false);
    build?.free();
    socket.build(1);
    socket.set(1, unused);
    expect(socket.kernel.poll().in).toBe(false);
  });

  test("before 4.3 the frame before the first is the last", () => {
    const socket = new Mapped({ dialect: "before-4.3" });
    socket.set(7, valid);
    expect(socket.kernel.poll().in).toBe(true);
  });

  test("from 4.3 looks for a VALID frame anywhere: no other state counts", () => {
    const socket = new Mapped({ dialect: "from-4.3" });
    for (const status of [unused, reserved, copy, skip]) {
      socket.set(5, status);
      expect(socket.kernel.poll().in).toBe(false);
    }
    socket.set(5, valid);
    expect(socket.kernel.poll().in).toBe(true);
  });

  test.each(DIALECTS)("%s tells of the receive queue, and always of room to send", (dialect) => {
    const socket = new Mapped({ dialect }, RX, TX);
    const writer = new TxRing(socket.memory, ringLength(RX), TX);
    for (let frame = 0; frame < 4; frame++) {
      writer.reserve();
      writer.commit(1);
    }
    socket.kernel.deliver(LARGE);
    socket.set(0, unused);
    expect(socket.kernel.poll()).toEqual({ in: true, out: true, err: false });
    socket.kernel.receive();
    expect(socket.kernel.poll()).toEqual({ in: false, out: true, err: false });
  });
});

describe("sending the TX ring", () => {
  function open(): { socket: Mapped; writer: TxRing; write: (...lengths: number[]) => void; sent: number[] } {
    const socket = new Mapped({}, RX, TX);
    const writer = new TxRing(socket.memory, ringLength(RX), TX);
    const write = (...lengths: number[]): void => {
      for (const length of lengths) {
        writer.reserve();
        writer.commit(length);
      }
    };
    return { socket, writer, write, sent: [] };
  }

  test("sends all filled frames from the head, gives them back, and returns their bytes", () => {
    const { socket, write, sent } = open();
    write(10, 20, 2024);
    expect(socket.kernel.sendRing((messages) => sent.push(messages.length) && 0)).toBe(2054);
    expect(sent).toEqual([10, 20, 2024]);
    expect(socket.statuses(TX, ringLength(RX))).toEqual([0, 0, 0, 0]);
    write(1, 2);
    expect(socket.kernel.sendRing(() => 0)).toBe(3);
  });

  test("sends nothing, without an error, where the head is not filled, or there is no TX ring", () => {
    expect(open().socket.kernel.sendRing(() => 0)).toBe(0);
    expect(new Mapped().kernel.sendRing(() => 0)).toBe(0);
  });

  test("gives a frame back before its messages are handled: what it says by then is not what is sent", () => {
    const { socket, writer, write } = open();
    write(4);
    const frame = ringLength(RX);
    socket.kernel.sendRing((messages) => {
      expect(Atomics.load(new Int32Array(socket.memory), frame / 4)).toBe(unused);
      writer.bytes.fill(0xff, frame + 24, frame + 28);
      expect([...messages]).toEqual([0, 0, 0, 0]);
      return 0;
    });
  });

  test("ends with an error whose frame is consumed; those behind it go with the next call", () => {
    const { socket, write, sent } = open();
    write(1, 2, 3);
    const handle = (messages: Uint8Array): number => (sent.push(messages.length) === 2 ? ECONNREFUSED : 0);
    expect(socket.kernel.sendRing(handle)).toBe(ECONNREFUSED);
    expect(socket.statuses(TX, ringLength(RX))).toEqual([0, 0, valid, 0]);
    expect(socket.kernel.sendRing(handle)).toBe(3);
    expect(sent).toEqual([1, 2, 3]);
  });

  test("stays at a frame that is too long until its writer mends it", () => {
    const { socket, write } = open();
    write(1, 2);
    const view = new DataView(socket.memory);
    view.setUint32(ringLength(RX) + 2048 + FrameHeader.length, 2025, true);
    for (let i = 0; i < 2; i++) {
      expect(socket.kernel.sendRing(() => 0)).toBe(EINVAL);
      expect(socket.statuses(TX, ringLength(RX))).toEqual([0, valid, 0, 0]);
    }
    view.setUint32(ringLength(RX) + 2048 + FrameHeader.length, 2, true);
    expect(socket.kernel.sendRing(() => 0)).toBe(2);
  });

  test("consumes frames of no bytes, and sends what is committed while it runs", () => {
    const { socket, write, sent } = open();
    write(1, 5);
    new DataView(socket.memory).setUint32(ringLength(RX) + FrameHeader.length, 0, true);
    const handle = (messages: Uint8Array): number => {
      if (sent.push(messages.length) === 2) write(7);
      return 0;
    };
    expect(socket.kernel.sendRing(handle)).toBe(12);
    expect(sent).toEqual([0, 5, 7]);
  });

  test.each([reserved, copy, skip, 99])("stops at a frame in state %d", (status) => {
    const { socket, write } = open();
    write(1, 2);
    Atomics.store(new Int32Array(socket.memory), ringLength(RX) / 4, status);
    expect(socket.kernel.sendRing(() => 0)).toBe(0);
  });

  test("answers are in the RX ring when it returns", () => {
    const { socket, write } = open();
    write(16);
    const reader = new RxRing(socket.memory, 0, RX);
    socket.kernel.sendRing(() =>
      socket.kernel.allocate(36, "acknowledgement")?.deliver(36) === true ? 0 : ENOBUFS,
    );
    expect(reader.length(reader.next())).toBe(36);
  });
});
