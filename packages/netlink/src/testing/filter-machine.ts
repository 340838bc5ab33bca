import { align, HOST_IS_LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from "../abi.js";
import {
  ANCILLARY,
  ANCILLARY_ATTRIBUTE,
  ANCILLARY_NESTED_ATTRIBUTE,
  type DecodedInstruction,
  Operation,
  SCRATCH_WORDS,
  WITH_INDEX,
} from "./filter-program.js";

/** SKF_NET_OFF (include/uapi/linux/filter.h): offsets from the network header, which a netlink message has at its start. */
const NETWORK_HEADER = 0xfff0_0000;

/** Runs a valid classic BPF program over messages, as a netlink socket's SO_ATTACH_FILTER does. */
export class FilterMachine {
  readonly #program: readonly DecodedInstruction[];
  readonly #scratch = new Uint32Array(SCRATCH_WORDS);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #accumulator = 0;
  #index = 0;

  constructor(program: readonly DecodedInstruction[]) {
    this.#program = program;
  }

  /** Bytes of the message to keep, 0 where it is refused; a load from outside the message and a division by 0 refuse it. */
  run(message: Uint8Array): number {
    this.#view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    this.#accumulator = 0;
    this.#index = 0;
    for (let counter = 0; ; counter++) {
      const instruction = this.#program[counter];
      if (instruction === undefined) return 0;
      const { code, operand } = instruction;
      if (code === Operation.returnConstant) return operand;
      if (code === Operation.returnAccumulator) return this.#accumulator;
      // The low three bits are the class: 5 jumps, 4 computes.
      const group = code & 7;
      if (group === 5) counter += this.#jump(instruction);
      else if (!(group === 4 ? this.#compute(code, operand) : this.#move(code, operand))) return 0;
    }
  }

  /** Instructions to pass over. */
  #jump({ code, jumpTrue, jumpFalse, operand }: DecodedInstruction): number {
    if (code === Operation.jumpAlways) return operand;
    const left = this.#accumulator;
    const right = (code & WITH_INDEX) === 0 ? operand : this.#index;
    return holds(code & ~WITH_INDEX, left, right) ? jumpTrue : jumpFalse;
  }

  /** False where the program ends. */
  #compute(code: number, operand: number): boolean {
    const left = this.#accumulator;
    const right = (code & WITH_INDEX) === 0 ? operand : this.#index;
    const result = computed(code & ~WITH_INDEX, left, right);
    if (result === undefined) return false;
    this.#accumulator = result >>> 0;
    return true;
  }

  /** Loads, stores and copies; false where the program ends. */
  #move(code: number, operand: number): boolean {
    switch (code) {
      case Operation.loadConstant:
        this.#accumulator = operand;
        return true;
      case Operation.loadScratch:
        this.#accumulator = this.#scratch[operand] ?? 0;
        return true;
      case Operation.loadLength:
        this.#accumulator = this.#view.byteLength;
        return true;
      case Operation.loadIndexConstant:
        this.#index = operand;
        return true;
      case Operation.loadIndexScratch:
        this.#index = this.#scratch[operand] ?? 0;
        return true;
      case Operation.loadIndexLength:
        this.#index = this.#view.byteLength;
        return true;
      case Operation.storeScratch:
        this.#scratch[operand] = this.#accumulator;
        return true;
      case Operation.storeIndexScratch:
        this.#scratch[operand] = this.#index;
        return true;
      case Operation.copyToIndex:
        this.#index = this.#accumulator;
        return true;
      case Operation.copyFromIndex:
        this.#accumulator = this.#index;
        return true;
      default:
        return this.#load(code, operand);
    }
  }

  #load(code: number, operand: number): boolean {
    switch (code) {
      case Operation.loadWord:
        return operand >= ANCILLARY ? this.#loadAncillary(operand) : this.#loadBytes(operand, 4);
      case Operation.loadHalf:
        return operand >= ANCILLARY ? this.#loadAncillary(operand) : this.#loadBytes(operand, 2);
      case Operation.loadByte:
        return operand >= ANCILLARY ? this.#loadAncillary(operand) : this.#loadBytes(operand, 1);
      case Operation.loadWordIndexed:
        return this.#loadBytes((this.#index + operand) >>> 0, 4);
      case Operation.loadHalfIndexed:
        return this.#loadBytes((this.#index + operand) >>> 0, 2);
      case Operation.loadByteIndexed:
        return this.#loadBytes((this.#index + operand) >>> 0, 1);
      default: {
        // loadIndexHeaderLength: the accumulator stays as it is.
        const accumulator = this.#accumulator;
        const loaded = this.#loadBytes(operand, 1);
        this.#index = (this.#accumulator & 0x0f) << 2;
        this.#accumulator = accumulator;
        return loaded;
      }
    }
  }

  /** In network byte order, whatever order the message is in. */
  #loadBytes(offset: number, size: 1 | 2 | 4): boolean {
    const view = this.#view;
    const at = offset >= NETWORK_HEADER ? offset - NETWORK_HEADER : offset;
    if (at + size > view.byteLength) return false;
    if (size === 4) this.#accumulator = view.getUint32(at);
    else this.#accumulator = size === 2 ? view.getUint16(at) : view.getUint8(at);
    return true;
  }

  #loadAncillary(operand: number): boolean {
    if (operand === ANCILLARY_ATTRIBUTE) this.#accumulator = this.#findAttribute();
    else if (operand === ANCILLARY_NESTED_ATTRIBUTE) this.#accumulator = this.#findNestedAttribute();
    else this.#accumulator = (this.#accumulator ^ this.#index) >>> 0;
    return true;
  }

  /** Offset of the attribute of the type in the index register among those from the accumulator on; 0 for none. */
  #findAttribute(): number {
    const { byteLength } = this.#view;
    return this.#accumulator > byteLength - NLA_HDRLEN ? 0 : this.#find(this.#accumulator, byteLength);
  }

  /** The same among those nested in the attribute at the accumulator. */
  #findNestedAttribute(): number {
    const { byteLength } = this.#view;
    const offset = this.#accumulator;
    if (offset > byteLength - NLA_HDRLEN) return 0;
    const length = this.#view.getUint16(offset, HOST_IS_LITTLE_ENDIAN);
    return length > byteLength - offset ? 0 : this.#find(offset + NLA_HDRLEN, offset + length);
  }

  #find(start: number, end: number): number {
    for (let offset = start; end - offset >= NLA_HDRLEN; ) {
      const length = this.#view.getUint16(offset, HOST_IS_LITTLE_ENDIAN);
      if (length < NLA_HDRLEN || length > end - offset) return 0;
      const type = this.#view.getUint16(offset + 2, HOST_IS_LITTLE_ENDIAN) & NLA_TYPE_MASK;
      if (type === this.#index) return offset;
      offset += align(length);
    }
    return 0;
  }
}

function holds(code: number, left: number, right: number): boolean {
  if (code === Operation.jumpEqual) return left === right;
  if (code === Operation.jumpGreater) return left > right;
  if (code === Operation.jumpGreaterOrEqual) return left >= right;
  return (left & right) !== 0;
}

/** Undefined for a division by 0. */
function computed(code: number, left: number, right: number): number | undefined {
  switch (code) {
    case Operation.add:
      return left + right;
    case Operation.subtract:
      return left - right;
    case Operation.multiply:
      return Math.imul(left, right);
    case Operation.divide:
      return right === 0 ? undefined : Math.floor(left / right);
    case Operation.remainder:
      return right === 0 ? undefined : left % right;
    case Operation.or:
      return left | right;
    case Operation.and:
      return left & right;
    case Operation.exclusiveOr:
      return left ^ right;
    case Operation.shiftLeft:
      return left << right;
    case Operation.shiftRight:
      return left >>> right;
    default:
      return -left;
  }
}
