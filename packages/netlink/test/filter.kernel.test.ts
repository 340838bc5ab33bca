import { type FilterInstruction, NETLINK_USERSOCK, NetlinkSocket, SystemError } from "@nlring/netlink";
import { MemoryTransport } from "@nlring/netlink/testing";
import { planRing } from "@nlring/ring-core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { program, RETURN, typeIs } from "./filter-programs.js";
import { messageBytes, takeAll } from "./memory-socket.js";
import { PeerSocket } from "./peer-socket.js";

let peer: PeerSocket;
let socket: NetlinkSocket;

beforeEach(async () => {
  peer = new PeerSocket(NETLINK_USERSOCK);
  socket = await NetlinkSocket.open(NETLINK_USERSOCK);
});

afterEach(async () => {
  peer.close();
  await socket.close();
});

/** The types of what arrives of one message of each. */
function arriving(...types: readonly number[]): number[] {
  for (const type of types) peer.send(messageBytes({ type }), socket.portId);
  return takeAll(socket).map((message) => {
    message.release();
    return message.type;
  });
}

describe("a filter", () => {
  test("lets the wanted types arrive, and all once it is cleared", () => {
    socket.setFilter(typeIs(101, 300));
    expect(arriving(100, 101, 102, 300)).toEqual([101, 300]);
    socket.setFilter(typeIs(102));
    expect(arriving(100, 101, 102)).toEqual([102]);
    socket.clearFilter();
    socket.clearFilter();
    expect(arriving(100, 101, 102)).toEqual([100, 101, 102]);
    expect(socket.statistics).toMatchObject({ overruns: 0, malformed: 0 });
  });

  test("that a socket is opened with is there from its first message on", async () => {
    await socket.close();
    socket = await NetlinkSocket.open(NETLINK_USERSOCK, { filter: typeIs(7) });
    expect(arriving(6, 7, 8)).toEqual([7]);
  });

  test("that is wrong is the kernel's EINVAL with advice, and the one before stays", async () => {
    socket.setFilter(typeIs(7));
    const wrong = program([RETURN, 0], [0xffff, 0]);
    expect(() => socket.setFilter(wrong)).toThrow(SystemError);
    expect(() => socket.setFilter(wrong)).toThrow(
      "setsockopt SO_ATTACH_FILTER: EINVAL; the filter is no valid",
    );
    expect(arriving(6, 7)).toEqual([7]);
    await expect(NetlinkSocket.open(NETLINK_USERSOCK, { filter: wrong })).rejects.toMatchObject({
      name: "SystemError",
      code: "EINVAL",
      errno: -22,
      syscall: "setsockopt",
    });
  });
});

describe("the memory transport's filter", () => {
  const ALL_CODES = Array.from({ length: 256 }, (_, code) => code);
  const OFFSETS = [0, 1, 4, 14, 16, 17, 19, 20, 24, 28, 30, 31, 32, 33];
  // SKF_AD_NLATTR, SKF_AD_NLATTR_NEST, SKF_AD_ALU_XOR_X, one that there is not, SKF_NET_OFF, SKF_LL_OFF
  const SPECIAL = [0xffff_f00c, 0xffff_f010, 0xffff_f028, 0xffff_ff00, 0xfff0_0004, 0xffe0_0004, 0xf000_0000];
  const VALID = [
    0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x05, 0x15,
    0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c,
    0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x06, 0x16, 0x07, 0x87,
  ];
  const operand = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...OFFSETS) },
    { weight: 2, arbitrary: fc.constantFrom(...SPECIAL) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff_ffff }) },
  );
  const instruction = fc.record({
    code: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(...VALID) },
      { weight: 1, arbitrary: fc.constantFrom(...ALL_CODES) },
    ),
    jumpTrue: fc.constantFrom(0, 0, 1, 2, 5),
    jumpFalse: fc.constantFrom(0, 0, 1, 3),
    operand,
  });
  /** Looks for an attribute of a type behind the message's header, as programs do that judge by one. */
  const search = fc
    .tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom(16, 20, 24, 28), fc.constantFrom(...SPECIAL))
    .map(([type, offset, load]) => [
      { code: 0x01, operand: type },
      { code: 0x00, operand: offset },
      { code: 0x20, operand: load },
    ]);
  const body = fc
    .array(
      fc.oneof({ weight: 4, arbitrary: instruction.map((one) => [one]) }, { weight: 1, arbitrary: search }),
      {
        maxLength: 12,
      },
    )
    .map((parts): FilterInstruction[] => parts.flat());
  const programs = fc
    .tuple(body, fc.boolean(), fc.constantFrom(0, 6, 12, 26))
    .map(([instructions, writesScratch, shift]): FilterInstruction[] => [
      ...Array.from({ length: writesScratch ? 16 : 0 }, (_, word) => ({
        code: 2 + (word & 1),
        operand: word,
      })),
      ...instructions,
      // Six bits of what was computed, so that they show in the length that is kept.
      { code: 0x74, operand: shift },
      { code: 0x54, operand: 0x3f },
      { code: 0x16 },
    ]);
  /** Headers of attributes one behind the other, with lengths that may take in the next ones and flags in their types. */
  const attributes = fc.array(
    fc.record({
      type: fc.integer({ min: 0, max: 4 }),
      flags: fc.constantFrom(0, 0, 0x8000, 0x4000),
      length: fc.oneof(fc.constantFrom(4, 5, 7, 8, 12), fc.integer({ min: 2, max: 20 })),
    }),
    { maxLength: 10 },
  );
  const payloads = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    attributes.map((list) => {
      const halves = new Uint16Array(list.length * 2);
      list.forEach(({ type, flags, length }, index) => {
        halves.set([length, type | flags], index * 2);
      });
      return new Uint8Array(halves.buffer);
    }),
  );

  interface Filtered {
    setFilter(program: readonly FilterInstruction[]): void;
    /** Bytes that arrive of a message. */
    kept(bytes: Uint8Array): number;
  }

  /** What a socket makes of the program and the messages. */
  function outcome(
    filtered: Filtered,
    filter: readonly FilterInstruction[],
    payloads: readonly Uint8Array[],
  ): readonly number[] | string {
    try {
      filtered.setFilter(filter);
    } catch (error) {
      if (error instanceof SystemError) return error.code;
      throw error;
    }
    return payloads.map((payload) => filtered.kept(messageBytes({ type: 100, payload })));
  }

  test("accepts, refuses and cuts what the kernel's does", () => {
    const ring = planRing({ frameSize: 4096, frameCount: 2 });
    const memory = new MemoryTransport(
      1,
      ring,
      ring,
      () => {},
      () => {},
    );
    const fake: Filtered = {
      setFilter: (filter) => memory.setFilter(filter),
      kept(bytes) {
        if (!memory.deliver(bytes)) return 0;
        memory.fill(1);
        const frame = memory.rx.next();
        const length = memory.rx.length(frame);
        memory.rx.release(frame);
        return length;
      },
    };
    const real: Filtered = {
      setFilter: (filter) => socket.setFilter(filter),
      kept(bytes) {
        const { malformed } = socket.statistics;
        const sent = peer.send(bytes, socket.portId);
        const messages = takeAll(socket);
        for (const message of messages) message.release();
        // One that was cut arrives, but is a message no more.
        return messages.length > 0 || socket.statistics.malformed > malformed ? sent : 0;
      },
    };
    const seen = new Set<number>();
    let valid = 0;
    fc.assert(
      fc.property(programs, fc.array(payloads, { minLength: 1, maxLength: 4 }), (filter, list) => {
        const expected = outcome(real, filter, list);
        if (typeof expected !== "string") {
          valid++;
          for (const length of expected) seen.add(length);
        }
        expect(outcome(fake, filter, list)).toEqual(expected);
      }),
      { numRuns: 4000 },
    );
    // Were most of them invalid, or without effect, nothing would have been compared.
    expect(valid).toBeGreaterThan(400);
    expect(seen.size).toBeGreaterThan(20);
  });
});
