import { align, HOST_IS_LITTLE_ENDIAN, NLA_F_NESTED, NLA_HDRLEN, NLA_TYPE_MASK } from "../abi.js";
import { DecodeError } from "../errors.js";

// A byte-order mark is data here like any other.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A cursor over a run of attributes (struct nlattr) that are read in place: it makes no views and no objects.
 *
 * ```js
 * const attributes = new AttributeReader(message.view, message.payloadOffset + 4, message.end);
 * while (attributes.next()) {
 *   if (attributes.type === 1) mark = attributes.uint32Network();
 * }
 * ```
 *
 * Every length is checked against the run before use. The last attribute may lack its padding, as the kernel's
 * packet messages do. A run that is shorter than its own family header holds no attributes: structures differ in length
 * between kernels. A reader is valid as long as the memory below it.
 */
export class AttributeReader {
  readonly view: DataView;
  /** nla_type without the nesting and byte-order flags. */
  type = 0;
  /** nla_type with its flags, NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
  typeWithFlags = 0;
  /** Absolute offset in `view` of the attribute's payload. */
  offset = 0;
  /** Length of the payload in bytes, padding excluded. */
  length = 0;
  readonly #origin: number;
  readonly #end: number;
  #next: number;

  /**
   * @param offset where the first attribute starts, absolute in `view`
   * @param end the first byte behind the run, absolute in `view`
   * @param origin what the offsets in errors count from: the start of the message, where it is known
   */
  constructor(view: DataView, offset: number, end: number, origin: number = offset) {
    this.view = view;
    this.#origin = origin;
    this.#end = end;
    this.#next = offset;
  }

  /** Moves to the next attribute. False at the end; throws DecodeError where a length leaves the run. */
  next(): boolean {
    const at = this.#next;
    if (at + NLA_HDRLEN > this.#end) {
      // Up to three bytes of padding may follow the last attribute; anything longer would have been a header.
      return false;
    }
    const length = this.view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
    if (length < NLA_HDRLEN || at + length > this.#end) {
      throw new DecodeError(`attribute length ${length} does not fit its message`, at - this.#origin);
    }
    this.typeWithFlags = this.view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN);
    this.type = this.typeWithFlags & NLA_TYPE_MASK;
    this.offset = at + NLA_HDRLEN;
    this.length = length - NLA_HDRLEN;
    this.#next = at + align(length);
    return true;
  }

  /** True where the sender set NLA_F_NESTED: the kernel does not on all of its nests. */
  get isNested(): boolean {
    return (this.typeWithFlags & NLA_F_NESTED) !== 0;
  }

  uint8(): number {
    return this.view.getUint8(this.#checked(1));
  }

  /** Host byte order. */
  uint16(): number {
    return this.view.getUint16(this.#checked(2), HOST_IS_LITTLE_ENDIAN);
  }

  /** Host byte order. */
  uint32(): number {
    return this.view.getUint32(this.#checked(4), HOST_IS_LITTLE_ENDIAN);
  }

  /** Network byte order. */
  uint16Network(): number {
    return this.view.getUint16(this.#checked(2));
  }

  /** Network byte order. */
  uint32Network(): number {
    return this.view.getUint32(this.#checked(4));
  }

  /** Host byte order. */
  uint64(): bigint {
    return this.view.getBigUint64(this.#checked(8), HOST_IS_LITTLE_ENDIAN);
  }

  /** Network byte order. */
  uint64Network(): bigint {
    return this.view.getBigUint64(this.#checked(8));
  }

  int8(): number {
    return this.view.getInt8(this.#checked(1));
  }

  /** Host byte order. */
  int16(): number {
    return this.view.getInt16(this.#checked(2), HOST_IS_LITTLE_ENDIAN);
  }

  /** Host byte order. */
  int32(): number {
    return this.view.getInt32(this.#checked(4), HOST_IS_LITTLE_ENDIAN);
  }

  /** Host byte order. */
  int64(): bigint {
    return this.view.getBigInt64(this.#checked(8), HOST_IS_LITTLE_ENDIAN);
  }

  /** Network byte order. */
  int16Network(): number {
    return this.view.getInt16(this.#checked(2));
  }

  /** Network byte order. */
  int32Network(): number {
    return this.view.getInt32(this.#checked(4));
  }

  /** Network byte order. */
  int64Network(): bigint {
    return this.view.getBigInt64(this.#checked(8));
  }

  /** The payload as text, up to its first NUL. */
  string(): string {
    const bytes = this.bytes();
    const end = bytes.indexOf(0);
    // TextDecoder refuses views of shared memory, and a copy of a short text is cheap.
    return UTF8.decode(Uint8Array.from(end < 0 ? bytes : bytes.subarray(0, end)));
  }

  /** The payload as a view of the memory below, valid as long as that is. */
  bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.offset, this.length);
  }

  /** A reader over the attributes nested in this one. */
  nested(): AttributeReader {
    return new AttributeReader(this.view, this.offset, this.offset + this.length, this.#origin);
  }

  #checked(size: number): number {
    if (this.length < size) {
      throw new DecodeError(
        `attribute ${this.type} has ${this.length} bytes where ${size} are read`,
        this.offset - this.#origin,
      );
    }
    return this.offset;
  }
}
