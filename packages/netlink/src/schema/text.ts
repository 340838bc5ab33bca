import type { MessageWriter } from "../message/message-writer.js";
import { checkedLength } from "./bytes.js";
import { Fault, shown } from "./fault.js";
import { PayloadType, tooShort } from "./payload-type.js";

// A byte-order mark is data here like any other.
const UTF8_DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
const UTF8_ENCODER = new TextEncoder();
/** Beyond this, TextDecoder is faster than its call is dear. */
const SHORT = 24;

/** UTF-8 up to the first NUL, or to the end. */
export function readText(view: DataView, offset: number, length: number): string {
  const end = offset + length;
  if (length <= SHORT) {
    let text = "";
    let at = offset;
    for (; at < end; at++) {
      const code = view.getUint8(at);
      if (code === 0) return text;
      if (code > 0x7f) break;
      text += String.fromCharCode(code);
    }
    if (at === end) return text;
  }
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
  const terminator = bytes.indexOf(0);
  // TextDecoder refuses views of shared memory, so it gets a copy.
  return UTF8_DECODER.decode(bytes.slice(0, terminator < 0 ? length : terminator));
}

function encodedText(value: unknown): Uint8Array {
  if (typeof value !== "string") throw new Fault(`text is needed, not ${shown(value)}`);
  if (value.includes("\0")) throw new Fault("text with a NUL in it: it would end there");
  return UTF8_ENCODER.encode(value);
}

class StringType extends PayloadType<string> {
  readonly #terminated: boolean;

  constructor(terminated: boolean) {
    super(undefined);
    this.#terminated = terminated;
  }

  read(view: DataView, offset: number, length: number): string {
    return readText(view, offset, length);
  }

  write(writer: MessageWriter, value: unknown): void {
    writer.bytes(encodedText(value));
    if (this.#terminated) writer.uint8(0);
  }
}

/** UTF-8 text: written with the NUL at its end that the kernel's NLA_NUL_STRING wants, read up to the first NUL or to the end. */
export const string: PayloadType<string> = new StringType(true);

/** UTF-8 text without a NUL at its end when written. */
export const stringWithoutNul: PayloadType<string> = new StringType(false);

class FixedStringType extends PayloadType<string> {
  declare readonly size: number;

  read(view: DataView, offset: number, length: number): string {
    if (length < this.size) throw tooShort(length, this.size);
    return readText(view, offset, this.size);
  }

  write(writer: MessageWriter, value: unknown): void {
    const text = encodedText(value);
    if (text.length >= this.size) {
      throw new Fault(`text of ${text.length} bytes where ${this.size - 1} and a NUL have room`);
    }
    writer.bytes(text);
    for (let at = text.length; at < this.size; at++) writer.uint8(0);
  }
}

/** UTF-8 text in a field of `length` bytes, its NUL included: for structs. */
export function fixedString(length: number): PayloadType<string> {
  return new FixedStringType(checkedLength(length));
}
