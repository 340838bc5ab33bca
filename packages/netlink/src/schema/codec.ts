import { NLMSG_HDRLEN } from "../abi.js";
import { MessageWriter } from "../message/message-writer.js";
import { decodeFailure, encodeFailure } from "./fault.js";
import type { PayloadType } from "./payload-type.js";

/**
 * Decodes bytes that stand in no message: a run of attributes, a struct, or any other payload. The result is a copy throughout. Throws
 * DecodeError, whose offset counts from the start of the bytes.
 */
export function decode<DecodedValue>(
  schema: PayloadType<DecodedValue, unknown>,
  bytes: Uint8Array,
): DecodedValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return schema.read(view, 0, bytes.length);
  } catch (error) {
    throw decodeFailure(error, 0);
  }
}

/** Encodes a value to bytes that stand in no message. Throws EncodeError where it does not fit the schema. */
export function encode<EncodableValue>(
  schema: PayloadType<unknown, EncodableValue>,
  value: EncodableValue,
): Uint8Array {
  // A message is what the writer aligns to; its header is left out of the result.
  const writer = MessageWriter.growing().begin(0, 0, 0, 0);
  try {
    schema.write(writer, value);
  } catch (error) {
    throw encodeFailure(error);
  }
  const end = writer.written;
  writer.end();
  return writer.finished().slice(NLMSG_HDRLEN, end);
}
