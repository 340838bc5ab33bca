import { align, NLM_F_REQUEST, NLMSG_HDRLEN } from "../abi.js";
import type { Diagnostics } from "../diagnostics/diagnostics.js";
import { EAGAIN, ECONNREFUSED, EMSGSIZE, ENOBUFS, ENOMEM } from "../errno.js";
import { SystemError } from "../errors.js";
import { MessageWriter } from "../message/message-writer.js";
import type { Transport } from "../transport/transport.js";

const NO_FRAME = -1;

/**
 * Writes messages into TX frames, many to a frame, and sends all that was committed in an event-loop turn together.
 * What is larger than a frame goes by copy, behind everything that was committed before it.
 */
export class MessageSender {
  readonly #transport: Transport;
  readonly #diagnostics: Diagnostics;
  readonly #onLost: (error: SystemError) => void;
  readonly #writer = new MessageWriter();
  #large: MessageWriter | undefined;
  #frame = NO_FRAME;
  /** Where the room of that frame ends. */
  #frameEnd = 0;
  #pending = false;
  #scheduled: NodeJS.Immediate | undefined;
  // Made once: a function that has one in it takes 40 bytes for its variables at every call, needed or not.
  readonly #flushScheduled = (): void => {
    this.#scheduled = undefined;
    this.flush();
  };
  #retry: NodeJS.Timeout | undefined;
  #retries = 0;
  #beforeFlush: (() => void) | undefined;
  #gathering = false;

  constructor(transport: Transport, diagnostics: Diagnostics, onLost: (error: SystemError) => void) {
    this.#transport = transport;
    this.#diagnostics = diagnostics;
    this.#onLost = onLost;
  }

  /** Sends that the system had no memory for; what they held stayed and was tried again. */
  get retries(): number {
    return this.#retries;
  }

  /** Names what is called before anything leaves, in the place of what was named before. */
  beforeFlush(callback: () => void): void {
    this.#beforeFlush = callback;
  }

  /** A writer at the start of a message that takes at most `maximumLength` bytes behind its header. */
  compose(type: number, flags: number, maximumLength: number): MessageWriter {
    const { tx, portId } = this.#transport;
    // One that was not committed is given up.
    this.#large = undefined;
    const needed = NLMSG_HDRLEN + align(maximumLength);
    if (needed > tx.capacity) {
      this.#large = MessageWriter.growing();
      return this.#large.begin(type, flags | NLM_F_REQUEST, 0, portId);
    }
    this.#makeRoom(needed);
    return this.#writer.begin(type, flags | NLM_F_REQUEST, 0, portId);
  }

  /**
   * Takes room for a whole message of `length` bytes, its header included, and returns where it starts in the view of the TX ring. It leaves
   * with the next `flush`. Throws EncodeError where it does not fit a frame, and SystemError where none is free.
   */
  place(length: number): number {
    this.#large = undefined;
    this.#makeRoom(length);
    const place = this.#writer.skip(length);
    this.#pending = true;
    return place;
  }

  /** Finishes the message; it leaves with the next `flush`. */
  commit(): void {
    const large = this.#large;
    if (large === undefined) {
      this.#writer.end();
      this.#pending = true;
      return;
    }
    this.#large = undefined;
    large.end();
    this.sendRun(large.finished());
  }

  /** Makes sure that what was committed leaves before the event loop waits again. */
  scheduleFlush(): void {
    if (this.#pending) this.flushSoon();
  }

  /** Calls what `beforeFlush` named, and sends what it commits, before the event loop waits again. */
  flushSoon(): void {
    // What is written while a flush gathers leaves with it.
    if (!this.#gathering) this.#scheduled ??= setImmediate(this.#flushScheduled);
  }

  /** Sends what was committed. Returns 0, or the negative error number with which the system refused it. */
  flush(): number {
    this.#gather();
    if (!this.#pending) return 0;
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const writer = this.#writer;
    const composing = this.#large === undefined && writer.isOpen;
    this.#closeFrame();
    const sent = this.#drain();
    if (sent < 0) {
      if (composing) writer.detach();
      return sent;
    }
    this.#pending = false;
    if (composing) {
      const { tx } = this.#transport;
      const offset = tx.payloadOffset(this.#reserveFrame());
      this.#frameEnd = offset + tx.capacity;
      writer.moveTo(tx.bytes, tx.view, offset, this.#frameEnd);
    }
    return 0;
  }

  /** Sends a run of finished messages by copy, in a send of its own, behind what was committed. Throws SystemError. */
  sendRun(messages: Uint8Array): void {
    const flushed = this.flush();
    // What waits must not be overtaken.
    if (flushed === 0) this.#diagnostics.sent(messages, 0, messages.length);
    const sent = flushed < 0 ? flushed : this.#transport.send(messages);
    if (sent < 0) throw sendError(sent);
  }

  /** Forgets what was not sent, and takes nothing more: the transport is about to close. */
  stop(): void {
    this.#beforeFlush = undefined;
    clearImmediate(this.#scheduled);
    clearTimeout(this.#retry);
    this.#pending = false;
    this.#large = undefined;
    this.#frame = NO_FRAME;
    this.#writer.detach();
  }

  /**
   * Lets whoever keeps messages back write them. A message that is being composed would be given up for them, so they wait for the flush behind
   * its commit.
   */
  #gather(): void {
    if (this.#beforeFlush === undefined || this.#gathering) return;
    if (this.#large !== undefined || this.#writer.isOpen) return;
    this.#gathering = true;
    try {
      this.#beforeFlush();
    } finally {
      this.#gathering = false;
    }
  }

  /** Sends the committed frames. Those that the system has no memory for stay committed and are tried again. */
  #drain(): number {
    const sent = this.#transport.drain();
    if (sent >= 0) return sent;
    if (sent !== EAGAIN && sent !== ENOBUFS && sent !== ENOMEM) {
      this.#onLost(sendError(sent));
      return sent;
    }
    this.#retries++;
    // A timer and no immediate: the kernel wants memory, and a busy loop gives it none.
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, 1);
    return sent;
  }

  /** Aims the writer at a frame with room for so many bytes more. */
  #makeRoom(length: number): void {
    const writer = this.#writer;
    if (this.#frame !== NO_FRAME) {
      if (writer.position + length <= this.#frameEnd) return;
      this.#closeFrame();
    }
    const { tx } = this.#transport;
    const offset = tx.payloadOffset(this.#reserveFrame());
    this.#frameEnd = offset + tx.capacity;
    writer.aim(tx.bytes, tx.view, offset, this.#frameEnd);
  }

  #reserveFrame(): number {
    const { tx } = this.#transport;
    this.#frame = tx.reserve();
    if (this.#frame === NO_FRAME) {
      const sent = this.#drain();
      if (sent < 0) throw sendError(sent);
      this.#frame = tx.reserve();
      if (this.#frame === NO_FRAME) throw sendError(EAGAIN);
    }
    return this.#frame;
  }

  /** Hands the finished messages of the frame over. */
  #closeFrame(): void {
    if (this.#frame === NO_FRAME) return;
    const { tx } = this.#transport;
    const offset = tx.payloadOffset(this.#frame);
    const end = this.#writer.position;
    this.#frame = NO_FRAME;
    if (end > offset) {
      tx.commit(end - offset);
      this.#diagnostics.sent(tx.bytes, offset, end);
    } else tx.abandon();
  }
}

function sendError(errno: number): SystemError {
  return new SystemError("sendmsg", errno, SEND_ADVICE.get(errno));
}

const BUSY = "the kernel takes no messages now, and what was composed before waits: try again in a moment";

const SEND_ADVICE: ReadonlyMap<number, string> = new Map([
  [EAGAIN, BUSY],
  [ENOBUFS, BUSY],
  [ENOMEM, BUSY],
  [EMSGSIZE, "the messages of one send exceed the socket's send buffer: send fewer or smaller ones together"],
  [ECONNREFUSED, "nothing in this kernel, or in this network namespace, answers on the netlink protocol"],
]);
