import { HOST_IS_LITTLE_ENDIAN } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import { Fault, shown } from "./fault.js";
import { PayloadType, tooShort } from "./payload-type.js";

/** An integer of up to 32 bits. */
export class IntegerType extends PayloadType<number> {
  declare readonly size: number;
  readonly #signed: boolean;
  readonly #littleEndian: boolean;
  readonly #minimum: number;
  readonly #maximum: number;

  constructor(size: 1 | 2 | 4, signed: boolean, littleEndian: boolean) {
    super(size);
    this.#signed = signed;
    this.#littleEndian = littleEndian;
    this.#minimum = signed ? -(2 ** (size * 8 - 1)) : 0;
    this.#maximum = 2 ** (signed ? size * 8 - 1 : size * 8) - 1;
  }

  read(view: DataView, offset: number, length: number): number {
    const size = this.size;
    if (length < size) throw tooShort(length, size);
    // One class for all integers: a reader that meets many of them calls one function, which can be inlined.
    if (size === 4) {
      return this.#signed
        ? view.getInt32(offset, this.#littleEndian)
        : view.getUint32(offset, this.#littleEndian);
    }
    if (size === 1) return this.#signed ? view.getInt8(offset) : view.getUint8(offset);
    return this.#signed
      ? view.getInt16(offset, this.#littleEndian)
      : view.getUint16(offset, this.#littleEndian);
  }

  write(writer: MessageWriter, value: unknown): void {
    if (typeof value !== "number") throw new Fault(`a number is needed, not ${shown(value)}`);
    if (!Number.isInteger(value) || value < this.#minimum || value > this.#maximum) {
      throw new Fault(`${value} is no integer from ${this.#minimum} to ${this.#maximum}`);
    }
    // The writer keeps the low bits, which is two's complement for what is negative.
    const network = this.#littleEndian !== HOST_IS_LITTLE_ENDIAN;
    if (this.size === 1) writer.uint8(value);
    else if (this.size === 2) network ? writer.uint16Network(value) : writer.uint16(value);
    else network ? writer.uint32Network(value) : writer.uint32(value);
  }
}

/** An integer of 64 bits. */
export class BigIntegerType extends PayloadType<bigint> {
  readonly #signed: boolean;
  readonly #littleEndian: boolean;

  constructor(signed: boolean, littleEndian: boolean) {
    super(8);
    this.#signed = signed;
    this.#littleEndian = littleEndian;
  }

  read(view: DataView, offset: number, length: number): bigint {
    if (length < 8) throw tooShort(length, 8);
    return this.#signed
      ? view.getBigInt64(offset, this.#littleEndian)
      : view.getBigUint64(offset, this.#littleEndian);
  }

  write(writer: MessageWriter, value: unknown): void {
    if (typeof value !== "bigint") throw new Fault(`a bigint is needed, not ${shown(value)}`);
    const minimum = this.#signed ? -(2n ** 63n) : 0n;
    const maximum = this.#signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
    if (value < minimum || value > maximum) {
      throw new Fault(`${shown(value)} is no integer from ${minimum} to ${maximum}`);
    }
    if (this.#littleEndian === HOST_IS_LITTLE_ENDIAN) writer.uint64(BigInt.asUintN(64, value));
    else writer.uint64Network(BigInt.asUintN(64, value));
  }
}

/** An unsigned integer of 8 bits. */
export const uint8: IntegerType = new IntegerType(1, false, HOST_IS_LITTLE_ENDIAN);
/** An unsigned integer of 16 bits, host byte order. */
export const uint16: IntegerType = new IntegerType(2, false, HOST_IS_LITTLE_ENDIAN);
/** An unsigned integer of 32 bits, host byte order. */
export const uint32: IntegerType = new IntegerType(4, false, HOST_IS_LITTLE_ENDIAN);
/** An unsigned integer of 64 bits, host byte order. A bigint. */
export const uint64: BigIntegerType = new BigIntegerType(false, HOST_IS_LITTLE_ENDIAN);
/** A signed integer of 8 bits. */
export const int8: IntegerType = new IntegerType(1, true, HOST_IS_LITTLE_ENDIAN);
/** A signed integer of 16 bits, host byte order. */
export const int16: IntegerType = new IntegerType(2, true, HOST_IS_LITTLE_ENDIAN);
/** A signed integer of 32 bits, host byte order. */
export const int32: IntegerType = new IntegerType(4, true, HOST_IS_LITTLE_ENDIAN);
/** A signed integer of 64 bits, host byte order. A bigint. */
export const int64: BigIntegerType = new BigIntegerType(true, HOST_IS_LITTLE_ENDIAN);
/** An unsigned integer of 16 bits, network byte order. */
export const uint16Network: IntegerType = new IntegerType(2, false, false);
/** An unsigned integer of 32 bits, network byte order. */
export const uint32Network: IntegerType = new IntegerType(4, false, false);
/** An unsigned integer of 64 bits, network byte order. A bigint. */
export const uint64Network: BigIntegerType = new BigIntegerType(false, false);
/** A signed integer of 16 bits, network byte order. */
export const int16Network: IntegerType = new IntegerType(2, true, false);
/** A signed integer of 32 bits, network byte order. */
export const int32Network: IntegerType = new IntegerType(4, true, false);
/** A signed integer of 64 bits, network byte order. A bigint. */
export const int64Network: BigIntegerType = new BigIntegerType(true, false);
