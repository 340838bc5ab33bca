import { align, NLA_HDRLEN } from "../abi.js";
import { attributeLength, attributeNumber } from "./attribute-framing.js";
import type { AttributeSet, PlainEntry } from "./attribute-set.js";
import { Fault } from "./fault.js";
import type { Fields, PayloadType } from "./payload-type.js";
import type { Field, StructFields, StructType } from "./struct.js";

/** Shapes that are kept for a schema. The messages of a dump have very few; each that is tried costs a glance at the attributes. */
const MOST_SHAPES = 4;

/** Reads a message with just these attributes in just this order; undefined for any other. */
type ShapeReader = (view: DataView, headerOffset: number, offset: number, end: number) => Fields | undefined;

/**
 * A function that reads one shape into one object literal.
 *
 * Stores under names that vary are what decoding costs: each looks its name up and gives the object another hidden class. A literal has its
 * class from the start, and the engine allocates those that live on, as in a list of all, among the old objects at once. An IPv4 route of
 * nine header fields and four attributes takes about 100 ns of 420, and a list of 100,000 three quarters of the time.
 *
 * undefined where the process may not make code of text (--disallow-code-generation-from-strings).
 */
function compile(header: readonly Field[], entries: readonly PlainEntry[]): ShapeReader | undefined {
  const types: PayloadType[] = [...header, ...entries].map(({ type }) => type);
  // Nothing but numbers, and names as JSON.
  const lines = [
    '"use strict";',
    `const [${types.map((_, index) => `type${index}`)}] = types;`,
    "return (view, headerOffset, offset, end) => {",
    "  let next = offset;",
  ];
  for (const [index, { number }] of entries.entries()) {
    lines.push(
      `  if (next + ${NLA_HDRLEN} > end || attributeNumber(view, next) !== ${number}) return undefined;`,
      `  const at${index} = next;`,
      `  const length${index} = attributeLength(view, next, end);`,
      `  next += align(length${index});`,
    );
  }
  lines.push(`  if (next + ${NLA_HDRLEN} <= end) return undefined;`, "  return {");
  for (const [index, { name, offset, size }] of header.entries()) {
    lines.push(`    ${JSON.stringify(name)}: type${index}.read(view, headerOffset + ${offset}, ${size}),`);
  }
  for (const [index, { name }] of entries.entries()) {
    const payload = `at${index} + ${NLA_HDRLEN}, length${index} - ${NLA_HDRLEN}`;
    lines.push(`    ${JSON.stringify(name)}: type${header.length + index}.read(view, ${payload}),`);
  }
  lines.push("  };", "};");
  try {
    const define = new Function("types", "attributeNumber", "attributeLength", "align", lines.join("\n"));
    // Unchecked: nothing but the lines above says that this is a ShapeReader. The tests hold it against the table of types.
    return define(types, attributeNumber, attributeLength, align);
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/** The shapes that the messages of one schema were seen in. */
export class MessageShapes {
  readonly #header: StructType<StructFields>;
  readonly #attributes: AttributeSet;
  readonly #readers: ShapeReader[] = [];
  #compiles = true;

  constructor(header: StructType<StructFields>, attributes: AttributeSet) {
    this.#header = header;
    this.#attributes = attributes;
  }

  /** The message as an object. `offset` is that of the first attribute. */
  read(view: DataView, headerOffset: number, offset: number, end: number): Fields {
    if (headerOffset + this.#header.size <= end) {
      const fields = this.#readKnown(view, headerOffset, offset, end);
      if (fields !== undefined) return fields;
    }
    const result: Fields = {};
    this.#header.readInto(result, view, headerOffset, end - headerOffset);
    this.#attributes.readInto(result, view, offset, end);
    if (this.#compiles && this.#readers.length < MOST_SHAPES) this.#learn(view, offset, end);
    return result;
  }

  #readKnown(view: DataView, headerOffset: number, offset: number, end: number): Fields | undefined {
    try {
      for (const read of this.#readers) {
        const fields = read(view, headerOffset, offset, end);
        if (fields !== undefined) return fields;
      }
    } catch (error) {
      // Read again, field by field, it says where.
      if (!(error instanceof Fault)) throw error;
    }
    return undefined;
  }

  #learn(view: DataView, offset: number, end: number): void {
    const entries = this.#attributes.plainEntries(view, offset, end);
    if (entries === undefined) return;
    const reader = compile(this.#header.visible, entries);
    if (reader === undefined) this.#compiles = false;
    else this.#readers.push(reader);
  }
}
