import { align, NLA_HDRLEN } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import { attributeLength, locateInAttribute, writeAttribute } from "./attribute-framing.js";
import { Fault, faultWithin, shown } from "./fault.js";
import {
  type Decoded,
  type Encodable,
  fixedSize,
  isFields,
  type Location,
  locatedWithin,
  PayloadType,
} from "./payload-type.js";
import { trailingBytes } from "./remainder.js";

/** The value as an array, whose elements are not checked yet. */
function elements(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Fault(`an array is needed, not ${shown(value)}`);
  return value;
}

class ListType extends PayloadType<unknown[]> {
  readonly #element: PayloadType;
  readonly #elementSize: number;

  constructor(element: PayloadType) {
    super(undefined);
    this.#element = element;
    this.#elementSize = fixedSize(element, "a list");
  }

  read(view: DataView, offset: number, length: number): unknown[] {
    const size = this.#elementSize;
    if (length % size !== 0) throw new Fault(`${length} bytes, which is no multiple of ${size}`);
    const result: unknown[] = [];
    for (let at = offset; at < offset + length; at += size) result.push(this.#element.read(view, at, size));
    return result;
  }

  write(writer: MessageWriter, value: unknown): void {
    for (const [index, element] of elements(value).entries()) {
      try {
        if (isFields(element) && element[trailingBytes] !== undefined) {
          throw new Fault("trailing bytes in the middle of a list");
        }
        this.#element.write(writer, element);
      } catch (error) {
        throw faultWithin(error, index);
      }
    }
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    const size = this.#elementSize;
    const index = Math.floor((target - offset) / size);
    const start = offset + index * size;
    if (start + size > offset + length) return { path: [], type: this };
    return locatedWithin(index, this.#element.locate(view, start, size, target));
  }
}

/** Elements of a fixed size behind each other in one payload: `list(uint32)`, `list(struct({ … }))`. */
export function list<Element extends PayloadType>(
  element: Element,
): PayloadType<Decoded<Element>[], readonly Encodable<Element>[]> {
  // The elements are what `element` reads and writes, which the class does not spell out.
  return new ListType(element) as PayloadType<Decoded<Element>[], readonly Encodable<Element>[]>;
}

class IndexedType extends PayloadType<unknown[]> {
  readonly #element: PayloadType;
  readonly #first: number;

  constructor(element: PayloadType, first: number) {
    super(undefined, true);
    this.#element = element;
    this.#first = first;
  }

  read(view: DataView, offset: number, length: number): unknown[] {
    const end = offset + length;
    const result: unknown[] = [];
    for (let at = offset; at + NLA_HDRLEN <= end; ) {
      const size = attributeLength(view, at, end);
      try {
        result.push(this.#element.read(view, at + NLA_HDRLEN, size - NLA_HDRLEN));
      } catch (error) {
        throw faultWithin(error, result.length, at);
      }
      at += align(size);
    }
    return result;
  }

  write(writer: MessageWriter, value: unknown): void {
    for (const [index, element] of elements(value).entries()) {
      try {
        writeAttribute(writer, this.#first + index, this.#element, element);
      } catch (error) {
        throw faultWithin(error, index);
      }
    }
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    const end = offset + length;
    let index = 0;
    for (let at = offset; at + NLA_HDRLEN <= end; index++) {
      const size = attributeLength(view, at, end);
      if (target < at + align(size)) {
        return locatedWithin(index, locateInAttribute(this.#element, view, at, size, target));
      }
      at += align(size);
    }
    return { path: [], type: this };
  }
}

/** How the elements of a nest are numbered. */
export interface IndexedOptions {
  /** The number of the first element when encoding; 1 where undefined. */
  readonly first?: number | undefined;
}

/**
 * A nest whose attributes are the elements of an array: their numbers count up and mean nothing else. They are decoded in the order in
 * which they come.
 */
export function indexed<Element extends PayloadType>(
  element: Element,
  options: IndexedOptions = {},
): PayloadType<Decoded<Element>[], readonly Encodable<Element>[]> {
  // As in `list`.
  return new IndexedType(element, options.first ?? 1) as PayloadType<
    Decoded<Element>[],
    readonly Encodable<Element>[]
  >;
}
