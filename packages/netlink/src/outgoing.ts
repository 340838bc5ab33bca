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

/** Names attributes by their places in a message, for what the kernel complains about. */
export interface AttributeNames {
  /**
   * The path of the attribute, or of the header's field, that lies at a byte of a message: such as "linkInfo.kind". Undefined where none does.
   *
   * @param bytes the memory the message lies in, from `messageOffset`
   * @param offset counted from the start of the message
   */
  pathOf(bytes: Uint8Array, messageOffset: number, offset: number): string | undefined;
  /**
   * The path that an attribute of a type would have in the nest at `nestOffset`, counted from the start of the message, or outside of
   * all nests where undefined.
   */
  nameOf(
    bytes: Uint8Array,
    messageOffset: number,
    nestOffset: number | undefined,
    type: number,
  ): string | undefined;
}

/** What makes something of received messages: a schema, or anything with a `decode`. */
export interface Decoder<T> {
  /** Reads a message, which is only valid until this returns. */
  decode(message: Message): T;
}
