import { describe, expect, test, vi } from "vitest";
import {
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "../src/abi.js";
import { DumpInterruptedError, KernelError } from "../src/errors.js";
import type { Message } from "../src/message/message.js";
import type { KernelRequest } from "../src/testing/index.js";
import {
  joined,
  messageBytes,
  openMemorySocket,
  payloadOf,
  rejection,
  takeAll,
  until,
} from "./memory-socket.js";

const GET = 18;
const ITEM = 16;

/** An acknowledgement as the kernel would send it, with everything about it open to forgery. */
function acknowledgement(fields: { sequence: number; portId: number; errno?: number }): Uint8Array {
  const error = new Uint8Array(new Int32Array([fields.errno ?? 0]).buffer);
  const header = messageBytes({ type: GET, sequence: fields.sequence, portId: fields.portId });
  return messageBytes({ type: NLMSG_ERROR, ...fields, payload: joined(error, header) });
}

function numberIn({ view, payloadOffset }: Message): number {
  return view.getUint32(payloadOffset, HOST_IS_LITTLE_ENDIAN);
}

function replyNumber(request: KernelRequest, value: number, flags = 0): void {
  request.reply(ITEM, flags, (writer) => writer.uint32(value));
}

describe("request", () => {
  test("sends one message with REQUEST and ACK, its own port and a sequence number that is not 0", async () => {
    const seen: { type: number; flags: number; sequence: number; portId: number; payload: Uint8Array }[] = [];
    const { socket } = await openMemorySocket(({ message }) => {
      const { type, flags, sequence, portId } = message;
      seen.push({ type, flags, sequence, portId, payload: payloadOf(message) });
    });
    await socket.request({ type: GET, flags: 0x400, write: (writer) => writer.uint32(5) });
    expect(seen).toEqual([
      {
        type: GET,
        flags: 0x400 | NLM_F_REQUEST | NLM_F_ACK,
        sequence: expect.toSatisfy((sequence: number) => sequence > 0),
        portId: socket.portId,
        payload: new Uint8Array(new Uint32Array([5]).buffer),
      },
    ]);
  });

  test("gives every request a sequence number of its own, and each its own answer", async () => {
    const { socket } = await openMemorySocket((request) => {
      replyNumber(request, numberIn(request.message));
    });
    const answers = await Promise.all(
      [10, 20, 30].map(async (value) => {
        const got: number[] = [];
        await socket.request(
          { type: GET, write: (writer) => writer.uint32(value) },
          { visit: (reply) => got.push(numberIn(reply)) },
        );
        return got;
      }),
    );
    expect(answers).toEqual([[10], [20], [30]]);
  });

  test("shows the replies before it resolves, each valid while the visitor looks", async () => {
    const { socket } = await openMemorySocket((request) => {
      for (let value = 0; value < 3; value++) replyNumber(request, value);
    });
    const seen: number[] = [];
    const request = socket.request(
      { type: GET },
      {
        visit: (reply) => {
          expect(reply.released).toBe(false);
          seen.push(numberIn(reply));
        },
      },
    );
    await request.then(() => seen.push(-1));
    expect(seen).toEqual([0, 1, 2, -1]);
  });

  test("lets a visitor keep a reply", async () => {
    let next = 77;
    const { socket } = await openMemorySocket((request) => replyNumber(request, next++));
    const [kept] = await new Promise<[Message]>((resolve, reject) => {
      const visit = (reply: Message): void => {
        reply.hold();
        resolve([reply]);
      };
      socket.request({ type: GET }, { visit }).catch(reject);
    });
    for (let i = 0; i < 70; i++) await socket.request({ type: GET });
    expect(numberIn(kept)).toBe(77);
    kept.release();
  });

  test("rejects with the kernel's error and its words", async () => {
    const { socket } = await openMemorySocket((request) => request.fail(-1, "not for you"));
    const error = await rejection(socket.request({ type: GET }));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "EPERM", errno: -1, requestType: GET, kernelText: "not for you" });
  });

  test("several messages leave in one send and resolve together", async () => {
    const seen: number[] = [];
    const { socket, transport } = await openMemorySocket(({ message }) => seen.push(message.type));
    let sends = 0;
    const { send } = transport;
    transport.send = (messages) => {
      sends++;
      return send.call(transport, messages);
    };
    await socket.request([{ type: 1 }, { type: 2 }, { type: 3 }]);
    expect(seen).toEqual([1, 2, 3]);
    expect(sends).toBe(1);
  });

  test("several messages reject with the first error in their order", async () => {
    const { socket } = await openMemorySocket((request) => {
      if (request.message.type >= 3) request.fail(-request.message.type);
    });
    expect(await rejection(socket.request([{ type: 2 }, { type: 4 }, { type: 3 }]))).toMatchObject({
      errno: -4,
    });
  });

  test("a message that asks for no ACK rejects when the kernel complains, else resolves", async () => {
    const { socket } = await openMemorySocket((request) => {
      expect(request.message.flags & NLM_F_ACK).toBe(0);
      if (request.message.type === 3) request.fail(-2);
    });
    await socket.request({ type: 2, acknowledge: false });
    expect(await rejection(socket.request({ type: 3, acknowledge: false }))).toMatchObject({
      code: "ENOENT",
    });
  });

  test("hears the complaint about an unacknowledged message that follows an acknowledged one", async () => {
    const { socket } = await openMemorySocket((request) => {
      if (request.message.type === 3) request.fail(-2);
    });
    const batch = socket.request([{ type: 2 }, { type: 3, acknowledge: false }]);
    expect(await rejection(batch)).toMatchObject({ code: "ENOENT", requestType: 3 });
    expect(takeAll(socket)).toEqual([]);
  });

  test("resolves an empty list without a send", async () => {
    const { socket } = await openMemorySocket(() => {
      throw new Error("something was sent");
    });
    await socket.request([]);
  });

  test("has as many messages received as ACKs are awaited, and some more where replies are", async () => {
    const { socket, transport } = await openMemorySocket((request) => {
      if (request.message.type === GET) replyNumber(request, 7);
    });
    const fill = vi.spyOn(transport, "fill");
    const limits = (): number[] => fill.mock.calls.map(([limit]) => limit);
    await socket.request({ type: ITEM });
    await socket.request(Array.from({ length: 5 }, () => ({ type: ITEM })));
    expect(limits()).toEqual([1, 5]);
    fill.mockClear();
    await socket.request({ type: GET }, { visit: () => {} });
    expect(limits()).toEqual([4]);
    fill.mockClear();
    await socket.request({ type: ITEM });
    expect(limits()).toEqual([1]);
  });

  test("finds its ACK behind events", async () => {
    const { socket, transport } = await openMemorySocket();
    const answer = socket.request({ type: ITEM });
    for (const type of [200, 201]) transport.deliver(messageBytes({ type }), { group: 1 });
    await answer;
    expect(takeAll(socket).map(({ type }) => type)).toEqual([200, 201]);
  });

  test("rejects with what the writer throws, and leaves nothing behind", async () => {
    const { socket } = await openMemorySocket();
    const failure = new Error("cannot write");
    const write = (): void => {
      throw failure;
    };
    expect(await rejection(socket.request([{ type: GET }, { type: GET, write }]))).toBe(failure);
    await socket.request({ type: GET });
  });

  test("rejects with what the visitor throws, once, and swallows the rest of the answer", async () => {
    const { socket } = await openMemorySocket((request) => {
      for (let value = 0; value < 3; value++) replyNumber(request, value);
    });
    let visited = 0;
    const failure = new Error("cannot read");
    const visit = (): void => {
      visited++;
      throw failure;
    };
    expect(await rejection(socket.request({ type: GET }, { visit }))).toBe(failure);
    expect(visited).toBe(1);
    expect(takeAll(socket)).toEqual([]);
    await socket.request({ type: GET });
  });
});

describe("a dump", () => {
  test("asks for no ACK and resolves with NLMSG_DONE", async () => {
    const { socket } = await openMemorySocket(
      (request) => {
        expect(request.message.flags).toBe(NLM_F_REQUEST | NLM_F_DUMP);
        for (let value = 0; value < 1000; value++) replyNumber(request, value, NLM_F_MULTI);
        request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
      },
      { receiveBuffer: 4_000_000 },
    );
    const seen: number[] = [];
    await socket.request({ type: GET, flags: NLM_F_DUMP }, { visit: (reply) => seen.push(numberIn(reply)) });
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  });

  test("rejects where the kernel refuses it", async () => {
    const { socket } = await openMemorySocket((request) => request.fail(-95));
    expect(await rejection(socket.request({ type: GET, flags: NLM_F_DUMP }))).toMatchObject({
      code: "EOPNOTSUPP",
    });
  });

  test("rejects with the error in NLMSG_DONE where it failed on its way", async () => {
    const { socket } = await openMemorySocket((request) => {
      replyNumber(request, 1, NLM_F_MULTI);
      request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(-12 >>> 0));
    });
    expect(await rejection(socket.request({ type: GET, flags: NLM_F_DUMP }))).toMatchObject({
      code: "ENOMEM",
    });
  });

  test.each(["item", "end"])(
    "rejects as interrupted, after everything was shown, where its %s says so",
    async (where) => {
      const { socket } = await openMemorySocket((request) => {
        replyNumber(request, 1, NLM_F_MULTI | (where === "item" ? NLM_F_DUMP_INTR : 0));
        replyNumber(request, 2, NLM_F_MULTI);
        const flags = NLM_F_MULTI | (where === "end" ? NLM_F_DUMP_INTR : 0);
        request.reply(NLMSG_DONE, flags, (writer) => writer.uint32(0));
      });
      let visited = 0;
      const visit = (): void => {
        visited++;
      };
      const error = await rejection(socket.request({ type: GET, flags: NLM_F_DUMP }, { visit }));
      expect(error).toBeInstanceOf(DumpInterruptedError);
      expect(error).toMatchObject({ code: "ERR_DUMP_INTERRUPTED" });
      expect(visited).toBe(2);
    },
  );

  test("goes on after such a pause though the rest of it lies in frames already", async () => {
    const { socket, transport } = await openMemorySocket(
      (request) => {
        for (let value = 0; value < 520; value++) replyNumber(request, value, NLM_F_MULTI);
        request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
      },
      { receiveBuffer: 4_000_000 },
    );
    // Shifts the pause away from the end of a fill.
    transport.deliver(messageBytes({}));
    let visited = 0;
    const visit = (): void => {
      visited++;
    };
    await socket.request({ type: GET, flags: NLM_F_DUMP }, { visit });
    expect(visited).toBe(520);
  });

  test("of any length leaves the others of the event loop their turn", async () => {
    let turns = 0;
    const { socket } = await openMemorySocket(
      (request) => {
        for (let value = 0; value < 5000; value++) replyNumber(request, value, NLM_F_MULTI);
        request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
      },
      { receiveBuffer: 40_000_000 },
    );
    const atVisit: number[] = [];
    const visit = (): void => {
      atVisit.push(turns);
    };
    let running = true;
    const tick = (): void => {
      turns++;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    await socket.request({ type: GET, flags: NLM_F_DUMP }, { visit });
    running = false;
    expect(atVisit).toHaveLength(5000);
    expect(new Set(atVisit).size).toBeGreaterThanOrEqual(5);
  });
});

describe("a reply is taken from the kernel alone", () => {
  /** Answers a request with what `forge` makes, before the true acknowledgement. */
  async function answered(
    forge: (request: KernelRequest) => { bytes: Uint8Array; group?: number; senderPort?: number },
  ): Promise<{ visited: number; taken: number }> {
    const { socket } = await openMemorySocket((request) => {
      const { bytes, ...source } = forge(request);
      request.transport.deliver(bytes, source);
    });
    let visited = 0;
    const visit = (): void => {
      visited++;
    };
    await socket.request({ type: GET }, { visit });
    return { visited, taken: takeAll(socket).length };
  }

  test("and not from another port", async () => {
    const outcome = await answered(({ message: { sequence, portId } }) => ({
      bytes: acknowledgement({ sequence, portId, errno: -1 }),
      senderPort: 4711,
    }));
    expect(outcome).toEqual({ visited: 0, taken: 1 });
  });

  test("and not with another sequence number", async () => {
    const outcome = await answered(({ message: { sequence, portId } }) => ({
      bytes: acknowledgement({ sequence: sequence + 1, portId, errno: -1 }),
    }));
    expect(outcome).toEqual({ visited: 0, taken: 1 });
  });

  test("and not for another port", async () => {
    const outcome = await answered(({ message: { sequence, portId } }) => ({
      bytes: acknowledgement({ sequence, portId: portId + 1, errno: -1 }),
    }));
    expect(outcome).toEqual({ visited: 0, taken: 1 });
  });

  test("and not by multicast, though an event carries the numbers of the request that caused it", async () => {
    const outcome = await answered(({ message: { sequence, portId } }) => ({
      bytes: messageBytes({ type: ITEM, sequence, portId }),
      group: 5,
    }));
    expect(outcome).toEqual({ visited: 0, taken: 1 });
  });

  test("and a late one reaches the reader as any other message", async () => {
    let sequence = 0;
    const { socket, transport } = await openMemorySocket(({ message }) => {
      sequence = message.sequence;
    });
    await socket.request({ type: GET });
    transport.deliver(acknowledgement({ sequence, portId: socket.portId }));
    await until(() => takeAll(socket).length === 1);
  });
});
