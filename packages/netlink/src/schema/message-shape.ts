import { align, NLA_HDRLEN } from "../abi.js";
import { attributeLength, attributeNumber } from "./attribute-framing.js";
import type { AttributeSet, PlainEntry } from "./attribute-set.js";
import { faultWithin } from "./fault.js";
import type { Fields } from "./payload-type.js";
import type { Field, StructFields, StructType } from "./struct.js";

/** Shapes that are kept for a schema. The messages of a dump have very few; each that is tried costs a glance at the attributes. */
const MOST_SHAPES = 4;
/** Objects of more fields gain little, and the copy has to stay one of a small object. */
const MOST_ATTRIBUTES = 24;

/**
 * Messages with the same attributes in the same order, decoded by copying an object that has all their keys.
 *
 * Stores under names that vary are what decoding costs: each looks its name up and gives the object another hidden class. A copy comes with
 * them, and a number that the copied object has already is not stored at all, which in a dump is most of them: a table, a protocol, an
 * interface. An IPv4 route of nine header fields and four attributes takes half the time so, about 200 ns of 420. (Copying and then adding
 * keys is no middle way: an object that was copied shares no hidden class with others once it grows, and took 5 µs.)
 */
class MessageShape {
  readonly #template: Fields;
  readonly #header: readonly Field[];
  readonly #entries: readonly PlainEntry[];
  /** What the template has, in the same order. */
  readonly #headerValues: readonly unknown[];
  readonly #values: readonly unknown[];

  constructor(header: readonly Field[], entries: readonly PlainEntry[], example: Fields) {
    this.#header = header;
    this.#entries = entries;
    this.#template = template(
      example,
      header.map(({ name }) => name),
    );
    this.#headerValues = header.map(({ name }) => this.#template[name]);
    this.#values = entries.map(({ name }) => this.#template[name]);
  }

  matches(view: DataView, offset: number, end: number): boolean {
    let at = offset;
    for (const entry of this.#entries) {
      if (at + NLA_HDRLEN > end || attributeNumber(view, at) !== entry.number) return false;
      at += align(attributeLength(view, at, end));
    }
    return at + NLA_HDRLEN > end;
  }

  /** Reads a message that matches. */
  read(view: DataView, headerOffset: number, offset: number, end: number): Fields {
    const result = { ...this.#template };
    let index = 0;
    for (const field of this.#header) {
      const value = field.type.read(view, headerOffset + field.offset, field.size);
      if (value !== this.#headerValues[index++]) result[field.name] = value;
    }
    index = 0;
    let at = offset;
    for (const entry of this.#entries) {
      const length = attributeLength(view, at, end);
      try {
        const value = entry.type.read(view, at + NLA_HDRLEN, length - NLA_HDRLEN);
        if (value !== this.#values[index++]) result[entry.name] = value;
      } catch (error) {
        throw faultWithin(error, entry.name, at);
      }
      at += align(length);
    }
    return result;
  }
}

/** An object with the keys of the example and those of its values that recur: numbers, and the names of numbers in its header. */
function template(example: Fields, header: readonly string[]): Fields {
  const result: Fields = {};
  const names = Object.keys(example);
  // Both kinds of value in each field, so that its representation is general before the first copy: a later change of it would make
  // every copy one of an outdated hidden class.
  for (const value of [undefined, 0]) {
    for (const name of names) result[name] = value;
  }
  for (const name of names) {
    const value = example[name];
    const recurs = typeof value === "number" || (typeof value === "string" && header.includes(name));
    result[name] = recurs ? value : undefined;
  }
  return result;
}

/** The shapes that the messages of one schema were seen in. */
export class MessageShapes {
  readonly #header: StructType<StructFields>;
  readonly #attributes: AttributeSet;
  readonly #shapes: MessageShape[] = [];

  constructor(header: StructType<StructFields>, attributes: AttributeSet) {
    this.#header = header;
    this.#attributes = attributes;
  }

  /** The message as an object. `offset` is that of the first attribute. */
  read(view: DataView, headerOffset: number, offset: number, end: number): Fields {
    if (headerOffset + this.#header.size <= end) {
      for (const shape of this.#shapes) {
        if (shape.matches(view, offset, end)) return shape.read(view, headerOffset, offset, end);
      }
    }
    const result: Fields = {};
    this.#header.readInto(result, view, headerOffset, end - headerOffset);
    this.#attributes.readInto(result, view, offset, end);
    if (this.#shapes.length < MOST_SHAPES) this.#learn(result, view, offset, end);
    return result;
  }

  #learn(example: Fields, view: DataView, offset: number, end: number): void {
    const entries = this.#attributes.plainEntries(view, offset, end);
    if (entries === undefined || entries.length > MOST_ATTRIBUTES) return;
    this.#shapes.push(new MessageShape(this.#header.visible, entries, example));
  }
}
