import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NativeSocket } from "../dist/index.js";
import {
  type MappedSocket,
  mapped,
  message,
  NETLINK_USERSOCK,
  native,
  pattern,
  thrownBy,
} from "./sandbox.js";

/** struct sock_filter: code, jt, jf, k; 8 bytes in host byte order. */
function program(...instructions: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  instructions.forEach(([code, jumpTrue, jumpFalse, operand], index) => {
    new Uint16Array(bytes.buffer, index * 8, 1)[0] = code;
    bytes.set([jumpTrue, jumpFalse], index * 8 + 2);
    new Uint32Array(bytes.buffer, index * 8 + 4, 1)[0] = operand;
  });
  return bytes;
}

const LOAD_BYTE = 0x30;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const ALL = 0xffff_ffff;
/** Messages whose first byte of payload is `value`. */
const startingWith = (value: number): Uint8Array =>
  program([LOAD_BYTE, 0, 0, 16], [JUMP_EQUAL, 0, 1, value], [RETURN, 0, 0, ALL], [RETURN, 0, 0, 0]);

let receiver: MappedSocket;
let sender: NativeSocket;

beforeEach(() => {
  receiver = mapped(NETLINK_USERSOCK);
  sender = new native.Socket(NETLINK_USERSOCK);
  sender.bind(0, 0);
});

afterEach(() => {
  receiver.socket.close();
  sender.close();
});

/** The first bytes of the payloads that arrive of what is sent. */
function arriving(...values: readonly number[]): number[] {
  for (const value of values) sender.send(message(100, 0, 0, pattern(4, value)), receiver.port);
  const first = receiver.rx.statuses().indexOf(0);
  const filled = receiver.socket.fill(16);
  return Array.from({ length: filled }, (_, index) => receiver.rx.payload(first + index)[16] ?? -1);
}

describe("a filter", () => {
  test("lets through what its program accepts, and all once it is taken away", () => {
    receiver.socket.attachFilter(startingWith(2));
    expect(arriving(1, 2, 3, 2)).toEqual([2, 2]);
    receiver.socket.attachFilter(startingWith(3));
    expect(arriving(1, 2, 3)).toEqual([3]);
    receiver.socket.detachFilter();
    expect(arriving(1, 2, 3)).toEqual([1, 2, 3]);
  });

  test("is taken away twice without complaint", () => {
    receiver.socket.detachFilter();
    receiver.socket.attachFilter(startingWith(2));
    receiver.socket.detachFilter();
    receiver.socket.detachFilter();
    expect(arriving(1)).toEqual([1]);
  });

  test("that returns fewer bytes cuts the message", () => {
    receiver.socket.attachFilter(program([RETURN, 0, 0, 18]));
    arriving(1);
    expect(receiver.rx.header(0).length).toBe(18);
  });

  test("lies at any address", () => {
    const bytes = new Uint8Array(4 * 8 + 1);
    bytes.set(startingWith(2), 1);
    receiver.socket.attachFilter(bytes.subarray(1));
    expect(arriving(1, 2)).toEqual([2]);
  });

  test.each([
    ["an empty program", program()],
    ["one that does not return", program([LOAD_BYTE, 0, 0, 0])],
    ["one that jumps out of itself", program([JUMP_EQUAL, 1, 0, 0], [RETURN, 0, 0, 0])],
    ["one with an unknown code", program([0xffff, 0, 0, 0], [RETURN, 0, 0, 0])],
    ["one of 4,097 instructions", program(...Array.from({ length: 4097 }, () => [RETURN, 0, 0, 0] as const))],
  ])("%s is the kernel's EINVAL, and changes nothing", (_, wrong) => {
    receiver.socket.attachFilter(startingWith(2));
    expect(thrownBy(() => receiver.socket.attachFilter(wrong))).toMatchObject({
      code: "EINVAL",
      errno: -22,
      syscall: "setsockopt",
      option: "SO_ATTACH_FILTER",
    });
    expect(arriving(1, 2)).toEqual([2]);
  });

  test("must be whole instructions, no more than the call can name", () => {
    const refused = (bytes: unknown): unknown =>
      thrownBy(() => Reflect.apply(receiver.socket.attachFilter, receiver.socket, [bytes]))["code"];
    expect(refused(new Uint8Array(7))).toBe("ERR_OUT_OF_RANGE");
    expect(refused(new Uint8Array(65_536 * 8))).toBe("ERR_OUT_OF_RANGE");
    expect(refused([6, 0, 0, 0])).toBe("ERR_INVALID_ARG_TYPE");
  });

  test("of a closed socket is ERR_SOCKET_CLOSED", () => {
    receiver.socket.close();
    expect(thrownBy(() => receiver.socket.attachFilter(startingWith(1)))["code"]).toBe("ERR_SOCKET_CLOSED");
    expect(thrownBy(() => receiver.socket.detachFilter())["code"]).toBe("ERR_SOCKET_CLOSED");
  });
});
