import { align, NLM_F_REQUEST, NLMSG_HDRLEN } from "./abi.js";
import { EAGAIN, ENOBUFS, ENOMEM } from "./errno.js";
import { SystemError } from "./errors.js";
import { MessageWriter } from "./message-writer.js";
import type { Transport } from "./transport.js";

const NO_FRAME = -1;

/**
 * Writes messages into TX frames, many to a frame, and sends all that was committed in an event-loop turn together.
 * What is larger than a frame goes by copy, behind everything that was written before it.
 */
export class MessageSender {
  readonly #transport: Transport;
  readonly #onLost: (error: SystemError) => void;
  readonly #writer = new MessageWriter();
  #large: MessageWriter | undefined;
  #frame = NO_FRAME;
  #pending = false;
  #scheduled: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(transport: Transport, onLost: (error: SystemError) => void) {
    this.#transport = transport;
    this.#onLost = onLost;
  }

  /** A writer at the start of a message that takes at most `maximumLength` bytes behind its header. */
  compose(type: number, flags: number, maximumLength: number): MessageWriter {
    const { tx, portId } = this.#transport;
    const needed = NLMSG_HDRLEN + align(maximumLength);
    if (needed > tx.capacity) {
      this.#large = MessageWriter.growing();
      return this.#large.begin(type, flags | NLM_F_REQUEST, 0, portId);
    }
    if (
      this.#frame !== NO_FRAME &&
      this.#writer.position + needed > tx.payloadOffset(this.#frame) + tx.capacity
    ) {
      this.#closeFrame();
    }
    if (this.#frame === NO_FRAME) this.#openFrame();
    return this.#writer.begin(type, flags | NLM_F_REQUEST, 0, portId);
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

  /** Makes sure that what was committed leaves before the event-loop turn ends. */
  scheduleFlush(): void {
    if (!this.#pending || this.#scheduled !== undefined) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.flush();
    });
  }

  /** Sends what was committed. */
  flush(): void {
    if (!this.#pending) return;
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#closeFrame();
    const sent = this.#transport.drain();
    if (sent >= 0) {
      this.#pending = false;
      return;
    }
    if (sent !== EAGAIN && sent !== ENOBUFS && sent !== ENOMEM) {
      this.#onLost(new SystemError("sendmsg", sent));
      return;
    }
    // The frames stay committed. A timer and no immediate: the kernel wants memory, and a busy loop gives it none.
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, 1);
  }

  /** Sends a run of finished messages by copy, in a send of its own, behind what was committed. */
  sendRun(messages: Uint8Array): void {
    this.flush();
    const sent = this.#transport.send(messages);
    if (sent < 0) throw new SystemError("sendmsg", sent);
  }

  /** Forgets what was not sent. */
  stop(): void {
    clearImmediate(this.#scheduled);
    clearTimeout(this.#retry);
    this.#pending = false;
  }

  #openFrame(): void {
    const { tx } = this.#transport;
    let frame = tx.reserve();
    if (frame === NO_FRAME) {
      const sent = this.#transport.drain();
      frame = tx.reserve();
      if (frame === NO_FRAME) {
        throw new SystemError(
          "sendmsg",
          sent,
          "the kernel takes no messages now and every TX frame waits; try again",
        );
      }
    }
    const offset = tx.payloadOffset(frame);
    this.#frame = frame;
    this.#writer.aim(tx.bytes, tx.view, offset, offset + tx.capacity);
  }

  #closeFrame(): void {
    if (this.#frame === NO_FRAME) return;
    const { tx } = this.#transport;
    const length = this.#writer.position - tx.payloadOffset(this.#frame);
    this.#frame = NO_FRAME;
    if (length > 0) tx.commit(length);
    else tx.abandon();
  }
}
