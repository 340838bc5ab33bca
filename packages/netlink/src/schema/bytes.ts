import type { MessageWriter } from "../message/message-writer.js";
import { Fault, shown } from "./fault.js";
import { PayloadType, tooShort } from "./payload-type.js";

/** A copy of a part of the view: what was decoded outlives the frame it came in. */
export function copied(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}

class BytesType extends PayloadType<Uint8Array> {
  read(view: DataView, offset: number, length: number): Uint8Array {
    if (this.size === undefined) return copied(view, offset, length);
    if (length < this.size) throw tooShort(length, this.size);
    return copied(view, offset, this.size);
  }

  write(writer: MessageWriter, value: unknown): void {
    if (!(value instanceof Uint8Array)) throw new Fault(`a Uint8Array is needed, not ${shown(value)}`);
    if (this.size !== undefined && value.length !== this.size) {
      throw new Fault(`${value.length} bytes where it has to be ${this.size}`);
    }
    writer.bytes(value);
  }
}

/** Bytes as they are, copied. */
export const bytes: PayloadType<Uint8Array> = new BytesType(undefined);

/** Exactly `length` bytes, copied: for structs. */
export function fixedBytes(length: number): PayloadType<Uint8Array> {
  return new BytesType(checkedLength(length));
}

class FlagType extends PayloadType<true, boolean> {
  read(): true {
    return true;
  }

  write(_writer: MessageWriter, value: unknown): void {
    // An attribute set writes nothing at all for false.
    if (typeof value !== "boolean") throw new Fault(`true or false is needed, not ${shown(value)}`);
  }
}

/** An attribute without a payload: true where it is there. False is the same as leaving it out. */
export const flag: PayloadType<true, boolean> = new FlagType(undefined);

/** Bytes of a struct that mean nothing: zeros when written, no field of what is decoded. */
export class PaddingType extends PayloadType<undefined> {
  declare readonly size: number;
  // Makes the type nominal: a struct's fields are told by it.
  readonly #length: number;

  constructor(length: number) {
    super(length);
    this.#length = length;
  }

  read(): undefined {
    return undefined;
  }

  write(writer: MessageWriter): void {
    for (let written = 0; written < this.#length; written++) writer.uint8(0);
  }
}

/** `length` bytes of a struct that mean nothing. */
export function padding(length: number): PaddingType {
  return new PaddingType(checkedLength(length));
}

/** The length of a fixed-size type; throws TypeError, which is the schema author's. */
export function checkedLength(length: number): number {
  if (!Number.isInteger(length) || length < 1 || length > 0xffff) {
    throw new TypeError(`${length} is no length in bytes from 1 to 65,535`);
  }
  return length;
}
