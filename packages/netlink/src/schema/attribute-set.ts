import { align, HOST_IS_LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import { attributeLength, attributeNumber, locateInAttribute, writeAttribute } from "./attribute-framing.js";
import { DependentType, RepeatedType } from "./attribute-type.js";
import { copied, flag } from "./bytes.js";
import { Fault, faultWithin, shown } from "./fault.js";
import {
  type Decoded,
  type Encodable,
  type Fields,
  isFields,
  type Location,
  locatedWithin,
  PayloadType,
} from "./payload-type.js";
import {
  keep,
  type UnknownAttribute,
  type unknownAttributes as UnknownAttributes,
  unknownAttributes,
} from "./remainder.js";
import { assertName, decodedAs, unknownName } from "./struct.js";

/** What an attribute's payload can be. */
export type AttributeType = PayloadType | RepeatedType<PayloadType> | DependentType;

/** Attributes by the name that they have in objects: their number, and the type of their payload. */
export type AttributeDefinitions = Readonly<Record<string, readonly [number: number, type: AttributeType]>>;

/** The object that attributes decode to. */
export type DecodedAttributes<Definitions extends AttributeDefinitions> = {
  -readonly [Name in keyof Definitions]?: Decoded<Definitions[Name][1]>;
} & { [UnknownAttributes]?: UnknownAttribute[] };

/** The object that attributes are encoded from. */
export type EncodableAttributes<Definitions extends AttributeDefinitions> = {
  readonly [Name in keyof Definitions]?: Encodable<Definitions[Name][1]> | undefined;
} & { readonly [UnknownAttributes]?: readonly UnknownAttribute[] | undefined };

interface Entry {
  readonly name: string;
  readonly number: number;
  readonly type: AttributeType;
}

/** An attribute whose payload is read by its own type alone. */
export interface PlainEntry extends Entry {
  readonly type: PayloadType;
}

/** An attribute that is read when its siblings are known. */
interface Deferred {
  readonly entry: Entry;
  readonly type: DependentType;
  readonly at: number;
  readonly length: number;
}

/** A run of attributes: what a nest and a message have in common. */
export class AttributeSet {
  readonly #byNumber: (Entry | undefined)[];
  readonly #byName: ReadonlyMap<string, Entry>;

  constructor(definitions: AttributeDefinitions) {
    const byName = new Map<string, Entry>();
    const byNumber: (Entry | undefined)[] = [];
    for (const [name, [number, type]] of Object.entries(definitions)) {
      assertName(name);
      if (!Number.isInteger(number) || number < 0 || number > NLA_TYPE_MASK) {
        throw new TypeError(
          `the attribute ${name} has the number ${number}: it is from 0 to ${NLA_TYPE_MASK}`,
        );
      }
      const other = byNumber[number];
      if (other !== undefined)
        throw new TypeError(`the attributes ${other.name} and ${name} are both ${number}`);
      const entry = { name, number, type };
      // Without holes, in which every look-up would walk the prototypes.
      while (byNumber.length < number) byNumber.push(undefined);
      byNumber[number] = entry;
      byName.set(name, entry);
    }
    this.#byName = byName;
    this.#byNumber = byNumber;
  }

  readInto(target: Fields, view: DataView, offset: number, end: number): void {
    let deferred: Deferred[] | undefined;
    let entry: Entry | undefined;
    let at = offset;
    try {
      while (at + NLA_HDRLEN <= end) {
        entry = undefined;
        const length = attributeLength(view, at, end);
        entry = this.#byNumber[attributeNumber(view, at)];
        if (entry === undefined) {
          keepUnknown(target, view, at, length);
        } else if (entry.type instanceof PayloadType) {
          target[entry.name] = entry.type.read(view, at + NLA_HDRLEN, length - NLA_HDRLEN);
        } else if (entry.type instanceof RepeatedType) {
          const element: unknown = entry.type.element.read(view, at + NLA_HDRLEN, length - NLA_HDRLEN);
          const elements = target[entry.name];
          if (Array.isArray(elements)) elements.push(element);
          else target[entry.name] = [element];
        } else {
          // Keeps its place among the names.
          target[entry.name] = undefined;
          deferred ??= [];
          deferred.push({ entry, type: entry.type, at, length });
        }
        at += align(length);
      }
      if (deferred === undefined) return;
      for (const waiting of deferred) {
        ({ entry, at } = waiting);
        const type = waiting.type.chosen(target);
        target[entry.name] = type.read(view, at + NLA_HDRLEN, waiting.length - NLA_HDRLEN);
      }
    } catch (error) {
      throw faultWithin(error, entry?.name, at);
    }
  }

  /** Writes the attributes in the order in which the value has them, unknown ones last. Refuses names that are neither here nor in `others`. */
  write(writer: MessageWriter, value: Fields, others: readonly string[] = []): void {
    for (const name of Object.keys(value)) {
      const part = value[name];
      const entry = this.#byName.get(name);
      if (entry === undefined) {
        if (others.includes(name)) continue;
        throw unknownName(name, [...others, ...this.#byName.keys()]);
      }
      // A flag says no by its absence.
      if (part === undefined || (part === false && entry.type === flag)) continue;
      try {
        writeEntry(writer, entry, part, value);
      } catch (error) {
        throw faultWithin(error, name);
      }
    }
    writeUnknown(writer, value[unknownAttributes]);
  }

  /** The attributes of a run that was read before, or undefined where one is unknown, comes twice or takes more than its own type to read. */
  plainEntries(view: DataView, offset: number, end: number): readonly PlainEntry[] | undefined {
    const entries = new Set<PlainEntry>();
    for (let at = offset; at + NLA_HDRLEN <= end; at += align(attributeLength(view, at, end))) {
      const entry = this.#byNumber[attributeNumber(view, at)];
      if (entry === undefined || !isPlain(entry) || entries.has(entry)) return undefined;
      entries.add(entry);
    }
    return [...entries];
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  attributeName(number: number): string | undefined {
    return this.#byNumber[number]?.name;
  }

  /** `siblings` is what is known beside the attributes: the header's fields. */
  locate(
    view: DataView,
    offset: number,
    end: number,
    target: number,
    siblings: Fields = {},
  ): Location | undefined {
    const occurrences = new Map<Entry, number>();
    for (let at = offset; at + NLA_HDRLEN <= end; ) {
      const length = attributeLength(view, at, end);
      const entry = this.#byNumber[attributeNumber(view, at)];
      if (entry !== undefined) {
        const earlier = occurrences.get(entry) ?? 0;
        occurrences.set(entry, earlier + 1);
        if (target < at + align(length)) {
          const { name, type } = entry;
          if (type instanceof PayloadType) {
            return locatedWithin(name, locateInAttribute(type, view, at, length, target));
          }
          if (type instanceof RepeatedType) {
            const location = locateInAttribute(type.element, view, at, length, target);
            return locatedWithin(name, locatedWithin(earlier, location));
          }
          const chosen = type.chosen(this.#withSibling(siblings, type.sibling, view, offset, end));
          return locatedWithin(name, locateInAttribute(chosen, view, at, length, target));
        }
      } else if (target < at + align(length)) {
        return undefined;
      }
      at += align(length);
    }
    return undefined;
  }

  /** What the sibling of a dependent attribute says, as far as it can be read. */
  #withSibling(siblings: Fields, name: string, view: DataView, offset: number, end: number): Fields {
    const sibling = this.#byName.get(name);
    if (sibling === undefined || !(sibling.type instanceof PayloadType)) return siblings;
    let value: unknown;
    for (let at = offset; at + NLA_HDRLEN <= end; ) {
      const length = attributeLength(view, at, end);
      if (attributeNumber(view, at) === sibling.number) {
        value = sibling.type.read(view, at + NLA_HDRLEN, length - NLA_HDRLEN);
      }
      at += align(length);
    }
    return { [name]: value };
  }
}

function isPlain(entry: Entry): entry is PlainEntry {
  return entry.type instanceof PayloadType;
}

function keepUnknown(target: Fields, view: DataView, at: number, length: number): void {
  const attribute: UnknownAttribute = {
    type: view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN),
    payload: copied(view, at + NLA_HDRLEN, length - NLA_HDRLEN),
  };
  const others = target[unknownAttributes];
  if (Array.isArray(others)) others.push(attribute);
  else keep(target, unknownAttributes, [attribute]);
}

function writeEntry(writer: MessageWriter, { number, type }: Entry, part: unknown, value: Fields): void {
  if (type instanceof RepeatedType) {
    if (!Array.isArray(part)) throw new Fault(`an array is needed, not ${shown(part)}`);
    for (const [index, element] of part.entries()) {
      try {
        writeAttribute(writer, number, type.element, element);
      } catch (error) {
        throw faultWithin(error, index);
      }
    }
  } else if (type instanceof DependentType) {
    writeAttribute(writer, number, type.chosenFor(value, part), part);
  } else {
    writeAttribute(writer, number, type, part);
  }
}

function writeUnknown(writer: MessageWriter, attributes: unknown): void {
  if (attributes === undefined) return;
  if (!Array.isArray(attributes)) throw new Fault("the unknown attributes are an array of type and payload");
  for (const attribute of attributes) {
    const { type, payload }: Fields = isFields(attribute) ? attribute : {};
    if (typeof type !== "number" || !(payload instanceof Uint8Array)) {
      throw new Fault(
        "an unknown attribute has a type, which is a number, and a payload, which is a Uint8Array",
      );
    }
    if (!Number.isInteger(type) || type < 0 || type > 0xffff) {
      throw new Fault(`an unknown attribute of type ${type}: it is from 0 to 65,535`);
    }
    writer.attributeBytes(type, payload);
  }
}

/** The type that `attributes` makes. */
export class AttributesType<Definitions extends AttributeDefinitions> extends PayloadType<
  DecodedAttributes<Definitions>,
  EncodableAttributes<Definitions>
> {
  readonly #set: AttributeSet;

  constructor(definitions: Definitions) {
    super(undefined, true);
    this.#set = new AttributeSet(definitions);
  }

  read(view: DataView, offset: number, length: number): DecodedAttributes<Definitions> {
    const result: Fields = {};
    this.#set.readInto(result, view, offset, offset + length);
    return decodedAs<DecodedAttributes<Definitions>>(result);
  }

  write(writer: MessageWriter, value: unknown): void {
    if (!isFields(value)) throw new Fault(`an object is needed, not ${shown(value)}`);
    this.#set.write(writer, value);
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    return this.#set.locate(view, offset, offset + length, target);
  }

  override attributeName(number: number): string | undefined {
    return this.#set.attributeName(number);
  }
}

/**
 * Attributes by name: a nest, written with NLA_F_NESTED, or a bare run of them. All are optional both ways. Where an attribute comes more
 * than once, the last one counts, as in the kernel. Attributes that the schema does not know are kept under the symbol
 * `unknownAttributes`. Throws TypeError where two have the same number.
 */
export function attributes<const Definitions extends AttributeDefinitions>(
  definitions: Definitions,
): AttributesType<Definitions> {
  return new AttributesType(definitions);
}
