import { DecodeError } from "../errors.js";
import type { Message } from "../message/message.js";
import type { MessageWriter } from "../message/message-writer.js";
import { PaddingType } from "../schema/bytes.js";
import { GENL_HDRLEN } from "./abi.js";

/**
 * struct genlmsghdr as a part of a message that has no field in objects: what it says follows from which command is written. A name for
 * the command in the object would be one that no attribute could have.
 */
export class CommandHeader extends PaddingType {
  readonly #command: number;
  readonly #version: number;

  /** Throws TypeError where one of them is no 8-bit number. */
  constructor(name: string, command: number, version: number) {
    super(GENL_HDRLEN);
    this.#command = checked(command, `the command of ${name}`);
    this.#version = checked(version, `the version of ${name}`);
  }

  override write(writer: MessageWriter): void {
    writer.uint8(this.#command).uint8(this.#version).uint16(0);
  }
}

function checked(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xff) {
    throw new TypeError(`${what} is ${value}: it is a number from 0 to 255`);
  }
  return value;
}

/** The command of a message of generic netlink. Throws DecodeError where the message is too short for one. */
export function commandOf(message: Message): number {
  const length = message.end - message.payloadOffset;
  if (length < GENL_HDRLEN) {
    throw new DecodeError(
      `${length} bytes where the header of generic netlink takes ${GENL_HDRLEN}`,
      message.payloadOffset - message.offset,
    );
  }
  return message.view.getUint8(message.payloadOffset);
}
