import { RingError } from "./errors.js";
import type { KernelRxRing } from "./kernel-rx-ring.js";
import type { MessageSource } from "./kernel-side.js";

const EINVAL = -22;

/** A message that the kernel builds, in a ring frame where one was given to it. It ends with one of the two calls. */
export interface MessageBuild {
  /** Where to write. */
  readonly bytes: Uint8Array;
  /**
   * Hands the first `length` bytes to the reader. False where an overrun lost them. Throws RingError ERR_FRAME_LENGTH for more than were
   * allocated, ERR_FRAME_NOT_RESERVED where the message was delivered or freed before.
   */
  deliver(length: number, source?: MessageSource): boolean;
  /**
   * Gives the message up; in a ring the reader finds an empty frame, and nobody is woken for it. Throws RingError ERR_FRAME_NOT_RESERVED where
   * the message was delivered or freed before.
   */
  free(): void;
}

/** One end for each message: a second one would hand out a frame that is another's by then. */
class BuildEnd {
  #ended = false;

  end(): void {
    if (this.#ended) {
      throw new RingError(
        "the message was delivered or freed already: allocate another one",
        "ERR_FRAME_NOT_RESERVED",
      );
    }
    this.#ended = true;
  }

  /** The same, for a message of so many bytes. */
  endWith(length: number, allocated: number): void {
    if (!Number.isInteger(length) || length < 0 || length > allocated) {
      throw new RingError(
        `a message of ${length} bytes where ${allocated} were allocated: allocate the most that it can take`,
        "ERR_FRAME_LENGTH",
        EINVAL,
      );
    }
    this.end();
  }
}

/** A message that is built where its reader will find it. */
export class RingBuild implements MessageBuild {
  readonly bytes: Uint8Array;
  readonly #rx: KernelRxRing;
  readonly #frame: number;
  readonly #shift: number;
  readonly #onDelivered: () => void;
  readonly #end = new BuildEnd();

  /** @param shift bytes of the frame's payload in front of the message */
  constructor(rx: KernelRxRing, frame: number, size: number, shift: number, onDelivered: () => void) {
    const offset = rx.payload(frame) + shift;
    this.bytes = rx.bytes.subarray(offset, offset + size);
    this.#rx = rx;
    this.#frame = frame;
    this.#shift = shift;
    this.#onDelivered = onDelivered;
  }

  deliver(length: number, source: MessageSource = {}): boolean {
    this.#end.endWith(length, this.bytes.length);
    const rx = this.#rx;
    // The other ring was set up in between, and this one moved.
    if (rx.bytes.buffer !== this.bytes.buffer)
      rx.bytes.set(this.bytes, rx.payload(this.#frame) + this.#shift);
    rx.publish(this.#frame, length, source);
    this.#onDelivered();
    return true;
  }

  free(): void {
    this.#end.end();
    this.#rx.free(this.#frame);
  }
}

/** A message that is built elsewhere, for a socket without a ring or where no frame is large enough, and copied when it is finished. */
export class SeparateBuild implements MessageBuild {
  readonly bytes: Uint8Array;
  readonly #deliver: (message: Uint8Array, source: MessageSource) => boolean;
  readonly #end = new BuildEnd();

  constructor(size: number, deliver: (message: Uint8Array, source: MessageSource) => boolean) {
    this.bytes = new Uint8Array(size);
    this.#deliver = deliver;
  }

  deliver(length: number, source: MessageSource = {}): boolean {
    this.#end.endWith(length, this.bytes.length);
    return this.#deliver(this.bytes.subarray(0, length), source);
  }

  free(): void {
    this.#end.end();
  }
}
