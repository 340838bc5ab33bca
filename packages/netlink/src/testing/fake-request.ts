import { NLM_F_ACK } from "../abi.js";
import type { Message } from "../message/message.js";
import type { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";
import {
  type AcknowledgementDetails,
  buildAcknowledgement,
  buildMessage,
  type FailureDetails,
} from "./fake-answer.js";
import { dumpChunks, type FakeDumpOptions } from "./fake-dump.js";
import type { FakeSocket } from "./memory-socket.js";

/** One message that a socket sent to the fake kernel. */
export interface KernelRequest {
  readonly protocol: number;
  /** The message, read as any other: `schema.decode(request.message)`. */
  readonly message: Message;
  /** The socket that sent it. */
  readonly transport: FakeSocket;
  /** Answers with a message of the request's sequence number, such as `schema.message(type, value)` makes. */
  reply(message: Outgoing): void;
  reply(type: number, flags: number, write?: (writer: MessageWriter) => void): void;
  /**
   * Answers with a dump. The items are asked for when the reader has room for them, a chunk at a time, and the end is told behind them; a
   * second dump of the socket fails with EBUSY while one runs.
   */
  dump(items: Iterable<Outgoing>, options?: FakeDumpOptions): void;
  /** Acknowledges the request with a warning or a cookie, where it asked for an ACK. */
  acknowledge(details: AcknowledgementDetails): void;
  /**
   * Answers with an error: a negative Linux error number, and what the extended ACK says of it, if only in words. A socket without
   * NETLINK_EXT_ACK gets the number alone.
   */
  fail(errno: number, details?: string | FailureDetails): void;
}

/** A request and what becomes of it. What answers is bound: handlers take their parameter apart. */
export class FakeRequest implements KernelRequest {
  readonly protocol: number;
  readonly message: Message;
  readonly transport: FakeSocket;
  #concluded = false;

  constructor(protocol: number, message: Message, transport: FakeSocket) {
    this.protocol = protocol;
    this.message = message;
    this.transport = transport;
    // Handlers take what they need apart: `({ message, reply, fail }) => …`.
    this.reply = this.reply.bind(this);
    this.dump = this.dump.bind(this);
    this.acknowledge = this.acknowledge.bind(this);
    this.fail = this.fail.bind(this);
  }

  readonly reply = (
    message: Outgoing | number,
    flags?: number,
    write?: (writer: MessageWriter) => void,
  ): void => {
    const outgoing = typeof message === "number" ? { type: message, flags, write } : message;
    const { transport } = this;
    transport.deliver(buildMessage(outgoing, this.message.sequence, transport.portId));
  };

  readonly dump = (items: Iterable<Outgoing>, options: FakeDumpOptions = {}): void => {
    this.#concluded = true;
    const { transport } = this;
    const { sequence } = this.message;
    const extended = transport.options.extendedAck;
    const chunks = dumpChunks(items, options, { sequence, portId: transport.portId, extended });
    const refused = transport.startDump(chunks);
    if (refused !== 0) this.#conclude(refused, {});
  };

  readonly acknowledge = (details: AcknowledgementDetails): void => {
    if ((this.message.flags & NLM_F_ACK) === 0) this.#concluded = true;
    else this.#conclude(0, details);
  };

  readonly fail = (errno: number, details: string | FailureDetails = {}): void => {
    this.#conclude(errno, typeof details === "string" ? { text: details } : details);
  };

  /** The handler has returned: acknowledges what was not answered otherwise. */
  finish(): void {
    if (!this.#concluded) this.acknowledge({});
  }

  #conclude(errno: number, details: FailureDetails): void {
    this.#concluded = true;
    const { transport } = this;
    transport.deliver(
      buildAcknowledgement(this.message, transport.portId, errno, details, {
        extended: transport.options.extendedAck,
        capped: transport.options.shortErrors,
      }),
    );
  }
}
