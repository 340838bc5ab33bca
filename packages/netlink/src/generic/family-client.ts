import { KernelError } from "../errors.js";
import type { SubscribeOptions, Subscription } from "../events/subscription.js";
import type { Decoder, Outgoing } from "../message/outgoing.js";
import type { DumpOptions } from "../request/dump.js";
import type { StructFields } from "../schema/struct.js";
import type { NetlinkSocket } from "../socket.js";
import type { RequestOptions } from "../socket-options.js";
import { type GenericFamily, groupNumber } from "./controller.js";
import { FamilyHeaderError } from "./errors.js";
import type { FamilyCache } from "./family-cache.js";
import type {
  CommandDefinitions,
  DumpName,
  EventDefinitions,
  FamilyEvent,
  ReplyBody,
  RequestBody,
  RequestResult,
} from "./family-definition.js";
import { FamilyDump } from "./family-dump.js";
import { familyEvents } from "./family-events.js";
import type { FamilySchema } from "./family-schema.js";

/** How a command is sent, and how long its answer may take. */
export interface FamilyRequestOptions extends Omit<RequestOptions, "visit"> {
  /** nlmsg_flags beside those of any request, such as NLM_F_CREATE. */
  readonly flags?: number | undefined;
}

/** How a command is dumped, and how long. */
export interface FamilyDumpOptions extends DumpOptions {
  /** nlmsg_flags beside those of any dump. */
  readonly flags?: number | undefined;
}

/** What a client needs of the GenericNetlink it belongs to. */
export interface ClientSupport {
  readonly socket: NetlinkSocket;
  readonly families: FamilyCache;
  /** A socket of its own with the same options. */
  openSocket(options: Omit<SubscribeOptions, "senders">): Promise<NetlinkSocket>;
}

/** A family's commands and events, typed by its definition. It holds nothing open: it works as long as its GenericNetlink does. */
export class FamilyClient<
  Header extends StructFields = StructFields,
  Commands extends CommandDefinitions = CommandDefinitions,
  Events extends EventDefinitions = EventDefinitions,
  Group extends string = string,
> {
  readonly #support: ClientSupport;
  readonly #schema: FamilySchema<Header, Commands, Events, Group>;
  #family: GenericFamily;

  /** See `GenericNetlink.client`. */
  constructor(
    support: ClientSupport,
    schema: FamilySchema<Header, Commands, Events, Group>,
    family: GenericFamily,
  ) {
    this.#support = support;
    this.#schema = schema;
    this.#family = this.#checked(family);
  }

  /** The family as it was last resolved. */
  get family(): GenericFamily {
    return this.#family;
  }

  /**
   * Sends a command and resolves with the one reply that its definition has, or where it has none, with what the ACK said. Rejects as
   * `NetlinkSocket.request` does, with DecodeError where the reply has another command than the definition says, with FamilyNotFoundError
   * where the family was unloaded, and with TypeError where the definition has no such command.
   */
  request<Name extends keyof Commands & string>(
    name: Name,
    value?: RequestBody<Header, Commands[Name]>,
    options: FamilyRequestOptions = {},
  ): Promise<RequestResult<Header, Commands[Name]>> {
    const { socket } = this.#support;
    const result = this.#attempt((family) => {
      const { request, decoder } = this.#schema.command(name);
      const message = request.message(family.id, value, options.flags);
      return decoder === undefined
        ? socket.request(message, options)
        : socket.request(message, decoder, options);
    });
    // The command's schemas were made from the part of the definition that the types are made from.
    return result as Promise<RequestResult<Header, Commands[Name]>>;
  }

  /**
   * The list that the kernel hands out for a command, as `NetlinkSocket.dump` does: iterate it with `for await`, or take all of it with
   * `all()`. Throws TypeError where the definition has no such command, or none with a reply.
   */
  dump<Name extends DumpName<Commands>>(
    name: Name,
    value?: RequestBody<Header, Commands[Name]>,
    options: FamilyDumpOptions = {},
  ): FamilyDump<ReplyBody<Header, Commands[Name]>> {
    const { request, decoder } = this.#schema.command(name);
    if (decoder === undefined) throw new TypeError(`${name} of ${this.#schema.name} has no reply to dump`);
    const message = (family: GenericFamily): Outgoing => request.message(family.id, value, options.flags);
    // As in request().
    const item = decoder as Decoder<ReplyBody<Header, Commands[Name]>>;
    return new FamilyDump(
      () => this.#current(),
      (family, error) => this.#successor(family, error),
      (family) => this.#support.socket.dump(message(family), item, options),
    );
  }

  /**
   * Joins multicast groups by name, on a socket of its own. Each event's `body` has the `name` of the definition and the decoded `value`;
   * messages that the definition does not have are passed over. The groups are those of the family as it is now: where it is unloaded,
   * the subscription hears nothing more, of a later one neither.
   *
   * Rejects with GroupNotFoundError, FamilyNotFoundError and SystemError.
   */
  async subscribe(
    groups: Group | readonly Group[],
    options: SubscribeOptions = {},
  ): Promise<Subscription<FamilyEvent<Header, Events>>> {
    const { senders = "kernel", ...rest } = options;
    // Asked anew: to have joined a group that is gone would show in nothing but silence.
    const family = this.#checked(await this.#support.families.ask(this.#schema.name));
    const numbers = (typeof groups === "string" ? [groups] : groups).map((group) =>
      groupNumber(family, group),
    );
    const socket = await this.#support.openSocket(rest);
    try {
      for (const number of numbers) socket.addMembership(number);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return familyEvents(socket, this.#schema, family.id, senders);
  }

  async #attempt(send: (family: GenericFamily) => Promise<unknown>): Promise<unknown> {
    // Sent within the call where the family is known: in order with what the caller does next.
    const family = this.#known() ?? (await this.#current());
    try {
      return await send(family);
    } catch (error) {
      const successor = await this.#successor(family, error);
      if (successor === undefined) throw error;
      return send(successor);
    }
  }

  #known(): GenericFamily | undefined {
    const family = this.#support.families.known(this.#schema.name);
    return family === undefined ? undefined : this.#checked(family);
  }

  async #current(): Promise<GenericFamily> {
    return this.#checked(await this.#support.families.find(this.#schema.name));
  }

  /**
   * The family to send a refused request to once more; undefined where the refusal stands.
   *
   * Where no family has the number, the kernel answers ENOENT before it looks at anything else, and without words. A family that was
   * loaded again has another number, so a request that was refused so, and whose number is no longer the family's, has not been carried
   * out: it may be repeated, also one that changes something. Where the number is still the family's, the ENOENT is its own answer, and
   * is passed on. (Had the family itself refused it and been loaded again before the look-up, what it did went with it.)
   */
  async #successor(family: GenericFamily, error: unknown): Promise<GenericFamily | undefined> {
    if (!(error instanceof KernelError) || error.code !== "ENOENT") return undefined;
    if (error.kernelText !== undefined || error.offset !== undefined) return undefined;
    const current = this.#checked(await this.#support.families.ask(this.#schema.name));
    return current.id === family.id ? undefined : current;
  }

  #checked(family: GenericFamily): GenericFamily {
    const { name, headerLength } = this.#schema;
    if (family.headerLength !== headerLength)
      throw new FamilyHeaderError(name, headerLength, family.headerLength);
    this.#family = family;
    return family;
  }
}
