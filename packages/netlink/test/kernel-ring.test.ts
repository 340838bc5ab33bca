import { setImmediate as nextTurn } from "node:timers/promises";
import { type KernelDialect, KernelSocket, planRing, ringLength } from "@nlring/ring-core";
import { describe, expect, test } from "vitest";
import type { Message } from "../src/message/message.js";
import { NetlinkSocket } from "../src/socket.js";
import { skipsHeldFrames } from "../src/transport/kernel-dialect.js";
import { KernelRing, type MappedSocket } from "../src/transport/kernel-ring.js";
import { messageBytes } from "./memory-socket.js";

const PORT = 77;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_MULTI = 2;
const NLM_F_DUMP = 0x300;
const RX = planRing({ frameSize: 512, frameCount: 8 });
const TX = planRing({ frameSize: 512, frameCount: 8 });

/** A mapped socket whose kernel's side the test plays by hand. */
class PlayedSocket implements MappedSocket {
  readonly portId = PORT;
  readonly receiveBuffer = 212_992;
  readonly kernel: KernelSocket;
  readonly memory: ArrayBuffer;
  readonly #handle: (message: DataView, kernel: KernelSocket) => void;
  #callback: () => void = () => {};
  resumes = 0;
  watched = false;

  constructor(
    dialect: KernelDialect,
    handle: (message: DataView, kernel: KernelSocket) => void = acknowledge,
    rx: typeof RX = RX,
    tx: typeof TX = TX,
  ) {
    this.kernel = new KernelSocket({ dialect });
    this.#handle = handle;
    this.kernel.setRing("rx", rx);
    this.kernel.setRing("tx", tx);
    const memory = this.kernel.map(ringLength(rx) + ringLength(tx));
    if (!(memory instanceof ArrayBuffer)) throw new Error(`mmap gave ${String(memory)}`);
    this.memory = memory;
  }

  /** What libuv does when the descriptor is readable. */
  turn(): void {
    const { in: readable, err } = this.kernel.poll();
    if (this.watched && (readable || err)) this.#callback();
  }

  takeError(): number {
    return this.kernel.takeError();
  }
  poll(): boolean {
    return this.kernel.poll().in;
  }
  receive(into: Uint8Array): number {
    const received = this.kernel.receive();
    if (typeof received === "number") return received;
    into.set(received.subarray(0, into.length));
    return received.length;
  }
  sendRing(): number {
    return this.kernel.sendRing((messages) => {
      this.send(messages);
      return 0;
    });
  }
  send(messages: Uint8Array): number {
    this.#handle(new DataView(messages.slice().buffer), this.kernel);
    return messages.length;
  }
  setReceiveBuffer(): number {
    return this.receiveBuffer;
  }
  drops(): number {
    return this.kernel.drops;
  }
  setOption(): void {}
  setFilter(): void {}
  clearFilter(): void {}
  addMembership(): void {}
  dropMembership(): void {}
  async gracePeriod(): Promise<void> {}
  onReadable(callback: () => void): void {
    this.#callback = callback;
  }
  resume(): void {
    this.resumes++;
    this.watched = true;
  }
  pause(): void {
    this.watched = false;
  }
  ref(): void {}
  unref(): void {}
  close(): void {}
}

function build(kernel: KernelSocket, message: Uint8Array): boolean {
  const frame = kernel.allocate(message.length);
  frame?.bytes.set(message);
  return frame?.deliver(message.length) ?? false;
}

/** Acknowledges a message, in a ring frame as the kernel does. */
function acknowledge(request: DataView, kernel: KernelSocket): void {
  const answer = messageBytes({
    type: NLMSG_ERROR,
    sequence: request.getUint32(8, true),
    portId: PORT,
    payload: new Uint8Array(20),
  });
  build(kernel, answer);
}

async function open(played: PlayedSocket, skips = true): Promise<NetlinkSocket> {
  return NetlinkSocket.open(12, {
    transport: {
      open: () =>
        new KernelRing(played, RX, TX, { kind: "kernel-ring", reason: "a test", skipsHeldFrames: skips }),
    },
  });
}

const value = (message: Message): number => message.view.getUint8(message.payloadOffset);
const numbered = (number: number, length = 4): Uint8Array =>
  messageBytes({ type: 100, payload: new Uint8Array(length).fill(number) });

test("which kernel it is shows in what it does with a held frame", () => {
  const geometry = planRing({ frameSize: 4096, frameCount: 2 });
  const ask = (dialect: KernelDialect): boolean =>
    skipsHeldFrames(new PlayedSocket(dialect, acknowledge, geometry, geometry), geometry);
  expect(ask("from-4.3")).toBe(true);
  expect(ask("before-4.3")).toBe(false);
});

describe.each(["from-4.3", "before-4.3"] as const)("a socket over the rings of a kernel %s", (dialect) => {
  const skips = dialect === "from-4.3";

  test("has its requests answered", async () => {
    const played = new PlayedSocket(dialect);
    const socket = await open(played, skips);
    for (let request = 0; request < 50; request++) {
      const answered = socket.request({ type: 20 });
      played.turn();
      await answered;
    }
    await socket.close();
  });

  test("sends what was committed by one send with no bytes", async () => {
    const seen: number[] = [];
    const played = new PlayedSocket(dialect, (messages) => {
      for (let at = 0; at < messages.byteLength; at += messages.getUint32(at, true))
        seen.push(messages.getUint16(at + 4, true));
    });
    const socket = await open(played, skips);
    for (let type = 100; type < 160; type++) {
      socket.compose(type, 0, 4).uint32(0);
      socket.commit();
    }
    expect(seen).toEqual([]);
    await nextTurn();
    expect(seen).toEqual(Array.from({ length: 60 }, (_, index) => 100 + index));
    await socket.close();
  });

  test("gets built and copied messages in one order", async () => {
    const played = new PlayedSocket(dialect);
    const socket = await open(played, skips);
    build(played.kernel, numbered(1));
    played.kernel.deliver(numbered(2), { group: 3 });
    played.kernel.deliver(numbered(3, 5000), { group: 3 });
    build(played.kernel, numbered(4));
    const seen: number[][] = [];
    for (let message = socket.take(); message !== undefined; message = socket.take()) {
      seen.push([value(message), message.group, message.end - message.payloadOffset]);
      message.release();
    }
    expect(seen).toEqual([
      [1, 0, 4],
      [2, 3, 4],
      [3, 3, 5000],
      [4, 0, 4],
    ]);
    await socket.close();
  });

  test("is told of an overrun once, and goes on", async () => {
    const played = new PlayedSocket(dialect);
    const socket = await open(played, skips);
    const delivered = Array.from({ length: 10 }, (_, number) => build(played.kernel, numbered(number)));
    expect(delivered.filter((done) => !done)).toHaveLength(2);
    const seen: number[] = [];
    for (let message = socket.take(); message !== undefined; message = socket.take()) {
      seen.push(value(message));
      message.release();
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(socket.statistics).toMatchObject({ overruns: 1, drops: 2 });
    expect(build(played.kernel, numbered(8))).toBe(true);
    expect(socket.take()?.sequence).toBe(0);
    await socket.close();
  });

  test("keeps held messages while the ring goes round", async () => {
    const played = new PlayedSocket(dialect);
    const socket = await open(played, skips);
    const held: { message: Message; number: number }[] = [];
    for (let number = 0; number < 100; number++) {
      expect(build(played.kernel, numbered(number)), `message ${number}`).toBe(true);
      const message = socket.take();
      if (message === undefined) throw new Error(`message ${number} is missing`);
      expect(value(message)).toBe(number);
      if (number % 25 === 0) {
        message.hold();
        held.push({ message, number });
      } else {
        message.release();
      }
    }
    expect(held.map(({ message }) => value(message))).toEqual(held.map(({ number }) => number));
    for (const { message } of held) message.release();
    await socket.close();
  });

  test("reads nothing past a message that is still being built, nor turns without rest for it", async () => {
    const played = new PlayedSocket(dialect);
    const socket = await open(played, skips);
    const first = played.kernel.allocate(64);
    build(played.kernel, numbered(2));
    expect(socket.take()).toBeUndefined();
    const readable = socket.readable();
    // Readiness is there all the time, and looked away from.
    expect(played.watched).toBe(false);
    first?.bytes.set(numbered(1));
    first?.deliver(20);
    while (!played.watched) await nextTurn();
    played.turn();
    await readable;
    expect(
      [socket.take(), socket.take()].map((message) => (message === undefined ? 0 : value(message))),
    ).toEqual([1, 2]);
    await socket.close();
  });

  test("does not take a reply for lost while its frame is still being built", async () => {
    let finish = (): void => {};
    const played = new PlayedSocket(dialect, (request, kernel) => {
      const answer = messageBytes({
        type: NLMSG_ERROR,
        sequence: request.getUint32(8, true),
        portId: PORT,
        payload: new Uint8Array(20),
      });
      const frame = kernel.allocate(answer.length);
      finish = () => {
        frame?.bytes.set(answer);
        frame?.deliver(answer.length);
      };
      build(kernel, numbered(9));
    });
    const socket = await open(played, skips);
    let settled = false;
    const answered = socket.request({ type: 20 }).finally(() => {
      settled = true;
    });
    for (let turns = 0; turns < 5; turns++) {
      played.turn();
      await nextTurn();
    }
    expect(settled).toBe(false);
    finish();
    while (!settled) {
      played.turn();
      await nextTurn();
    }
    await answered;
    await socket.close();
  });

  test("gets the whole of a dump, which goes on inside poll", async () => {
    const played = new PlayedSocket(dialect, (request, kernel) => {
      const sequence = request.getUint32(8, true);
      let left = 30;
      kernel.startDump(() => {
        left--;
        if (left < 0) return undefined;
        const payload = new Uint8Array(4).fill(left);
        const type = left === 0 ? NLMSG_DONE : 100;
        return messageBytes({
          type,
          flags: NLM_F_MULTI,
          sequence,
          portId: PORT,
          payload: left === 0 ? new Uint8Array(4) : payload,
        });
      });
    });
    const socket = await open(played, skips);
    const seen: number[] = [];
    const done = socket.request(
      { type: 18, flags: NLM_F_DUMP },
      { visit: (reply) => seen.push(value(reply)) },
    );
    for (let turns = 0; turns < 40; turns++) {
      played.turn();
      await nextTurn();
    }
    await done;
    expect(seen).toEqual(Array.from({ length: 29 }, (_, index) => 29 - index));
    await socket.close();
  });
});

test("an overrun that is found while a message is fetched by copy is told", async () => {
  const played = new PlayedSocket("from-4.3");
  const socket = await open(played);
  for (let number = 0; number < 10; number++) played.kernel.deliver(numbered(number), { group: 3 });
  const seen: number[] = [];
  for (let message = socket.take(); message !== undefined; message = socket.take()) {
    seen.push(value(message));
    message.release();
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(socket.statistics).toMatchObject({ overruns: 1, drops: 2 });
  expect(socket.losses).toBe(1);
  await socket.close();
});
