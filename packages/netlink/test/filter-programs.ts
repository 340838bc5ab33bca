import { HOST_IS_LITTLE_ENDIAN } from "../src/abi.js";
import type { FilterInstruction } from "../src/transport/filter.js";

// include/uapi/linux/bpf_common.h
export const LOAD = 0x20;
export const LOAD_HALF = 0x28;
export const LOAD_BYTE = 0x30;
export const STORE = 0x02;
export const JUMP = 0x05;
export const JUMP_EQUAL = 0x15;
export const GREATER = 0x25;
export const AND = 0x54;
export const RETURN = 0x06;

/** Instructions as code, operand, and the two jumps. */
export function program(
  ...instructions: readonly (readonly [number, number, number?, number?])[]
): FilterInstruction[] {
  return instructions.map(([code, operand, jumpTrue, jumpFalse]) => ({ code, operand, jumpTrue, jumpFalse }));
}

/** Accepts messages of these types: nlmsg_type is in host byte order, and a load in the network's. */
export function typeIs(...types: readonly number[]): FilterInstruction[] {
  const swapped = (type: number): number =>
    HOST_IS_LITTLE_ENDIAN ? ((type & 0xff) << 8) | (type >> 8) : type;
  return program(
    [LOAD_HALF, 4],
    ...types.map((type, index) => [JUMP_EQUAL, swapped(type), types.length - index, 0] as const),
    [RETURN, 0],
    [RETURN, 0xffff_ffff],
  );
}
