import { checkBytes, checkRange } from "./edit-memory.js";
import { DatagramEditError } from "./errors.js";
import { uint8 } from "./network-order.js";
import { TCPOPT_NOP } from "./protocols.js";
import { type TcpOption, tcpOptionLength } from "./tcp-option.js";

/** What the data offset, four bits of words, leaves beside the 20 bytes of the header. */
const MOST_OPTION_BYTES = 40;

/** The bytes of options, padded with end-of-list to whole words. */
export function encodeTcpOptions(options: Iterable<Pick<TcpOption, "kind" | "value">>): Uint8Array {
  const octets: number[] = [];
  for (const { kind, value } of options) append(octets, kind, value);
  return padded(octets);
}

/** Options with that of one kind set, added or, for undefined, removed; all others stay as they are, up to the first broken one. */
export function changeTcpOption(
  options: Uint8Array,
  kind: number,
  value: Uint8Array | undefined,
): Uint8Array {
  const octets: number[] = [];
  let pending = value;
  let at = 0;
  for (;;) {
    const length = tcpOptionLength(options, at, options.length);
    if (length === 0) break;
    if (uint8(options, at) !== kind) octets.push(...options.subarray(at, at + length));
    else if (pending !== undefined) {
      append(octets, kind, pending);
      pending = undefined;
    }
    at += length;
  }
  // No-operations at the end are padding, which is made anew.
  while (octets.at(-1) === TCPOPT_NOP && endsInNoOperation(octets)) octets.pop();
  if (pending !== undefined) append(octets, kind, pending);
  return padded(octets);
}

/** True where the last octet is an option of its own and not the end of another's value. */
function endsInNoOperation(octets: readonly number[]): boolean {
  const options = Uint8Array.from(octets);
  let at = 0;
  while (at < options.length - 1) at += tcpOptionLength(options, at, options.length);
  return at === options.length - 1;
}

function append(octets: number[], kind: number, value: Uint8Array): void {
  checkRange("kind", kind, 0xff);
  if (kind <= TCPOPT_NOP) {
    throw new DatagramEditError(
      "ERR_OUT_OF_RANGE",
      `option kind ${kind} is padding, which is made by itself`,
    );
  }
  checkBytes("value", value);
  checkRange("length of the option's value", value.length, MOST_OPTION_BYTES - 2);
  octets.push(kind, value.length + 2, ...value);
}

function padded(octets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array((octets.length + 3) & ~3);
  if (bytes.length > MOST_OPTION_BYTES) {
    throw new DatagramEditError(
      "ERR_OUT_OF_RANGE",
      `the options would have ${octets.length} bytes, and a TCP header has room for ${MOST_OPTION_BYTES}: remove another first`,
    );
  }
  bytes.set(octets);
  return bytes;
}
