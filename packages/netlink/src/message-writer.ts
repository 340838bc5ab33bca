import { align, HOST_IS_LITTLE_ENDIAN, NLA_F_NESTED, NLA_HDRLEN, NLMSG_HDRLEN } from "./abi.js";
import { EncodeError } from "./errors.js";

const UTF8 = new TextEncoder();
const EMPTY = new Uint8Array(0);

/**
 * Writes netlink messages one behind the other, either into memory that it is given (a ring frame, in place) or into
 * memory of its own that grows. Numbers are in host byte order unless the method's name says otherwise.
 *
 * A value that does not fit throws EncodeError and leaves the message unfinished; the next `begin` starts it anew.
 */
export class MessageWriter {
  #bytes: Uint8Array = EMPTY;
  #view: DataView = new DataView(EMPTY.buffer);
  #limit = 0;
  #grows = false;
  #start = 0;
  #position = 0;

  /** A writer with memory of its own, for messages that are sent by copy. */
  static growing(): MessageWriter {
    const writer = new MessageWriter();
    writer.#grows = true;
    writer.#grow(256);
    return writer;
  }

  /** Aims the writer at `bytes` from `offset` up to `limit`, all of them absolute in `bytes` and `view`. */
  aim(bytes: Uint8Array, view: DataView, offset: number, limit: number): void {
    this.#bytes = bytes;
    this.#view = view;
    this.#position = offset;
    this.#start = offset;
    this.#limit = limit;
    this.#grows = false;
  }

  /** What a growing writer has written so far. Valid until it is written to again. */
  finished(): Uint8Array {
    return this.#bytes.subarray(0, this.#start);
  }

  /** Absolute offset behind the last finished message. */
  get position(): number {
    return this.#start;
  }

  /** Starts a message: its header, whose length `end` fills in. Flags are taken as they are. */
  begin(type: number, flags: number, sequence: number, portId: number): this {
    this.#position = this.#start;
    const at = this.#take(NLMSG_HDRLEN);
    this.#view.setUint16(at + 4, type, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 6, flags, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint32(at + 8, sequence, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint32(at + 12, portId, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  /** Finishes the message: stores its length and pads it, so that another can follow. */
  end(): void {
    this.#view.setUint32(this.#start, this.#position - this.#start, HOST_IS_LITTLE_ENDIAN);
    this.pad();
    this.#start = this.#position;
  }

  uint8(value: number): this {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
    return this;
  }

  uint16(value: number): this {
    const at = this.#take(2);
    this.#view.setUint16(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  uint16Network(value: number): this {
    const at = this.#take(2);
    this.#view.setUint16(at, value);
    return this;
  }

  uint32(value: number): this {
    const at = this.#take(4);
    this.#view.setUint32(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  uint32Network(value: number): this {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /**
   * Starts an attribute of exactly `length` bytes that the calls behind it write; where the length is no multiple of 4, `pad`
   * closes it.
   */
  attribute(type: number, length: number): this {
    const at = this.#take(NLA_HDRLEN);
    this.#view.setUint16(at, NLA_HDRLEN + length, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, type, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  /** Writes zeros up to the next multiple of 4. */
  pad(): this {
    // Aligned to the message, whose start lies at a multiple of 4.
    const end = this.#start + align(this.#position - this.#start);
    const at = this.#take(end - this.#position);
    for (let offset = at; offset < end; offset++) this.#view.setUint8(offset, 0);
    return this;
  }

  attributeUint8(type: number, value: number): this {
    const at = this.#sized(type, 1);
    this.#view.setUint8(at, value);
    return this;
  }

  attributeUint16Network(type: number, value: number): this {
    const at = this.#sized(type, 2);
    this.#view.setUint16(at, value);
    return this;
  }

  attributeUint32(type: number, value: number): this {
    const at = this.#sized(type, 4);
    this.#view.setUint32(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  attributeUint32Network(type: number, value: number): this {
    const at = this.#sized(type, 4);
    this.#view.setUint32(at, value);
    return this;
  }

  attributeBytes(type: number, value: Uint8Array): this {
    const at = this.#sized(type, value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Text with the NUL at its end that the kernel's string attributes have. */
  attributeString(type: number, value: string): this {
    const text = UTF8.encode(value);
    const at = this.#sized(type, text.length + 1);
    this.#bytes.set(text, at);
    this.#bytes[at + text.length] = 0;
    return this;
  }

  /** Opens a nested attribute, with NLA_F_NESTED, and returns the token that closes it. */
  openNested(type: number): number {
    return this.#sized(type | NLA_F_NESTED, 0) - NLA_HDRLEN;
  }

  /** Closes the nested attribute that `openNested` returned the token of. */
  closeNested(token: number): this {
    const length = this.#position - token;
    if (length > 0xffff) throw new EncodeError(`nested attribute of ${length} bytes: 65,535 is the most`);
    this.#view.setUint16(token, length, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  /** Writes an attribute's header and pads behind its payload; returns the payload's offset. */
  #sized(type: number, length: number): number {
    // nla_len excludes the padding: the kernel takes padding that is included for payload.
    if (length > 0xffff - NLA_HDRLEN) {
      throw new EncodeError(`attribute ${type} of ${length} bytes: 65,531 is the most`);
    }
    const at = this.#take(NLA_HDRLEN + length);
    this.#view.setUint16(at, NLA_HDRLEN + length, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, type, HOST_IS_LITTLE_ENDIAN);
    this.pad();
    return at + NLA_HDRLEN;
  }

  #take(length: number): number {
    const at = this.#position;
    if (at + length > this.#limit) {
      if (!this.#grows) {
        throw new EncodeError(`message of more than ${this.#limit - this.#start} bytes: ask for more room`);
      }
      this.#grow(at + length);
    }
    this.#position = at + length;
    return at;
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#limit = bytes.length;
  }
}
