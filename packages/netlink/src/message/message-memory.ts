/** Memory that messages lie in, as bytes and as a view of the same. */
export interface MessageMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Where a message lies. Offsets are absolute in the view, which may span more. */
export interface MessagePlace {
  readonly view: DataView;
  /** Where the message starts, its header included. */
  readonly offset: number;
  /** Where the payload behind its header starts. */
  readonly payloadOffset: number;
  /** The first byte behind the message. */
  readonly end: number;
}

/** Bytes of one piece. A message that is kept keeps the piece it is in. */
const PIECE = 16_384;
/** A larger message has memory of its own. */
const LARGEST_IN_PIECE = 4096;

/**
 * Keeps copies of messages, many in one piece of memory: memory of its own for each costs several times as much as the copy of a small
 * message. A piece is the collector's when nobody has a message in it any more.
 */
export class MessageStore {
  #piece: MessageMemory | undefined;
  #used = 0;
  /** Where the last copy lies. */
  memory: MessageMemory = memoryOf(new Uint8Array(0));

  /** Copies what lies from `offset` to `end` of a view; returns where the copy starts in `memory`. */
  keep({ buffer, byteOffset }: DataView, offset: number, end: number): number {
    const length = end - offset;
    const bytes = new Uint8Array(buffer, byteOffset + offset, length);
    if (length > LARGEST_IN_PIECE) {
      this.memory = memoryOf(bytes.slice());
      return 0;
    }
    if (this.#piece === undefined || this.#used + length > PIECE) {
      this.#piece = memoryOf(new Uint8Array(PIECE));
      this.#used = 0;
    }
    const place = this.#used;
    this.#piece.bytes.set(bytes, place);
    this.#used = place + length;
    this.memory = this.#piece;
    return place;
  }
}

export function memoryOf(bytes: Uint8Array): MessageMemory {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}
