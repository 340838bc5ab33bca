import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NfQueue, type Packet, PacketDecidedError } from "../src/index.js";
import { FakeQueueKernel } from "../src/testing/index.js";

let kernel: FakeQueueKernel;
beforeEach(() => {
  kernel = new FakeQueueKernel();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const open = (options = {}): Promise<NfQueue> => NfQueue.open(3, { transport: kernel, ...options });
const codeOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return undefined;
};

describe("a packet", () => {
  test("shows its attributes and bytes in place", async () => {
    const queue = await open();
    let seen: object | undefined;
    const running = queue.run((packet) => {
      seen = {
        id: packet.id,
        family: packet.family,
        hook: packet.hook,
        etherType: packet.etherType,
        mark: packet.mark,
        length: packet.length,
        originalLength: packet.originalLength,
        gso: packet.gso,
        checksumReady: packet.checksumReady,
        payload: [...packet.payload],
        first: packet.readUint8(0),
        second: packet.readUint16(1),
        last: packet.readUint32(1),
      };
      packet.accept();
    });
    await kernel.enqueue(3, { payload: bytes(1, 2, 3, 4, 5), family: "ip6", mark: 0xdeadbeef });
    await queue.close();
    await running;
    expect(seen).toEqual({
      id: 1,
      family: "ip6",
      hook: "input",
      etherType: 0x86dd,
      mark: 0xdeadbeef,
      length: 5,
      originalLength: 5,
      gso: false,
      checksumReady: true,
      payload: [1, 2, 3, 4, 5],
      first: 1,
      second: 0x0203,
      last: 0x02030405,
    });
  });

  test("refuses to read outside its bytes, where the next packet's may lie", async () => {
    const queue = await open();
    const codes: unknown[] = [];
    const running = queue.run((packet) => {
      for (const offset of [-1, 2, 5, 1.5, Number.NaN, 2 ** 31])
        codes.push(codeOf(() => packet.readUint32(offset)));
      packet.drop();
    });
    await kernel.enqueue(3, { payload: bytes(1, 2, 3, 4, 5) });
    await queue.close();
    await running;
    expect(codes).toEqual(new Array(6).fill("ERR_OUT_OF_RANGE"));
  });

  test("gets one verdict: a second one throws and changes nothing", async () => {
    const queue = await open();
    let second: unknown;
    const running = queue.run((packet) => {
      packet.accept({ mark: 0 });
      second = codeOf(() => packet.drop());
    });
    expect(await kernel.enqueue(3, { payload: bytes(1), mark: 5 })).toEqual({ verdict: "accept", mark: 0 });
    await queue.close();
    await running;
    expect(second).toBe("ERR_PACKET_DECIDED");
    expect(queue.statistics).toMatchObject({ received: 1, accepted: 1, dropped: 0 });
  });

  test("that is kept after its verdict throws when touched, and the packet now in its frame is untouched", async () => {
    const queue = await open({ ring: { frameSize: 4096, frameCount: 1 } });
    const kept: Packet[] = [];
    const payloads: number[][] = [];
    const running = queue.run((packet) => {
      payloads.push([...packet.payload]);
      const old = kept[0];
      if (old !== undefined) {
        for (const touch of [
          () => old.payload,
          () => old.copy(),
          () => old.mark,
          () => old.length,
          () => old.readUint8(0),
          () => old.accept(),
          () => old.drop(),
          () => old.hold(),
        ]) {
          expect(touch).toThrow(PacketDecidedError);
        }
      }
      kept.push(packet);
      packet.accept({ mark: payloads.length });
    });
    expect(await kernel.enqueue(3, { payload: bytes(1, 1) })).toEqual({ verdict: "accept", mark: 1 });
    expect(await kernel.enqueue(3, { payload: bytes(2, 2) })).toEqual({ verdict: "accept", mark: 2 });
    await queue.close();
    await running;
    expect(payloads).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(queue.statistics.handlerErrors).toBe(0);
  });

  test("that is held keeps its bytes while the ring goes round many times", async () => {
    const queue = await open({ ring: { frameSize: 1024, frameCount: 4 } });
    const held: { packet: Packet; payload: Uint8Array; value: number }[] = [];
    const running = queue.run((packet) => {
      const value = packet.readUint8(0);
      if (value % 4 === 0) held.push({ packet: packet.hold(), payload: packet.payload, value });
      else packet.drop();
    });
    const verdicts = Array.from({ length: 64 }, (_, value) =>
      kernel.enqueue(3, { payload: bytes(value, value, value) }),
    );
    while (held.length < 16) await nextTurn();
    for (const { packet, payload, value } of held.reverse()) {
      expect([...payload]).toEqual([value, value, value]);
      packet.accept({ mark: value });
    }
    const results = await Promise.all(verdicts);
    results.forEach(({ verdict, mark }, value) => {
      expect({ verdict, mark }).toEqual(
        value % 4 === 0 ? { verdict: "accept", mark: value } : { verdict: "drop", mark: undefined },
      );
    });
    await queue.close();
    await running;
  });

  test("that is held leaves the ring, attributes and all, and a view of its payload that was handed out stays as it is", async () => {
    const queue = await open({ ring: { frameSize: 4096, frameCount: 4 } });
    const held: { packet: Packet; payload: Uint8Array | undefined }[] = [];
    const running = queue.run((packet) => {
      const payload = held.length === 0 ? packet.payload : undefined;
      held.push({ packet: packet.hold(), payload });
    });
    const verdicts = Array.from({ length: 40 }, (_, value) =>
      kernel.enqueue(3, { payload: bytes(value, value, value), mark: value, priority: 100 + value }),
    );
    while (held.length < 40) await nextTurn();
    const buffers = new Set(held.map(({ packet }) => packet.payload.buffer));
    // The first one's frame, and memory for the others.
    expect(buffers.size).toBe(2);
    for (const [value, { packet, payload }] of held.entries()) {
      expect([...(payload ?? packet.payload)]).toEqual([value, value, value]);
      expect(packet).toMatchObject({
        mark: value,
        priority: 100 + value,
        family: "ip",
        length: 3,
        etherType: 0x800,
      });
      expect([packet.readUint16(1), [...packet.copy()]]).toEqual([value * 0x101, [value, value, value]]);
      packet.accept({ mark: value + 1 });
    }
    expect(await Promise.all(verdicts)).toEqual(
      Array.from({ length: 40 }, (_, value) => ({ verdict: "accept", mark: value + 1 })),
    );
    await queue.close();
    await running;
  });

  test("larger than a frame arrives whole, in order with the others", async () => {
    const queue = await open({ ring: { frameSize: 512, frameCount: 8 } });
    const sizes: number[] = [];
    const running = queue.run((packet) => {
      sizes.push(packet.length);
      expect(packet.payload.every((byte, index) => byte === (index & 255))).toBe(true);
      packet.accept();
    });
    const wanted = [10, 60_000, 20, 1000, 30];
    await Promise.all(
      wanted.map((size) => kernel.enqueue(3, { payload: Uint8Array.from({ length: size }, (_, i) => i) })),
    );
    await queue.close();
    await running;
    expect(sizes).toEqual(wanted);
  });
});

describe("the default verdict", () => {
  test("is for a packet whose handler throws; run goes on and the failure is told", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const failures: unknown[] = [];
    queue.on("handlerError", (error) => failures.push(error));
    const failure = new Error("broken handler");
    const running = queue.run((packet) => {
      if (packet.id === 1) throw failure;
      packet.drop();
    });
    expect((await kernel.enqueue(3, { payload: bytes(1) })).verdict).toBe("accept");
    expect((await kernel.enqueue(3, { payload: bytes(2) })).verdict).toBe("drop");
    await queue.close();
    await running;
    expect(failures).toEqual([failure]);
    expect(queue.statistics).toMatchObject({ handlerErrors: 1, defaulted: 1 });
  });

  test("leaves a decision that was made before the handler threw", async () => {
    const queue = await open({ defaultVerdict: "drop" });
    queue.on("handlerError", () => {});
    const running = queue.run((packet) => {
      packet.accept();
      throw new Error("afterwards");
    });
    expect((await kernel.enqueue(3, { payload: bytes(1) })).verdict).toBe("accept");
    await queue.close();
    await running;
  });

  test("has the verdicts of its turn sent where a listener for failures throws", async () => {
    const queue = await open();
    const broken = new Error("a broken listener");
    queue.on("handlerError", () => {
      throw broken;
    });
    const running = queue.run((packet) => {
      if (packet.id === 3) throw new Error("of the handler");
      packet.accept();
    });
    const verdicts = [1, 2, 3].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
    await expect(running).rejects.toBe(broken);
    expect((await verdicts[0])?.verdict).toBe("accept");
    expect((await verdicts[1])?.verdict).toBe("accept");
    await queue.close();
  });

  test("makes a process warning of the first failure when nobody listens", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const queue = await open();
    const running = queue.run(() => {
      throw new Error("unheard");
    });
    await Promise.all([1, 2, 3].map((value) => kernel.enqueue(3, { payload: bytes(value) })));
    await queue.close();
    await running;
    expect(warn).toHaveBeenCalledTimes(1);
    expect(String(warn.mock.calls[0]?.[0])).toContain("unheard");
    expect(queue.statistics.handlerErrors).toBe(3);
  });

  test("is for a packet that a synchronous handler leaves undecided", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const running = queue.run(() => {});
    expect((await kernel.enqueue(3, { payload: bytes(1) })).verdict).toBe("accept");
    await queue.close();
    await running;
    expect(queue.statistics.defaulted).toBe(1);
  });

  test("is drop where nothing else was said", async () => {
    const queue = await open();
    const running = queue.run(() => {});
    expect((await kernel.enqueue(3, { payload: bytes(1) })).verdict).toBe("drop");
    await queue.close();
    await running;
  });

  test("is for a packet whose promise settles without a decision, or rejects", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    queue.on("handlerError", () => {});
    const running = queue.run(async (packet) => {
      await nextTurn();
      if (packet.readUint8(0) === 2) throw new Error("later");
    });
    const verdicts = await Promise.all([1, 2].map((value) => kernel.enqueue(3, { payload: bytes(value) })));
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(["accept", "accept"]);
    await queue.close();
    await running;
    expect(queue.statistics).toMatchObject({ defaulted: 2, handlerErrors: 1 });
  });

  test("spares a packet that was held, until the queue closes", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const running = queue.run((packet) => {
      packet.hold();
    });
    const verdict = kernel.enqueue(3, { payload: bytes(1) });
    while (queue.statistics.received === 0) await nextTurn();
    await nextTurn();
    expect(kernel.waiting(3)).toBe(1);
    await queue.close();
    expect((await verdict).verdict).toBe("accept");
    await running;
  });

  test("is for everything that still waits when the queue closes, read or not", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const verdicts = Array.from({ length: 500 }, (_, value) =>
      kernel.enqueue(3, { payload: bytes(value & 255) }),
    );
    await queue.close();
    const results = await Promise.all(verdicts);
    expect(results.every(({ verdict }) => verdict === "accept")).toBe(true);
    expect(queue.statistics).toMatchObject({ received: 500, defaulted: 500, undecided: 0 });
  });
});

describe("an asynchronous handler", () => {
  test("decides after its promise, in any order, while others go on", async () => {
    const queue = await open();
    const gates = new Map<number, () => void>();
    const running = queue.run(async (packet) => {
      const value = packet.readUint8(0);
      await new Promise<void>((resolve) => {
        gates.set(value, resolve);
      });
      packet.accept({ mark: value });
    });
    const verdicts = [1, 2, 3].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
    while (gates.size < 3) await nextTurn();
    for (const value of [3, 1, 2]) gates.get(value)?.();
    expect((await Promise.all(verdicts)).map(({ mark }) => mark)).toEqual([1, 2, 3]);
    await queue.close();
    await running;
  });
});

describe("for await", () => {
  test("gives the default verdict to a packet left undecided when the next one is pulled", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const verdicts = [1, 2, 3].map((value) => kernel.enqueue(3, { payload: bytes(value) }));
    for await (const packet of queue) {
      const value = packet.readUint8(0);
      if (value === 2) packet.drop();
      if (value === 3) break;
    }
    expect((await Promise.all(verdicts)).map(({ verdict }) => verdict)).toEqual(["accept", "drop", "accept"]);
  });

  test("closes the queue when it is left early, and what waits gets the default verdict", async () => {
    const queue = await open({ defaultVerdict: "accept" });
    const verdicts = Array.from({ length: 20 }, (_, value) => kernel.enqueue(3, { payload: bytes(value) }));
    for await (const packet of queue) {
      packet.drop();
      break;
    }
    const results = (await Promise.all(verdicts)).map(({ verdict }) => verdict);
    expect(results).toEqual(["drop", ...new Array(19).fill("accept")]);
    await expect(queue.intercept({ hook: "input" })).rejects.toMatchObject({ code: "ERR_QUEUE_CLOSED" });
  });

  test("lets a verdict leave while its body goes on waiting", async () => {
    const queue = await open();
    const verdict = kernel.enqueue(3, { payload: bytes(1) });
    for await (const packet of queue) {
      packet.accept();
      // The body does not end before the verdict arrived: one that waited for the next pull would never leave.
      expect((await verdict).verdict).toBe("accept");
      break;
    }
  });

  test("ends when the queue is closed from elsewhere", async () => {
    const queue = await open();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const packet of queue) {
        seen.push(packet.id);
        packet.accept();
      }
    })();
    await kernel.enqueue(3, { payload: bytes(1) });
    await queue.close();
    await loop;
    expect(seen).toEqual([1]);
  });

  test("refuses a second pull while one waits", async () => {
    const queue = await open();
    const iterator = queue[Symbol.asyncIterator]();
    const first = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: "ERR_BUSY" });
    await queue.close();
    expect((await first).done).toBe(true);
  });

  test("leaves a packet alone that was pulled and not seen yet", async () => {
    const queue = await open();
    const iterator = queue[Symbol.asyncIterator]();
    for (const value of [1, 2, 3]) void kernel.enqueue(3, { payload: bytes(value) });
    await iterator.next();
    const second = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: "ERR_BUSY" });
    const { value: packet } = await second;
    expect([packet?.copy(), packet?.decided]).toEqual([bytes(2), false]);
    expect((await iterator.next()).value?.copy()).toEqual(bytes(3));
    await queue.close();
  });

  test("lets other work of the event loop run while packets keep coming", async () => {
    const queue = await open();
    let immediates = 0;
    let counting = true;
    const count = (): void => {
      immediates++;
      if (counting) setImmediate(count);
    };
    for (let value = 0; value < 1000; value++) void kernel.enqueue(3, { payload: bytes(value & 255) });
    setImmediate(count);
    let seen = 0;
    for await (const packet of queue) {
      packet.accept();
      if (++seen === 1000) break;
    }
    counting = false;
    expect(immediates).toBeGreaterThan(0);
  });
});

describe("a queue", () => {
  test("has one reader", async () => {
    const queue = await open();
    const running = queue.run(() => {});
    await expect(queue.run(() => {})).rejects.toMatchObject({ code: "ERR_BUSY" });
    expect(codeOf(() => queue[Symbol.asyncIterator]())).toBe("ERR_BUSY");
    await queue.close();
    await running;
  });

  test("held by another socket says so", async () => {
    const queue = await open();
    await expect(open()).rejects.toMatchObject({
      code: "ERR_QUEUE_IN_USE",
      message: expect.stringContaining("queue 3"),
    });
    await queue.close();
    await (await open()).close();
  });

  test("rejects run with the reason of its signal, after deciding what waited", async () => {
    const controller = new AbortController();
    const queue = await open({ signal: controller.signal, defaultVerdict: "accept" });
    const running = queue.run((packet) => {
      packet.hold();
    });
    const verdict = kernel.enqueue(3, { payload: bytes(1) });
    while (queue.statistics.received === 0) await nextTurn();
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect((await verdict).verdict).toBe("accept");
  });

  test("may be closed twice and from inside its handler", async () => {
    const queue = await open();
    const running = queue.run((packet) => {
      packet.accept();
      void queue.close();
    });
    expect((await kernel.enqueue(3, { payload: bytes(1) })).verdict).toBe("accept");
    await running;
    await queue.close();
  });

  test("refuses options that make no sense", async () => {
    await expect(NfQueue.open(65_536, { transport: kernel })).rejects.toThrow(RangeError);
    await expect(NfQueue.open(-1, { transport: kernel })).rejects.toThrow(RangeError);
    await expect(open({ copyRange: 70_000 })).rejects.toThrow(RangeError);
    await expect(open({ queueMaxLength: 0 })).rejects.toThrow(RangeError);
    await expect(open({ defaultVerdict: "allow" })).rejects.toThrow(RangeError);
  });

  test("counts the verdicts of packets that the kernel no longer had", async () => {
    const queue = await open({ queueMaxLength: 10 });
    const held: Packet[] = [];
    const running = queue.run((packet) => {
      held.push(packet.hold());
    });
    void kernel.enqueue(3, { payload: bytes(1) });
    while (held.length === 0) await nextTurn();
    kernel.forget(3);
    held[0]?.accept();
    while (queue.statistics.unknownVerdicts === 0) await nextTurn();
    expect(queue.statistics).toMatchObject({ unknownVerdicts: 1, refusedVerdicts: 0 });
    await queue.close();
    await running;
  });
});
