import { EncodeError } from "../errors.js";

/** BPF_MAXINSNS of include/uapi/linux/bpf_common.h. */
const MOST_INSTRUCTIONS = 4096;

/** What may be wrong with a program that the kernel refuses. */
export const WRONG_FILTER: string =
  "the filter is no valid program: look for a code the kernel does not know, a jump that leaves the program, scratch memory that is read " +
  "before it is written, a division by 0, and a last instruction that does not return";

/** Bytes of struct sock_filter: code (16 bits), jump if true, jump if false (8 bits each), operand (32 bits), in host byte order. */
export const INSTRUCTION_LENGTH = 8;

/**
 * One instruction of a classic BPF program (struct sock_filter, include/uapi/linux/filter.h; the codes are in
 * include/uapi/linux/bpf_common.h). What is left out is 0.
 */
export interface FilterInstruction {
  /** What to do: class, size or operation, and mode; 16 bits. */
  readonly code: number;
  /** Instructions to pass over where a comparison holds; 0 to 255. */
  readonly jumpTrue?: number | undefined;
  /** Instructions to pass over where it does not. */
  readonly jumpFalse?: number | undefined;
  /** The constant `k`: a value, an offset in bytes or instructions; 32 bits, where a negative number stands for its two's complement. */
  readonly operand?: number | undefined;
}

/** The program as the kernel takes it. Throws EncodeError where a number does not fit its field, or there are too many instructions. */
export function encodeFilter(program: readonly FilterInstruction[]): Uint8Array {
  if (program.length > MOST_INSTRUCTIONS) {
    throw new EncodeError(
      `a filter of ${program.length} instructions: the kernel takes ${MOST_INSTRUCTIONS} at the most, so make it shorter`,
    );
  }
  const bytes = new Uint8Array(program.length * INSTRUCTION_LENGTH);
  const halves = new Uint16Array(bytes.buffer);
  const words = new Uint32Array(bytes.buffer);
  program.forEach(({ code, jumpTrue = 0, jumpFalse = 0, operand = 0 }, index) => {
    const check = (name: string, value: number, minimum: number, maximum: number): number => {
      if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
      throw new EncodeError(
        `instruction ${index} of the filter: ${name} is ${value}, and goes from ${minimum} to ${maximum}`,
      );
    };
    const at = index * INSTRUCTION_LENGTH;
    halves[at / 2] = check("code", code, 0, 0xffff);
    bytes[at + 2] = check("jumpTrue", jumpTrue, 0, 0xff);
    bytes[at + 3] = check("jumpFalse", jumpFalse, 0, 0xff);
    words[at / 4 + 1] = check("operand", operand, -0x8000_0000, 0xffff_ffff);
  });
  return bytes;
}
