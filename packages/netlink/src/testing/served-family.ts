import { NLM_F_DUMP, NLM_F_MULTI, NLMSG_DONE } from "../abi.js";
import { GENL_CMD_CAP_DO, GENL_CMD_CAP_DUMP, GENL_CMD_CAP_HASPOL } from "../generic/abi.js";
import { commandOf } from "../generic/command-header.js";
import type { EncodableFamily } from "../generic/controller.js";
import type {
  CommandDefinition,
  CommandDefinitions,
  EncodableBody,
  EventDefinitions,
  ReceivedRequest,
  SentReply,
} from "../generic/family-definition.js";
import type { CommandSchema, FamilySchema } from "../generic/family-schema.js";
import type { FamilyPolicy } from "../generic/policy.js";
import type { StructFields } from "../schema/struct.js";
import type { FakeKernel } from "./fake-kernel.js";
import type { KernelRequest } from "./fake-request.js";

const EOPNOTSUPP = -95;

/** What a handler throws to have a request refused. Any error with a negative `errno` does, such as a KernelError. */
export class Refusal extends Error {
  readonly errno: number;
  /** What the kernel says in words, as the extended ACK. */
  readonly kernelText: string | undefined;

  /** @param errno a negative Linux error number; throws RangeError for any other */
  constructor(errno: number, kernelText?: string) {
    if (!(errno < 0)) throw new RangeError(`${errno} is no negative error number, such as -22`);
    super(kernelText ?? `error ${errno}`);
    this.name = "Refusal";
    this.errno = errno;
    this.kernelText = kernelText;
  }
}

/** What a handler is told beside the request's values. */
export interface RequestDetails {
  /** nlmsg_flags. */
  readonly flags: number;
  /** True for a dump, whose items a handler returns as an array. */
  readonly dump: boolean;
}

/**
 * What answers a family's commands, by their names: it returns the reply, several of them, which are the items of a dump, or nothing, for
 * an ACK alone. It throws a Refusal to have the request refused. Commands without a handler are refused with EOPNOTSUPP.
 */
export type FamilyHandlers<Header extends StructFields, Commands extends CommandDefinitions> = {
  readonly [Name in keyof Commands]?: FamilyHandler<Header, Commands[Name]>;
};

/** Conditional, so that the compiler works it out before it looks at what a handler returns: literals stay literals. */
export type FamilyHandler<Header extends StructFields, Command> = Command extends CommandDefinition
  ? (
      request: ReceivedRequest<Header, Command>,
      details: RequestDetails,
    ) => SentReply<Header, Command> | readonly SentReply<Header, Command>[] | undefined
  : never;

/** How a family is served. */
export interface ServedFamilyOptions {
  /** Multicast groups, where the definition names none, or not all. */
  readonly groups?: readonly string[] | undefined;
  /** What the family says that it accepts; nothing is checked against it. */
  readonly policy?: FamilyPolicy | undefined;
}

/** A family that a fake kernel has. */
export class ServedFamily<
  Header extends StructFields = StructFields,
  Commands extends CommandDefinitions = CommandDefinitions,
  Events extends EventDefinitions = EventDefinitions,
  Group extends string = string,
> {
  readonly id: number;
  /** Numbers of the multicast groups by name. */
  readonly groups: ReadonlyMap<string, number>;
  readonly policy: FamilyPolicy;
  readonly schema: FamilySchema<Header, Commands, Events, Group>;
  readonly #kernel: FakeKernel;
  readonly #handlers: ReadonlyMap<string, (request: unknown, details: RequestDetails) => unknown>;
  readonly #onRemove: () => void;

  /** See `FakeGenericKernel.serveFamily`. */
  constructor(
    kernel: FakeKernel,
    schema: FamilySchema<Header, Commands, Events, Group>,
    handlers: FamilyHandlers<Header, Commands>,
    { id, groups, policy, onRemove }: ServedFamilyPlace,
  ) {
    this.#kernel = kernel;
    this.schema = schema;
    // Each handler takes what the schema of the command of its name decodes.
    this.#handlers = new Map(
      Object.entries(handlers as Record<string, (request: unknown, details: RequestDetails) => unknown>),
    );
    this.id = id;
    this.groups = groups;
    this.policy = policy;
    this.#onRemove = onRemove;
  }

  /** What the controller says of it. */
  get description(): EncodableFamily {
    const operations = [...this.schema.commands()].map(({ command, reply }) => {
      const hasPolicy = this.policy.has(command) ? GENL_CMD_CAP_HASPOL : 0;
      const canDump = reply === undefined ? 0 : GENL_CMD_CAP_DUMP;
      return { id: command, flags: GENL_CMD_CAP_DO | canDump | hasPolicy };
    });
    const { name, version, headerLength } = this.schema;
    const groups = [...this.groups].map(([group, id]) => ({ id, name: group }));
    return {
      name,
      id: this.id,
      version,
      headerLength,
      maximumAttribute: 0,
      // As the kernel, which leaves empty nests out.
      operations: operations.length > 0 ? operations : undefined,
      groups: groups.length > 0 ? groups : undefined,
    };
  }

  /** Sends an event to the sockets in a group; returns how many had room for it. Throws TypeError where there is no such group or event. */
  multicast<Name extends keyof Events & string>(
    group: Group,
    event: Name,
    value: EncodableBody<Header, Events[Name]["attributes"]>,
  ): number {
    const number = this.groups.get(group);
    if (number === undefined) {
      throw new TypeError(`${this.schema.name} is served without the group ${JSON.stringify(group)}`);
    }
    const { body } = this.schema.event(event);
    return this.#kernel.multicast(number, this.id, (writer) => body.write(writer, value));
  }

  /** Takes the family away, as when its module is unloaded. The controller says so. */
  remove(): void {
    this.#onRemove();
  }

  /** Answers a request for the family. */
  handle(request: KernelRequest): void {
    const { message } = request;
    const dump = (message.flags & NLM_F_DUMP) === NLM_F_DUMP;
    const number = commandOf(message);
    const command = [...this.schema.commands()].find((one) => one.command === number);
    const handler = command && this.#handlers.get(command.name);
    if (command === undefined || handler === undefined) {
      request.fail(EOPNOTSUPP);
      return;
    }
    let answer: unknown;
    try {
      answer = handler(command.request.decode(message), { flags: message.flags, dump });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      request.fail(error.errno, typeof error.kernelText === "string" ? error.kernelText : undefined);
      return;
    }
    this.#reply(request, command, answer, dump);
  }

  #reply(request: KernelRequest, { name, reply }: CommandSchema, answer: unknown, dump: boolean): void {
    const replies: readonly unknown[] = Array.isArray(answer) ? answer : answer === undefined ? [] : [answer];
    if (replies.length > 0 && reply === undefined) {
      throw new TypeError(`the handler of ${name} returns a reply, and its definition has none`);
    }
    for (const value of replies) {
      request.reply(this.id, dump ? NLM_F_MULTI : 0, (writer) => reply?.write(writer, value));
    }
    if (dump) request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
  }
}

/** The family's place in its kernel. */
export interface ServedFamilyPlace {
  readonly id: number;
  readonly groups: ReadonlyMap<string, number>;
  readonly policy: FamilyPolicy;
  readonly onRemove: () => void;
}

function isRefusal(error: unknown): error is { readonly errno: number; readonly kernelText?: unknown } {
  return error instanceof Error && "errno" in error && typeof error.errno === "number" && error.errno < 0;
}
