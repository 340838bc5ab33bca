import { align, HOST_IS_LITTLE_ENDIAN, NLA_F_NESTED, NLA_HDRLEN, NLMSG_HDRLEN } from "../abi.js";
import { EncodeError } from "../errors.js";

const UTF8 = new TextEncoder();
const EMPTY = new Uint8Array(0);
const EMPTY_VIEW = new DataView(EMPTY.buffer);

/**
 * Writes netlink messages one behind the other, either into memory that it is given (a ring frame, in place) or into
 * memory of its own that grows. Numbers are in host byte order unless the method's name says otherwise, and lose what
 * exceeds their size, as with DataView.
 *
 * What does not fit throws EncodeError and gives the message up: `end` then refuses it, and the next `begin` starts in its place.
 */
export class MessageWriter {
  #bytes: Uint8Array = EMPTY;
  /** The start of `#bytes` as it was asked for last: a view costs more than the message that most requests are. */
  #finished: Uint8Array = EMPTY;
  #view: DataView = EMPTY_VIEW;
  #limit = 0;
  #grows = false;
  #open = false;
  #start = 0;
  #position = 0;

  /** Starts over in the memory that a growing writer has. */
  rewind(): void {
    this.#start = 0;
    this.#position = 0;
    this.#open = false;
  }

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
    this.#finished = EMPTY;
    this.#view = view;
    this.#position = offset;
    this.#start = offset;
    this.#limit = limit;
    this.#grows = false;
    this.#open = false;
  }

  /** Takes the unfinished message along to other memory, where it goes on; the arguments are as in `aim`. */
  moveTo(bytes: Uint8Array, view: DataView, offset: number, limit: number): void {
    const written = this.#position - this.#start;
    // Right also where both lie in one memory and overlap.
    bytes.set(this.#bytes.subarray(this.#start, this.#position), offset);
    this.aim(bytes, view, offset, limit);
    this.#position = offset + written;
    this.#open = true;
  }

  /** Gives up the unfinished message and the memory: nothing can be written before the next `aim`. */
  detach(): void {
    this.aim(EMPTY, EMPTY_VIEW, 0, 0);
  }

  /** True between `begin` and `end`. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** What a growing writer has written so far. Valid until it is written to again. */
  finished(): Uint8Array {
    if (this.#finished.length !== this.#start) this.#finished = this.#bytes.subarray(0, this.#start);
    return this.#finished;
  }

  /** Absolute offset behind the last finished message. */
  get position(): number {
    return this.#start;
  }

  /** Bytes of the unfinished message so far, its header included. */
  get written(): number {
    return this.#position - this.#start;
  }

  /** Starts a message: its header, whose length `end` fills in. Flags are taken as they are. */
  begin(type: number, flags: number, sequence: number, portId: number): this {
    this.#position = this.#start;
    const at = this.#take(NLMSG_HDRLEN);
    this.#open = true;
    this.#view.setUint16(at + 4, type, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 6, flags, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint32(at + 8, sequence, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint32(at + 12, portId, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  /**
   * Finishes the message: stores its length and pads it, so that another can follow. Throws EncodeError where none was begun, or
   * where it was given up.
   */
  end(): void {
    if (!this.#open) {
      throw new EncodeError(
        "no message to finish: it was never begun, or it was given up when something did not fit",
      );
    }
    this.#view.setUint32(this.#start, this.#position - this.#start, HOST_IS_LITTLE_ENDIAN);
    this.pad();
    this.#start = this.#position;
    this.#open = false;
  }

  /** Leaves room for a whole message that somebody else writes, and returns where it starts. `length` is a multiple of 4. */
  skip(length: number): number {
    const at = this.#start;
    this.#position = at;
    this.#take(length);
    this.#start = this.#position;
    this.#open = false;
    return at;
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

  uint64(value: bigint): this {
    const at = this.#take(8);
    this.#view.setBigUint64(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  uint64Network(value: bigint): this {
    const at = this.#take(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  int8(value: number): this {
    const at = this.#take(1);
    this.#view.setInt8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.#take(2);
    this.#view.setInt16(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  int16Network(value: number): this {
    const at = this.#take(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#take(4);
    this.#view.setInt32(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  int32Network(value: number): this {
    const at = this.#take(4);
    this.#view.setInt32(at, value);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#take(8);
    this.#view.setBigInt64(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  int64Network(value: bigint): this {
    const at = this.#take(8);
    this.#view.setBigInt64(at, value);
    return this;
  }

  /** Bytes as they are, without padding. */
  bytes(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /**
   * Starts an attribute of exactly `length` bytes that the calls behind it write; where the length is no multiple of 4, `pad`
   * closes it.
   */
  attribute(type: number, length: number): this {
    this.#checkLength(type, length);
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

  attributeUint16(type: number, value: number): this {
    const at = this.#sized(type, 2);
    this.#view.setUint16(at, value, HOST_IS_LITTLE_ENDIAN);
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

  attributeUint64(type: number, value: bigint): this {
    const at = this.#sized(type, 8);
    this.#view.setBigUint64(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  attributeUint64Network(type: number, value: bigint): this {
    const at = this.#sized(type, 8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  attributeInt8(type: number, value: number): this {
    const at = this.#sized(type, 1);
    this.#view.setInt8(at, value);
    return this;
  }

  attributeInt16(type: number, value: number): this {
    const at = this.#sized(type, 2);
    this.#view.setInt16(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  attributeInt32(type: number, value: number): this {
    const at = this.#sized(type, 4);
    this.#view.setInt32(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  attributeInt64(type: number, value: bigint): this {
    const at = this.#sized(type, 8);
    this.#view.setBigInt64(at, value, HOST_IS_LITTLE_ENDIAN);
    return this;
  }

  /** An attribute without a payload, whose presence is what it says. */
  attributeFlag(type: number): this {
    this.#sized(type, 0);
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
    return this.openAttribute(type | NLA_F_NESTED);
  }

  /** Closes the nested attribute that `openNested` returned the token of. */
  closeNested(token: number): this {
    return this.closeAttribute(token);
  }

  /** Opens an attribute whose length is not known before its payload was written, and returns the token that closes it. */
  openAttribute(type: number): number {
    // Counted from the message's start: the message may be moved before it is closed.
    return this.#sized(type, 0) - NLA_HDRLEN - this.#start;
  }

  /** Closes the attribute that `openAttribute` returned the token of: stores its length and pads behind it. */
  closeAttribute(token: number): this {
    const at = this.#start + token;
    const length = this.#position - at;
    if (length > 0xffff)
      throw this.#giveUp(`an attribute of ${length} bytes with its header: 65,535 is the most`);
    this.#view.setUint16(at, length, HOST_IS_LITTLE_ENDIAN);
    return this.pad();
  }

  /** Gives the unfinished message up: `end` refuses it, and the next `begin` starts in its place. */
  abandon(): void {
    this.#open = false;
  }

  /** Writes an attribute's header and pads behind its payload; returns the payload's offset. */
  #sized(type: number, length: number): number {
    // nla_len excludes the padding: the kernel takes padding that is included for payload.
    this.#checkLength(type, length);
    const at = this.#take(NLA_HDRLEN + length);
    this.#view.setUint16(at, NLA_HDRLEN + length, HOST_IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, type, HOST_IS_LITTLE_ENDIAN);
    this.pad();
    return at + NLA_HDRLEN;
  }

  #checkLength(type: number, length: number): void {
    if (length > 0xffff - NLA_HDRLEN) {
      throw this.#giveUp(`attribute ${type} of ${length} bytes: 65,531 is the most`);
    }
  }

  #take(length: number): number {
    const at = this.#position;
    if (at + length > this.#limit) {
      if (!this.#grows) {
        throw this.#giveUp(
          `the message takes more than the ${this.#limit - this.#start} bytes there are: ask for more room when composing it`,
        );
      }
      this.#grow(at + length);
    }
    this.#position = at + length;
    return at;
  }

  #giveUp(reason: string): EncodeError {
    this.#open = false;
    return new EncodeError(reason);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#finished = EMPTY;
    this.#view = new DataView(bytes.buffer);
    this.#limit = bytes.length;
  }
}
