import type { MessageWriter } from "../message/message-writer.js";
import { Fault } from "./fault.js";

/** Anything that values are decoded from and encoded to. The property carries the types for the compiler, and does not exist at run time. */
export interface Typed<DecodedValue = unknown, EncodableValue = unknown> {
  readonly "~types"?: readonly [DecodedValue, EncodableValue] | undefined;
}

/** What decoding gives. */
export type Decoded<Schema extends Typed> = Schema extends Typed<infer Value, unknown> ? Value : never;

/** What can be encoded. */
export type Encodable<Schema extends Typed> = Schema extends Typed<unknown, infer Value> ? Value : never;

/** The members of an intersection as one object type. */
export type Flattened<Type> = { [Key in keyof Type]: Type[Key] } & {};

/** A decoded object while it is filled, or an object to encode whose fields are not checked yet. */
export type Fields = Record<PropertyKey, unknown>;

/** Where an offset was found: names from the outermost inwards, and the type that the last of them has. */
export interface Location {
  readonly path: readonly (string | number)[];
  readonly type: PayloadType;
}

/**
 * The layout of a payload: what the bytes behind an attribute's header, or a part of them, mean. Instances are immutable and shared.
 *
 * Offsets are absolute in the view that is decoded; `read` never looks outside of `offset` and `length`, which the caller has
 * checked. Faults are thrown as `Fault`.
 */
export abstract class PayloadType<DecodedValue = unknown, EncodableValue = DecodedValue>
  implements Typed<DecodedValue, EncodableValue>
{
  declare readonly "~types"?: readonly [DecodedValue, EncodableValue] | undefined;
  /** Bytes that a value always takes; undefined where that depends on the value. Structs and lists are made of fixed sizes. */
  readonly size: number | undefined;
  /** True for payloads that are attributes themselves: the attribute around them gets NLA_F_NESTED. */
  readonly nested: boolean;

  constructor(size: number | undefined, nested = false) {
    this.size = size;
    this.nested = nested;
  }

  abstract read(view: DataView, offset: number, length: number): DecodedValue;

  abstract write(writer: MessageWriter, value: unknown): void;

  /** The innermost part that contains the byte at `target`, which lies in this payload; undefined where that has no name. */
  locate(_view: DataView, _offset: number, _length: number, _target: number): Location | undefined {
    return { path: [], type: this };
  }

  /** The name of the attribute with that number in this nest. */
  attributeName(_number: number): string | undefined {
    return undefined;
  }
}

/** The size of a type that stands where only a fixed one can; throws TypeError, which is the schema author's. */
export function fixedSize(type: PayloadType, where: string): number {
  if (type.size === undefined) {
    throw new TypeError(`${where} needs a type of a fixed size, such as uint32 or fixedBytes(8)`);
  }
  return type.size;
}

export function tooShort(length: number, needed: number): Fault {
  return new Fault(`${length} bytes where ${needed} are needed`);
}

/** The location inside of a part that has a name. */
export function locatedWithin(name: string | number, location: Location | undefined): Location | undefined {
  return location === undefined ? undefined : { path: [name, ...location.path], type: location.type };
}

/** Whether a value can hold fields by name. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
