import { align } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import {
  type AttributeDefinitions,
  AttributeSet,
  type DecodedAttributes,
  type EncodableAttributes,
} from "./attribute-set.js";
import { Fault, shown } from "./fault.js";
import { type Fields, type Flattened, isFields, type Location, PayloadType } from "./payload-type.js";
import {
  type DecodedFields,
  decodedAs,
  type EncodableFields,
  type StructFields,
  type StructType,
} from "./struct.js";

/** A struct, padded to 4 bytes, and attributes behind it, in one flat object. */
export class StructWithAttributesType<DecodedValue, EncodableValue> extends PayloadType<
  DecodedValue,
  EncodableValue
> {
  readonly header: StructType<StructFields>;
  readonly attributes: AttributeSet;
  /** Bytes of the struct, its padding included. */
  readonly headerLength: number;
  readonly #headerNames: readonly string[];

  constructor(header: StructType<StructFields>, definitions: AttributeDefinitions) {
    super(undefined);
    this.header = header;
    this.attributes = new AttributeSet(definitions);
    this.headerLength = align(header.size);
    this.#headerNames = header.names();
    for (const name of this.#headerNames) {
      if (this.attributes.has(name)) {
        throw new TypeError(`${name} is a field of the header and an attribute: they lie in one object`);
      }
    }
  }

  read(view: DataView, offset: number, length: number): DecodedValue {
    const result: Fields = {};
    this.header.readInto(result, view, offset, length);
    this.attributes.readInto(result, view, offset + this.headerLength, offset + length);
    return decodedAs<DecodedValue>(result);
  }

  write(writer: MessageWriter, value: unknown): void {
    if (!isFields(value)) throw new Fault(`an object is needed, not ${shown(value)}`);
    this.header.writeFields(writer, value);
    writer.pad();
    this.attributes.write(writer, value, this.#headerNames);
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    if (target < offset + this.header.size) return this.header.locate(view, offset, length, target);
    const siblings: Fields = {};
    this.header.readInto(siblings, view, offset, length);
    return this.attributes.locate(view, offset + this.headerLength, offset + length, target, siblings);
  }

  override attributeName(number: number): string | undefined {
    return this.attributes.attributeName(number);
  }
}

/**
 * A payload that begins with a struct and goes on with attributes, in one flat object, as the peer of a veth pair does. It is written without
 * NLA_F_NESTED. Throws TypeError where a name or a number is used twice.
 */
export function structWithAttributes<
  const Header extends StructFields,
  const Attributes extends AttributeDefinitions,
>(
  header: StructType<Header>,
  attributes: Attributes,
): StructWithAttributesType<
  Flattened<DecodedFields<Header> & DecodedAttributes<Attributes>>,
  Flattened<EncodableFields<Header> & EncodableAttributes<Attributes>>
> {
  return new StructWithAttributesType(header, attributes);
}
