import { INSTRUCTION_LENGTH } from "../transport/filter.js";

/** Words of scratch memory (BPF_MEMWORDS of include/uapi/linux/filter.h). */
export const SCRATCH_WORDS = 16;

/** Codes of classic BPF, each put together as the kernel puts them together (include/uapi/linux/bpf_common.h). */
export const Operation = {
  /** BPF_LD: loads of the accumulator, from the message at an offset, or at an offset beyond the index register. */
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  loadWordIndexed: 0x40,
  loadHalfIndexed: 0x48,
  loadByteIndexed: 0x50,
  loadConstant: 0x00,
  loadScratch: 0x60,
  loadLength: 0x80,
  /** BPF_LDX: loads of the index register. The last takes four times the low half of a byte of the message. */
  loadIndexConstant: 0x01,
  loadIndexScratch: 0x61,
  loadIndexLength: 0x81,
  loadIndexHeaderLength: 0xb1,
  /** BPF_ST and BPF_STX: the accumulator or the index register into scratch memory. */
  storeScratch: 0x02,
  storeIndexScratch: 0x03,
  /** BPF_JMP; the three-way ones compare with the operand, or with the index register where `withIndex` is added. */
  jumpAlways: 0x05,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpGreaterOrEqual: 0x35,
  jumpAnyBit: 0x45,
  /** BPF_ALU; with the operand, or with the index register where `withIndex` is added. */
  add: 0x04,
  subtract: 0x14,
  multiply: 0x24,
  divide: 0x34,
  or: 0x44,
  and: 0x54,
  shiftLeft: 0x64,
  shiftRight: 0x74,
  negate: 0x84,
  remainder: 0x94,
  exclusiveOr: 0xa4,
  /** BPF_RET. */
  returnConstant: 0x06,
  returnAccumulator: 0x16,
  /** BPF_MISC. */
  copyToIndex: 0x07,
  copyFromIndex: 0x87,
} as const;

/** BPF_X. */
export const WITH_INDEX = 0x08;

const { jumpEqual, jumpGreater, jumpGreaterOrEqual, jumpAnyBit } = Operation;
const CONDITIONS: readonly number[] = [jumpEqual, jumpGreater, jumpGreaterOrEqual, jumpAnyBit];
const TWO_OPERANDS: readonly number[] = [
  ...CONDITIONS,
  Operation.add,
  Operation.subtract,
  Operation.multiply,
  Operation.divide,
  Operation.or,
  Operation.and,
  Operation.shiftLeft,
  Operation.shiftRight,
  Operation.remainder,
  Operation.exclusiveOr,
];
const KNOWN: ReadonlySet<number> = new Set([
  ...Object.values(Operation),
  ...TWO_OPERANDS.map((code) => code | WITH_INDEX),
]);
const CONDITIONAL: ReadonlySet<number> = new Set([
  ...CONDITIONS,
  ...CONDITIONS.map((code) => code | WITH_INDEX),
]);
const STORES: ReadonlySet<number> = new Set([Operation.storeScratch, Operation.storeIndexScratch]);
const SCRATCH_LOADS: ReadonlySet<number> = new Set([Operation.loadScratch, Operation.loadIndexScratch]);
const MESSAGE_LOADS: ReadonlySet<number> = new Set([
  Operation.loadWord,
  Operation.loadHalf,
  Operation.loadByte,
]);

/** SKF_AD_OFF: loads from here up give no bytes of the message, but what the kernel knows or finds in it. */
export const ANCILLARY = 0xffff_f000;
/** SKF_AD_NLATTR, SKF_AD_NLATTR_NEST and SKF_AD_ALU_XOR_X. */
export const ANCILLARY_ATTRIBUTE = 0xffff_f00c;
export const ANCILLARY_NESTED_ATTRIBUTE = 0xffff_f010;
export const ANCILLARY_EXCLUSIVE_OR = 0xffff_f028;
const ANCILLARIES: readonly number[] = [
  ANCILLARY_ATTRIBUTE,
  ANCILLARY_NESTED_ATTRIBUTE,
  ANCILLARY_EXCLUSIVE_OR,
];

export interface DecodedInstruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

/** The instructions of an encoded program, in which every number is unsigned. */
export function decodeFilter(program: Uint8Array): DecodedInstruction[] {
  const copy = program.slice();
  const halves = new Uint16Array(copy.buffer);
  const words = new Uint32Array(copy.buffer);
  return Array.from({ length: copy.length / INSTRUCTION_LENGTH }, (_, index) => ({
    code: halves[index * 4] ?? 0,
    jumpTrue: copy[index * INSTRUCTION_LENGTH + 2] ?? 0,
    jumpFalse: copy[index * INSTRUCTION_LENGTH + 3] ?? 0,
    operand: words[index * 2 + 1] ?? 0,
  }));
}

/**
 * True where the kernel takes the program: it ends by returning, jumps forward inside itself, divides by no constant 0 and reads scratch
 * memory only where every way there has written it. Of the ancillary loads it knows those that depend on the message alone.
 */
export function isValidFilter(program: readonly DecodedInstruction[]): boolean {
  const last = program.at(-1)?.code;
  if (last !== Operation.returnConstant && last !== Operation.returnAccumulator) return false;
  return (
    program.every((instruction, index) => isValidInstruction(instruction, program.length - index - 1)) &&
    readsWrittenScratch(program)
  );
}

/** @param following how many instructions come behind it */
function isValidInstruction(
  { code, jumpTrue, jumpFalse, operand }: DecodedInstruction,
  following: number,
): boolean {
  if (!KNOWN.has(code)) return false;
  if (CONDITIONAL.has(code)) return jumpTrue < following && jumpFalse < following;
  if (code === Operation.jumpAlways) return operand < following;
  if (code === Operation.divide || code === Operation.remainder) return operand !== 0;
  if (code === Operation.shiftLeft || code === Operation.shiftRight) return operand < 32;
  if (STORES.has(code) || SCRATCH_LOADS.has(code)) return operand < SCRATCH_WORDS;
  if (MESSAGE_LOADS.has(code)) return operand < ANCILLARY || ANCILLARIES.includes(operand);
  return true;
}

/** Jumps go forward only, so one pass sees every way to an instruction before it: a bit for each word that all of them have written. */
function readsWrittenScratch(program: readonly DecodedInstruction[]): boolean {
  const ALL = 0xffff;
  const atEntry = new Uint16Array(program.length).fill(ALL);
  let written = 0;
  const reach = (index: number): void => {
    atEntry[index] = (atEntry[index] ?? 0) & written;
  };
  for (const [index, { code, jumpTrue, jumpFalse, operand }] of program.entries()) {
    written &= atEntry[index] ?? 0;
    if (STORES.has(code)) written |= 1 << operand;
    else if (SCRATCH_LOADS.has(code) && (written & (1 << operand)) === 0) return false;
    else if (code === Operation.jumpAlways) {
      reach(index + 1 + operand);
      written = ALL;
    } else if (CONDITIONAL.has(code)) {
      reach(index + 1 + jumpTrue);
      reach(index + 1 + jumpFalse);
      written = ALL;
    }
  }
  return true;
}
