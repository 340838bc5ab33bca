import { HOST_IS_LITTLE_ENDIAN, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_HDRLEN } from "../abi.js";
import { DecodeError } from "../errors.js";
import { AttributeReader } from "../message/attribute.js";

/** Bytes of a payload that are shown. */
const SHOWN_BYTES = 32;
/** Levels of nesting that are followed: the kernel's own stay below ten, and hostile bytes could hold sixteen thousand. */
const DEEPEST = 16;
const INDENT = "  ";

/**
 * Says an attribute in one line of its own, or undefined where it is shown as any other.
 *
 * @param type nla_type without its flags
 */
export type AttributeFormatter = (type: number, payload: Uint8Array) => string | undefined;

/** Appends a line for each attribute from `offset` to `end`, and below a nested one those that it holds. */
export function formatAttributes(
  lines: string[],
  view: DataView,
  offset: number,
  end: number,
  indent: string,
  formatter?: AttributeFormatter,
): void {
  const attributes = new AttributeReader(view, offset, end);
  let behind = offset;
  try {
    while (attributes.next()) {
      behind = attributes.offset + attributes.length;
      const payload = attributes.bytes();
      const own = formatter?.(attributes.type, payload);
      if (own === undefined) formatAttribute(lines, attributes, payload, indent);
      else lines.push(indent + own);
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const start = offset + ((behind - offset + 3) & ~3);
    const rest = new Uint8Array(view.buffer, view.byteOffset + start, end - start);
    lines.push(`${indent}no attribute: ${formatBytes(rest)}`);
  }
}

function formatAttribute(
  lines: string[],
  attributes: AttributeReader,
  payload: Uint8Array,
  indent: string,
): void {
  const { view, type, offset, length } = attributes;
  const flags = view.getUint16(offset - NLA_HDRLEN + 2, HOST_IS_LITTLE_ENDIAN);
  const order = (flags & NLA_F_NET_BYTEORDER) === 0 ? "" : " network order";
  const nested = (flags & NLA_F_NESTED) !== 0;
  if (nested && indent.length < DEEPEST * INDENT.length) {
    lines.push(`${indent}[${type}]${order} nested, ${length} bytes`);
    formatAttributes(lines, view, offset, offset + length, indent + INDENT);
  } else {
    lines.push(`${indent}[${type}]${order}${nested ? " nested too deep," : ""} ${formatBytes(payload)}`);
  }
}

/** The length, the first bytes in hexadecimal, and the same as text where any of it is. */
export function formatBytes(bytes: Uint8Array): string {
  const size = bytes.length === 1 ? "1 byte" : `${bytes.length} bytes`;
  if (bytes.length === 0) return size;
  const shown = bytes.subarray(0, SHOWN_BYTES);
  const hexadecimal = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const more = bytes.length > shown.length ? " ..." : "";
  const text = printable(shown);
  return `${size}: ${hexadecimal}${more}${/[^.]/.test(text) ? ` "${text}"${more}` : ""}`;
}

/** The bytes as ASCII, up to trailing NULs; what a terminal must not see is a dot. */
export function printable(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return Array.from(bytes.subarray(0, end), (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
  ).join("");
}
