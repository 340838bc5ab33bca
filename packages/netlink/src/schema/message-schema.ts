import { HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../abi.js";
import type { Message } from "../message/message.js";
import type { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";
import type { AttributeNames } from "./attribute-names.js";
import type { AttributeDefinitions, DecodedAttributes, EncodableAttributes } from "./attribute-set.js";
import { decodeFailure, encodeFailure, Fault } from "./fault.js";
import { MessageShapes } from "./message-shape.js";
import type { Flattened, Location, Typed } from "./payload-type.js";
import {
  type DecodedFields,
  decodedAs,
  type EncodableFields,
  type StructFields,
  StructType,
} from "./struct.js";
import { StructWithAttributesType } from "./struct-with-attributes.js";

/** The schema of a message: a header of fixed fields, padded to 4 bytes, and attributes behind it, in one flat object. */
export class MessageSchema<DecodedMessage, EncodableMessage>
  implements Typed<DecodedMessage, EncodableMessage>, AttributeNames
{
  declare readonly "~types"?: readonly [DecodedMessage, EncodableMessage] | undefined;
  readonly #body: StructWithAttributesType<DecodedMessage, EncodableMessage>;
  readonly #shapes: MessageShapes;

  /** See `message`. */
  constructor(header: StructType<StructFields>, attributes: AttributeDefinitions) {
    this.#body = new StructWithAttributesType(header, attributes);
    this.#shapes = new MessageShapes(this.#body.header, this.#body.attributes);
  }

  /** Bytes of the header, its padding included: what `message.attributes` takes. */
  get headerLength(): number {
    return this.#body.headerLength;
  }

  /**
   * The message as an object of its own, which outlives the frame. Header fields that the message is too short for are 0. Throws
   * DecodeError, whose offset counts from the start of the message.
   */
  decode(message: Message): DecodedMessage {
    const { view, payloadOffset, end } = message;
    try {
      const fields = this.#shapes.read(view, payloadOffset, payloadOffset + this.#body.headerLength, end);
      return decodedAs<DecodedMessage>(fields);
    } catch (error) {
      throw decodeFailure(error, message.offset);
    }
  }

  /**
   * A message to send. The value is read when it is sent; what does not fit throws EncodeError then, so that the request rejects.
   *
   * @param type nlmsg_type
   * @param flags nlmsg_flags, as in Outgoing
   */
  message(type: number, value?: EncodableMessage, flags?: number): Outgoing {
    return { type, flags, write: (writer) => this.write(writer, value), schema: this };
  }

  /** Writes what follows the message header. Throws EncodeError and gives the message up where the value does not fit the schema. */
  write(writer: MessageWriter, value?: EncodableMessage): void {
    try {
      this.#body.write(writer, value === undefined ? {} : value);
    } catch (error) {
      writer.abandon();
      throw encodeFailure(error);
    }
  }

  pathOf(bytes: Uint8Array, messageOffset: number, offset: number): string | undefined {
    return pathText(this.#locate(bytes, messageOffset, offset)?.path);
  }

  nameOf(
    bytes: Uint8Array,
    messageOffset: number,
    nestOffset: number | undefined,
    type: number,
  ): string | undefined {
    if (nestOffset === undefined) return this.#body.attributeName(type);
    const nest = this.#locate(bytes, messageOffset, nestOffset);
    const name = nest?.type.attributeName(type);
    return nest === undefined || name === undefined ? undefined : pathText([...nest.path, name]);
  }

  #locate(bytes: Uint8Array, messageOffset: number, offset: number): Location | undefined {
    if (!(messageOffset >= 0 && messageOffset + NLMSG_HDRLEN <= bytes.length)) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const length = Math.min(
      view.getUint32(messageOffset, HOST_IS_LITTLE_ENDIAN),
      bytes.length - messageOffset,
    );
    if (!(offset >= NLMSG_HDRLEN && offset < length)) return undefined;
    const start = messageOffset + NLMSG_HDRLEN;
    const end = messageOffset + length;
    const target = messageOffset + offset;
    try {
      return this.#body.locate(view, start, end - start, target);
    } catch (error) {
      // Bytes that cannot be walked have no names; what they are asked for is an error's text.
      if (error instanceof Fault) return undefined;
      throw error;
    }
  }
}

function pathText(path: readonly (string | number)[] | undefined): string | undefined {
  return path === undefined || path.length === 0 ? undefined : path.join(".");
}

/**
 * Defines a message: the struct that it begins with, undefined where it has none, and its attributes by name. Both lie in one flat object,
 * decoded and to be encoded; when encoding, header fields that are left out are 0, and attributes are absent.
 *
 * Where several headers stand behind each other, as in generic netlink, one struct has the fields of all: `struct({ ...genericHeader.fields,
 * … })`. Throws TypeError where a name or a number is used twice.
 */
export function message<const Attributes extends AttributeDefinitions>(
  header: undefined,
  attributes: Attributes,
): MessageSchema<Flattened<DecodedAttributes<Attributes>>, Flattened<EncodableAttributes<Attributes>>>;
export function message<const Header extends StructFields, const Attributes extends AttributeDefinitions>(
  header: StructType<Header>,
  attributes: Attributes,
): MessageSchema<
  Flattened<DecodedFields<Header> & DecodedAttributes<Attributes>>,
  Flattened<EncodableFields<Header> & EncodableAttributes<Attributes>>
>;
export function message(
  header: StructType<StructFields> | undefined,
  attributes: AttributeDefinitions,
): MessageSchema<unknown, unknown> {
  return new MessageSchema(header ?? new StructType({}), attributes);
}
