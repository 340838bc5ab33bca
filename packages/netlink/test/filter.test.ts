import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EncodeError, SystemError } from "../src/errors.js";
import { NetlinkSocket } from "../src/socket.js";
import { FakeKernel } from "../src/testing/index.js";
import { encodeFilter, type FilterInstruction } from "../src/transport/filter.js";
import {
  AND,
  GREATER,
  JUMP,
  JUMP_EQUAL,
  LOAD,
  LOAD_BYTE,
  LOAD_HALF,
  program,
  RETURN,
  STORE,
  typeIs,
} from "./filter-programs.js";
import { messageBytes, openMemorySocket, PROTOCOL, pattern, takeAll } from "./memory-socket.js";

const PAYLOAD = 16;

describe("a filter's program", () => {
  test("is written as struct sock_filter, and what is left out is 0", () => {
    const bytes = encodeFilter([
      { code: 0x1234, jumpTrue: 5, jumpFalse: 6, operand: 0x789a_bcde },
      { code: 6 },
      { code: 0, operand: -4096 },
    ]);
    expect([...new Uint16Array(bytes.buffer, 0, 1), ...bytes.subarray(2, 4)]).toEqual([0x1234, 5, 6]);
    expect([...new Uint32Array(bytes.buffer)].filter((_, index) => index % 2 === 1)).toEqual([
      0x789a_bcde, 0, 0xffff_f000,
    ]);
    expect([...bytes.subarray(10, 16)]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test.each([
    ["code", { code: 0x1_0000 }],
    ["code", { code: -1 }],
    ["jumpTrue", { code: 5, jumpTrue: 256 }],
    ["jumpFalse", { code: 5, jumpFalse: 1.5 }],
    ["operand", { code: 0, operand: 2 ** 32 }],
    ["operand", { code: 0, operand: -(2 ** 31) - 1 }],
    ["operand", { code: 0, operand: Number.NaN }],
  ])("with a wrong %s is refused by its instruction", (name, wrong) => {
    const encode = (): unknown => encodeFilter([{ code: 6 }, wrong]);
    expect(encode).toThrow(EncodeError);
    expect(encode).toThrow(`instruction 1 of the filter: ${name}`);
  });

  test("has 4,096 instructions at the most", () => {
    const of = (length: number): FilterInstruction[] => Array.from({ length }, () => ({ code: 6 }));
    expect(encodeFilter(of(4096))).toHaveLength(32_768);
    expect(() => encodeFilter(of(4097))).toThrow(EncodeError);
  });
});

describe("a socket in memory with a filter", () => {
  test("gets what the program accepts, from the first message on", async () => {
    const { socket, transport, kernel } = await openMemorySocket(() => {}, { filter: typeIs(7) });
    expect([6, 7, 8].map((type) => transport.deliver(messageBytes({ type })))).toEqual([false, true, false]);
    socket.addMembership(3);
    expect(kernel.multicast(3, 7)).toBe(1);
    expect(kernel.multicast(3, 8)).toBe(0);
    expect(takeAll(socket).map((message) => message.type)).toEqual([7, 7]);
    expect(socket.statistics).toMatchObject({ drops: 0, overruns: 0 });
  });

  test("gets another program's, and everything once it is cleared", async () => {
    const { socket, transport } = await openMemorySocket();
    const deliver = (): void => {
      for (const type of [6, 7, 8]) transport.deliver(messageBytes({ type }));
    };
    const types = (): number[] =>
      takeAll(socket).map((message) => {
        message.release();
        return message.type;
      });
    socket.setFilter(typeIs(7));
    deliver();
    expect(types()).toEqual([7]);
    socket.setFilter(typeIs(8));
    deliver();
    expect(types()).toEqual([8]);
    socket.clearFilter();
    socket.clearFilter();
    deliver();
    expect(types()).toEqual([6, 7, 8]);
  });

  test("loses answers that the program refuses", async () => {
    const { socket } = await openMemorySocket(() => {}, { filter: typeIs(7) });
    await expect(socket.request({ type: 7 })).rejects.toMatchObject({ code: "ERR_REPLY_LOST" });
    socket.setFilter(typeIs(2));
    await socket.request({ type: 7 });
  });

  test("keeps the program it has when another is wrong", async () => {
    const { socket, transport } = await openMemorySocket(() => {}, { filter: typeIs(7) });
    const set = (): void => socket.setFilter([{ code: RETURN }, { code: 0xffff }]);
    expect(set).toThrow(SystemError);
    expect(set).toThrow("setsockopt SO_ATTACH_FILTER: EINVAL; the filter is no valid program");
    expect(transport.deliver(messageBytes({ type: 6 }))).toBe(false);
    expect(transport.deliver(messageBytes({ type: 7 }))).toBe(true);
  });

  test("is not opened with a wrong one", async () => {
    await expect(openMemorySocket(() => {}, { filter: [] })).rejects.toMatchObject({ code: "EINVAL" });
  });

  test("takes no other once it is closed", async () => {
    const { socket } = await openMemorySocket();
    await socket.close();
    expect(() => socket.setFilter(typeIs(7))).toThrow("closed");
    expect(() => socket.clearFilter()).toThrow("closed");
  });

  test("has it in a mapped ring too, where a refused answer leaves an empty frame", async () => {
    const kernel = new FakeKernel(() => {}, { mapped: "from-4.3" });
    const socket = await NetlinkSocket.open(PROTOCOL, { transport: kernel, filter: typeIs(7) });
    socket.addMembership(3);
    expect([kernel.multicast(3, 6), kernel.multicast(3, 7)]).toEqual([0, 1]);
    await expect(socket.request({ type: 7 })).rejects.toMatchObject({ code: "ERR_REPLY_LOST" });
    socket.setFilter(typeIs(2));
    await socket.request({ type: 7 });
    expect(takeAll(socket).map((message) => message.type)).toEqual([7]);
    await socket.close();
  });

  test("has messages cut to what the program returns", async () => {
    const { socket, transport } = await openMemorySocket(() => {}, { filter: program([RETURN, 18]) });
    transport.deliver(messageBytes({ payload: pattern(8) }));
    expect(takeAll(socket)).toEqual([]);
    expect(socket.statistics.malformed).toBe(1);
  });
});

describe("classic BPF", () => {
  async function accepts(filter: readonly FilterInstruction[], payload = pattern(32)): Promise<boolean> {
    const { socket, transport } = await openMemorySocket(() => {}, { filter });
    const accepted = transport.deliver(messageBytes({ payload }));
    await socket.close();
    return accepted;
  }

  test("loads in network byte order", async () => {
    const payload = Uint8Array.of(0x12, 0x34, 0x56, 0x78);
    const equal = (load: number, value: number): Promise<boolean> =>
      accepts(
        program([load, PAYLOAD], [JUMP_EQUAL, value, 0, 1], [RETURN, 0xffff_ffff], [RETURN, 0]),
        payload,
      );
    expect(await equal(LOAD, 0x1234_5678)).toBe(true);
    expect(await equal(LOAD_HALF, 0x1234)).toBe(true);
    expect(await equal(LOAD_BYTE, 0x12)).toBe(true);
  });

  test("refuses a message that ends before a load does", async () => {
    const load = program([LOAD, PAYLOAD + 1], [RETURN, 0xffff_ffff]);
    expect(await accepts(load, pattern(5))).toBe(true);
    expect(await accepts(load, pattern(4))).toBe(false);
  });

  test.each([
    ["no instruction", program()],
    ["a last instruction that does not return", program([RETURN, 1], [LOAD, 0])],
    ["a jump behind the end", program([JUMP, 1], [RETURN, 1])],
    ["a jump so far that it wraps", program([JUMP, 0xffff_ffff], [RETURN, 1])],
    ["a branch behind the end", program([JUMP_EQUAL, 0, 0, 1], [RETURN, 1])],
    ["a division by 0", program([0x34, 0], [RETURN, 1])],
    ["a remainder of 0", program([0x94, 0], [RETURN, 1])],
    ["a shift by 32", program([0x64, 32], [RETURN, 1])],
    ["scratch memory that there is not", program([STORE, 16], [RETURN, 1])],
    ["scratch memory that was not written", program([0x60, 3], [RETURN, 1])],
    [
      "scratch memory that was written on one of two ways",
      program([JUMP_EQUAL, 0, 1, 0], [STORE, 3], [0x60, 3], [RETURN, 1]),
    ],
    ["an ancillary load that there is not", program([LOAD, 0xffff_ff00], [RETURN, 1])],
  ])("refuses %s", async (_, wrong) => {
    await expect(accepts(wrong)).rejects.toMatchObject({ code: "EINVAL", syscall: "setsockopt" });
  });

  test("takes scratch memory that both ways have written", async () => {
    const both = program(
      [JUMP_EQUAL, 0, 2, 0],
      [STORE, 3],
      [JUMP, 1],
      [STORE, 3],
      [0x60, 3],
      [RETURN, 0xffff_ffff],
    );
    expect(await accepts(both)).toBe(true);
  });

  test("compares without signs", async () => {
    const greater = program([0, -1], [GREATER, 1, 0, 1], [RETURN, 0xffff_ffff], [RETURN, 0]);
    expect(await accepts(greater)).toBe(true);
    expect(await accepts(program([0, -1], [AND, 0], [GREATER, 1, 0, 1], [RETURN, 1], [RETURN, 0]))).toBe(
      false,
    );
  });

  test("never reads outside the message, whatever the program", async () => {
    const { transport } = await openMemorySocket();
    fc.assert(
      fc.property(
        fc.constantFrom(0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1),
        fc.integer({ min: -0x8000_0000, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (load, operand, index) => {
          try {
            transport.setFilter(program([1, index], [load, operand], [RETURN, 0xffff_ffff]));
          } catch (error) {
            expect(error).toMatchObject({ code: "EINVAL" });
            return;
          }
          transport.deliver(messageBytes({ payload: pattern(8) }));
        },
      ),
    );
  });
});
