import type { Acknowledgement } from "../message/acknowledgement.js";
import type {
  AttributeDefinitions,
  DecodedAttributes,
  EncodableAttributes,
} from "../schema/attribute-set.js";
import type { Flattened } from "../schema/payload-type.js";
import type { DecodedFields, EncodableFields, StructFields, StructType } from "../schema/struct.js";

/** A command of a family: what is asked, and what the kernel answers. */
export interface CommandDefinition {
  /** Its number in the family's header. */
  readonly command: number;
  /** The attributes of the request; none where undefined. */
  readonly request?: AttributeDefinitions | undefined;
  /** The attributes of a reply, or of each item of a dump; the kernel's ACK is all there is where undefined. */
  readonly reply?: AttributeDefinitions | undefined;
  /** The number of the command that replies have, where it is not that of the request. */
  readonly replyCommand?: number | undefined;
}

/** A message that a family sends to its multicast groups. */
export interface EventDefinition {
  /** Its number in the family's header. */
  readonly command: number;
  readonly attributes: AttributeDefinitions;
}

/** Commands by the names that the client has them under. */
export type CommandDefinitions = Readonly<Record<string, CommandDefinition>>;
/** Events by the names that subscriptions have them under. */
export type EventDefinitions = Readonly<Record<string, EventDefinition>>;

/** What `defineFamily` takes beside the name. */
export interface FamilyDefinition<
  Header extends StructFields,
  Commands extends CommandDefinitions,
  Events extends EventDefinitions,
  Group extends string,
> {
  /** The version that requests say they are of; 1 where undefined. Most families do not look at it. */
  readonly version?: number | undefined;
  /** The struct of the family's own between the header of generic netlink and the attributes; most families have none. */
  readonly header?: StructType<Header> | undefined;
  /** Commands by the names that they are to have. */
  readonly commands?: Commands | undefined;
  /** Messages of its multicast groups by the names that they are to have. */
  readonly events?: Events | undefined;
  /** Names of its multicast groups, as the kernel has them; any name is taken where undefined. */
  readonly groups?: readonly Group[] | undefined;
}

export type NoAttributes = Record<never, never>;

type RequestAttributes<Command> = Command extends {
  readonly request: infer Attributes extends AttributeDefinitions;
}
  ? Attributes
  : NoAttributes;

type ReplyAttributes<Command> = Command extends {
  readonly reply: infer Attributes extends AttributeDefinitions;
}
  ? Attributes
  : NoAttributes;

/** What a message decodes to: the fields of the family's header and the attributes in one flat object. */
export type DecodedBody<Header extends StructFields, Attributes extends AttributeDefinitions> = Flattened<
  DecodedFields<Header> & DecodedAttributes<Attributes>
>;

/** What a message is encoded from. */
export type EncodableBody<Header extends StructFields, Attributes extends AttributeDefinitions> = Flattened<
  EncodableFields<Header> & EncodableAttributes<Attributes>
>;

/** What a request with the command takes. */
export type RequestBody<Header extends StructFields, Command> = EncodableBody<
  Header,
  RequestAttributes<Command>
>;

/** What a request with the command is to whoever answers it. */
export type ReceivedRequest<Header extends StructFields, Command> = DecodedBody<
  Header,
  RequestAttributes<Command>
>;

/** A reply as whoever answers gives it. */
export type SentReply<Header extends StructFields, Command> = EncodableBody<Header, ReplyAttributes<Command>>;

/** What each reply to the command, or each item of its dump, is. */
export type ReplyBody<Header extends StructFields, Command> = DecodedBody<Header, ReplyAttributes<Command>>;

/** What a request with the command resolves with: the reply where one is defined, else what the ACK said. */
export type RequestResult<Header extends StructFields, Command> = Command extends {
  readonly reply: AttributeDefinitions;
}
  ? ReplyBody<Header, Command>
  : Acknowledgement;

/** The names of the commands that have replies, so that they can be dumped. */
export type DumpName<Commands extends CommandDefinitions> = {
  [Name in keyof Commands]: Commands[Name] extends { readonly reply: AttributeDefinitions } ? Name : never;
}[keyof Commands] &
  string;

/** A message of a multicast group: a union that `name` tells apart. */
export type FamilyEvent<Header extends StructFields, Events extends EventDefinitions> = {
  [Name in keyof Events & string]: {
    /** The name that the definition gives it. */
    readonly name: Name;
    readonly value: DecodedBody<Header, Events[Name]["attributes"]>;
  };
}[keyof Events & string];
