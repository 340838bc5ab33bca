import type { MessageWriter } from "../message/message-writer.js";
import { copied, PaddingType } from "./bytes.js";
import { Fault, faultWithin, shown } from "./fault.js";
import {
  type Decoded,
  type Encodable,
  type Fields,
  fixedSize,
  isFields,
  type Location,
  locatedWithin,
  PayloadType,
} from "./payload-type.js";
import { keep, type trailingBytes as TrailingBytes, trailingBytes } from "./remainder.js";

/** Fields by name, in the order in which they stand in memory. */
export type StructFields = Readonly<Record<string, PayloadType>>;

/** The object that fields decode to. */
export type DecodedFields<Definition extends StructFields> = {
  [Name in keyof Definition as Definition[Name] extends PaddingType ? never : Name]: Decoded<
    Definition[Name]
  >;
};

/** The object that fields are encoded from. */
export type EncodableFields<Definition extends StructFields> = {
  readonly [Name in keyof Definition as Definition[Name] extends PaddingType ? never : Name]?:
    | Encodable<Definition[Name]>
    | undefined;
};

/** The object that a struct decodes to. */
export type DecodedStruct<Definition extends StructFields> = DecodedFields<Definition> & {
  [TrailingBytes]?: Uint8Array;
};

/** The object that a struct is encoded from. */
export type EncodableStruct<Definition extends StructFields> = EncodableFields<Definition> & {
  readonly [TrailingBytes]?: Uint8Array | undefined;
};

/** A field in its place. */
export interface Field {
  readonly name: string;
  readonly type: PayloadType;
  readonly offset: number;
  readonly size: number;
}

/** Fields of fixed sizes behind each other, as in the C struct with all its padding spelled out. */
export class StructType<Definition extends StructFields> extends PayloadType<
  DecodedStruct<Definition>,
  EncodableStruct<Definition>
> {
  declare readonly size: number;
  /** The definition, for structs that begin with this one. */
  readonly fields: Definition;
  readonly #fields: readonly Field[];
  /** The fields that are decoded, which is all but padding. */
  readonly visible: readonly Field[];
  readonly #zeros: Uint8Array;

  constructor(definition: Definition) {
    const fields: Field[] = [];
    let size = 0;
    for (const [name, type] of Object.entries(definition)) {
      assertName(name);
      fields.push({ name, type, offset: size, size: fixedSize(type, `the field ${name} of a struct`) });
      size += fixedSize(type, name);
    }
    super(size);
    this.fields = definition;
    this.#fields = fields;
    this.visible = fields.filter(({ type }) => !(type instanceof PaddingType));
    this.#zeros = new Uint8Array(size);
  }

  read(view: DataView, offset: number, length: number): DecodedStruct<Definition> {
    const result: Fields = {};
    this.readInto(result, view, offset, length);
    if (length > this.size) {
      keep(result, trailingBytes, copied(view, offset + this.size, length - this.size));
    }
    return decodedAs<DecodedStruct<Definition>>(result);
  }

  /** Sets the fields; where there are fewer bytes than the struct has, as if zeros followed. */
  readInto(target: Fields, view: DataView, offset: number, length: number): void {
    if (length < this.size) {
      const known = new Uint8Array(this.size);
      if (length > 0) known.set(new Uint8Array(view.buffer, view.byteOffset + offset, length));
      this.#readWhole(target, new DataView(known.buffer), 0);
    } else {
      this.#readWhole(target, view, offset);
    }
  }

  #readWhole(target: Fields, view: DataView, offset: number): void {
    for (const field of this.visible) {
      target[field.name] = field.type.read(view, offset + field.offset, field.size);
    }
  }

  write(writer: MessageWriter, value: unknown): void {
    if (!isFields(value)) throw new Fault(`an object is needed, not ${shown(value)}`);
    for (const name of Object.keys(value)) {
      if (!this.has(name)) throw unknownName(name, this.names());
    }
    this.writeFields(writer, value);
    const trailing = value[trailingBytes];
    if (trailing === undefined) return;
    if (!(trailing instanceof Uint8Array)) {
      throw new Fault(`the trailing bytes are a Uint8Array, not ${shown(trailing)}`);
    }
    writer.bytes(trailing);
  }

  /** Writes the fields, zeros for those that are left out. Other keys of the value are not looked at. */
  writeFields(writer: MessageWriter, value: Fields): void {
    for (const field of this.#fields) {
      const { name, size } = field;
      const part = value[name];
      try {
        if (field.type instanceof PaddingType) {
          // Not zeros by themselves: generic netlink's header is of this kind, and writes what the command is.
          field.type.write(writer);
        } else if (part === undefined) {
          writer.bytes(this.#zeros.subarray(0, size));
        } else {
          if (isFields(part) && part[trailingBytes] !== undefined) {
            throw new Fault("trailing bytes in the middle of a struct");
          }
          field.type.write(writer, part);
        }
      } catch (error) {
        throw faultWithin(error, name);
      }
    }
  }

  has(name: string): boolean {
    return Object.hasOwn(this.fields, name) && !(this.fields[name] instanceof PaddingType);
  }

  /** The fields that can be given. */
  names(): string[] {
    return Object.keys(this.fields).filter((name) => this.has(name));
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    for (const { name, type, offset: within, size } of this.#fields) {
      const start = offset + within;
      if (target < start || target >= start + size) continue;
      if (type instanceof PaddingType) return undefined;
      // A part that the bytes have only the beginning of is not looked into.
      if (within + size > length) return { path: [name], type };
      return locatedWithin(name, type.locate(view, start, size, target));
    }
    return { path: [], type: this };
  }
}

/**
 * Fields of fixed sizes behind each other, with all padding spelled out: `struct({ family: uint8, padding1: padding(3), index: int32 })`.
 *
 * Structs grow from kernel to kernel: where there are fewer bytes, the fields read as if zeros followed; what is beyond the last field is
 * kept under the symbol `trailingBytes` and written back. When encoding, a field that is left out is zero. Throws TypeError where a field has
 * no fixed size.
 */
export function struct<const Definition extends StructFields>(fields: Definition): StructType<Definition> {
  return new StructType(fields);
}

export function unknownName(name: string, known: readonly string[]): Fault {
  return new Fault(`unknown field ${shown(name)}: there are ${known.join(", ")}`);
}

/** Throws TypeError for a name that no field can have. */
export function assertName(name: string): void {
  // Assigned, it would be the prototype.
  if (name === "__proto__") throw new TypeError("no field can have the name __proto__");
}

/**
 * The object that was filled by a definition, typed by the same definition. This is the one place where the two are said to agree: the
 * compiler cannot follow names into run time; type tests and round trips over random schemas do.
 */
export function decodedAs<Value>(fields: Fields): Value {
  return fields as Value;
}
