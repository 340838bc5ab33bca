import { DecodeError } from "../errors.js";
import type { Decoder } from "../message/outgoing.js";
import type { AttributeDefinitions } from "../schema/attribute-set.js";
import { MessageSchema } from "../schema/message-schema.js";
import { type StructFields, StructType } from "../schema/struct.js";
import { CommandHeader, commandOf } from "./command-header.js";
import type {
  CommandDefinitions,
  EventDefinitions,
  FamilyDefinition,
  NoAttributes,
} from "./family-definition.js";

/** A command with the schemas of its messages. */
export interface CommandSchema {
  readonly name: string;
  readonly command: number;
  readonly request: MessageSchema<unknown, unknown>;
  readonly replyCommand: number;
  /** Undefined where the kernel's ACK is the whole answer. */
  readonly reply: MessageSchema<unknown, unknown> | undefined;
  /** Reads replies by that schema, and throws DecodeError for one of another command. */
  readonly decoder: Decoder<unknown> | undefined;
}

/** What makes one event of a multicast message. */
export interface EventSchema {
  readonly name: string;
  readonly command: number;
  readonly body: MessageSchema<unknown, unknown>;
}

/** In a struct, the name of the field that CommandHeader stands in: no identifier, so that a family's own header has none like it. */
const COMMAND_HEADER = "generic netlink header";

/** A family of generic netlink as `defineFamily` describes it. */
export class FamilySchema<
  Header extends StructFields = StructFields,
  Commands extends CommandDefinitions = CommandDefinitions,
  Events extends EventDefinitions = EventDefinitions,
  Group extends string = string,
> {
  readonly name: string;
  readonly version: number;
  /** Bytes of the family's own header. */
  readonly headerLength: number;
  readonly definition: FamilyDefinition<Header, Commands, Events, Group>;
  readonly #commands: ReadonlyMap<string, CommandSchema>;
  readonly #events: ReadonlyMap<string, EventSchema>;

  /** See `defineFamily`. */
  constructor(name: string, definition: FamilyDefinition<Header, Commands, Events, Group>) {
    const { version = 1, header } = definition;
    this.name = name;
    this.version = version;
    this.definition = definition;
    this.headerLength = header?.size ?? 0;
    const commands = new Map<string, CommandSchema>();
    for (const [key, { command, request = {}, reply, replyCommand = command }] of Object.entries<
      CommandDefinitions[string]
    >(definition.commands ?? {})) {
      const replySchema = reply === undefined ? undefined : this.#message(key, replyCommand, reply);
      commands.set(key, {
        name: key,
        command,
        request: this.#message(key, command, request),
        replyCommand,
        reply: replySchema,
        decoder: replySchema && replyDecoder(key, replyCommand, replySchema),
      });
    }
    const events = new Map<string, EventSchema>();
    for (const [key, { command, attributes }] of Object.entries<EventDefinitions[string]>(
      definition.events ?? {},
    )) {
      const other = [...events.values()].find((event) => event.command === command);
      if (other !== undefined) {
        throw new TypeError(
          `the events ${other.name} and ${key} of ${name} both have the command ${command}`,
        );
      }
      events.set(key, { name: key, command, body: this.#message(key, command, attributes) });
    }
    this.#commands = commands;
    this.#events = events;
  }

  /** Throws TypeError where the family has no command of the name. */
  command(name: string): CommandSchema {
    const command = this.#commands.get(name);
    if (command === undefined) throw unknown("command", name, this.name, this.#commands.keys());
    return command;
  }

  /** Every command, in the order of the definition. */
  commands(): IterableIterator<CommandSchema> {
    return this.#commands.values();
  }

  /** Throws TypeError where the family has no event of the name. */
  event(name: string): EventSchema {
    const event = this.#events.get(name);
    if (event === undefined) throw unknown("event", name, this.name, this.#events.keys());
    return event;
  }

  /** Every event, in the order of the definition. */
  events(): IterableIterator<EventSchema> {
    return this.#events.values();
  }

  #message(name: string, command: number, attributes: AttributeDefinitions): MessageSchema<unknown, unknown> {
    const fields: StructFields = {
      [COMMAND_HEADER]: new CommandHeader(`${this.name}.${name}`, command, this.version),
      ...this.definition.header?.fields,
    };
    return new MessageSchema(new StructType(fields), attributes);
  }
}

function replyDecoder(
  name: string,
  replyCommand: number,
  reply: MessageSchema<unknown, unknown>,
): Decoder<unknown> {
  return {
    decode: (message) => {
      const command = commandOf(message);
      if (command !== replyCommand) {
        throw new DecodeError(
          `the reply to ${name} has the command ${command}, and its definition ${replyCommand} (replyCommand)`,
          message.payloadOffset - message.offset,
        );
      }
      return reply.decode(message);
    },
  };
}

function unknown(kind: string, name: string, family: string, known: Iterable<string>): TypeError {
  return new TypeError(
    `the definition of ${family} has no ${kind} ${JSON.stringify(name)}: it has ${[...known].join(", ") || "none"}`,
  );
}

/**
 * Defines a family: its commands and its multicast messages by name, with their attributes. Values to send, replies and events get their
 * types from it.
 *
 * Throws TypeError where numbers or names collide, or are out of range.
 *
 * @param name as the kernel has it, such as "ethtool"
 */
export function defineFamily<
  const Header extends StructFields = NoAttributes,
  const Commands extends CommandDefinitions = NoAttributes,
  const Events extends EventDefinitions = NoAttributes,
  const Group extends string = string,
>(
  name: string,
  definition: FamilyDefinition<Header, Commands, Events, Group>,
): FamilySchema<Header, Commands, Events, Group> {
  return new FamilySchema(name, definition);
}
