import type { Fields } from "./payload-type.js";

/**
 * Under this symbol a decoded object has the attributes that its schema does not know, in their order; it is absent where there are none.
 * They are written back behind the known ones. The property is not enumerable, so that a logged object shows its fields; a copy made by
 * spreading has to take it along: `{ ...link, [unknownAttributes]: link[unknownAttributes] }`.
 */
export const unknownAttributes: unique symbol = Symbol.for("@nlring/netlink.unknownAttributes");

/**
 * Under this symbol a decoded struct has the bytes beyond its last field, from a kernel that knows more of them; it is absent where there
 * are none. They are written back. Not enumerable either.
 */
export const trailingBytes: unique symbol = Symbol.for("@nlring/netlink.trailingBytes");

/** An attribute that the schema does not know, as it came. */
export interface UnknownAttribute {
  /** nla_type with its NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
  readonly type: number;
  /** A copy, without padding. */
  readonly payload: Uint8Array;
}

/** Keeps what the schema does not know with the object that it was found in. */
export function keep(target: Fields, key: symbol, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}
