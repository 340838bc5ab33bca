import { type Cases, DependentType } from "./attribute-type.js";
import { bytes } from "./bytes.js";
import type { Decoded, Encodable } from "./payload-type.js";

/**
 * An attribute whose payload means what the attribute or header field named `sibling` says, wherever that stands in the message. What it
 * says for no case is decoded to a copy of the bytes, and a Uint8Array is always encoded as it is.
 */
export function dependingOn<const Choice extends Cases>(
  sibling: string,
  cases: Choice,
): DependentType<Decoded<Choice[keyof Choice]> | Uint8Array, Encodable<Choice[keyof Choice]> | Uint8Array> {
  return new DependentType(sibling, cases, bytes);
}
