import type { AttributeNames } from "../schema/attribute-names.js";
import type { Message } from "./message.js";
import type { MessageWriter } from "./message-writer.js";

/** A message to send, as a schema's `message` makes it, or written by hand. */
export interface Outgoing {
  /** nlmsg_type. */
  readonly type: number;
  /**
   * nlmsg_flags. NLM_F_REQUEST is added, and NLM_F_ACK unless it is a dump (both bits of NLM_F_DUMP) or `acknowledge` is false.
   */
  readonly flags?: number | undefined;
  /** Asks for an ACK; true where undefined. Without one the kernel speaks up only on failure. */
  readonly acknowledge?: boolean | undefined;
  /** Writes what follows the message header. */
  readonly write?: ((writer: MessageWriter) => void) | undefined;
  /** Names what an error of the kernel is about. */
  readonly schema?: AttributeNames | undefined;
}

/** What makes something of received messages: a schema, or anything with a `decode`. */
export interface Decoder<T> {
  /** Reads a message, which is only valid until this returns. */
  decode(message: Message): T;
}
