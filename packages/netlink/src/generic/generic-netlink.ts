import { NETLINK_GENERIC } from "../abi.js";
import type { EventBody, EventDecoder } from "../events/event-decoder.js";
import type { SubscribeOptions, Subscription } from "../events/subscription.js";
import type { Dump, DumpOptions } from "../request/dump.js";
import type { StructFields } from "../schema/struct.js";
import { NetlinkSocket } from "../socket.js";
import type { SocketOptions } from "../socket-options.js";
import { GENL_ID_CTRL } from "./abi.js";
import { familyDecoder, type GenericFamily, groupNumber, nlctrl } from "./controller.js";
import { FamilyCache } from "./family-cache.js";
import { FamilyClient } from "./family-client.js";
import type { CommandDefinitions, EventDefinitions } from "./family-definition.js";
import type { FamilySchema } from "./family-schema.js";
import { type FamilyPolicy, requestPolicy } from "./policy.js";

/**
 * Generic netlink: families by name. It has a socket for requests, and one that hears when families come and go, which never keeps the
 * process alive.
 */
export class GenericNetlink implements AsyncDisposable {
  /** The socket that requests go over: for its statistics, and for messages by hand. */
  readonly socket: NetlinkSocket;
  readonly #families: FamilyCache;
  readonly #options: SocketOptions;

  private constructor(socket: NetlinkSocket, families: FamilyCache, options: SocketOptions) {
    this.socket = socket;
    this.#families = families;
    this.#options = options;
  }

  /** Opens it, with the options of `NetlinkSocket.open`, and rejects as that does. Needs no privilege; some commands and groups do. */
  static async open(options: SocketOptions = {}): Promise<GenericNetlink> {
    const socket = await NetlinkSocket.open(NETLINK_GENERIC, options);
    try {
      return new GenericNetlink(socket, await FamilyCache.open(socket, options), options);
    } catch (error) {
      await socket.close();
      throw error;
    }
  }

  /**
   * A family by name. The kernel is asked once, and again after the controller said that the family changed, or such messages were lost.
   * The kernel loads the family's module where it can. Rejects with FamilyNotFoundError.
   */
  family(name: string): Promise<GenericFamily> {
    return this.#families.find(name);
  }

  /** Every family of the network namespace. */
  families(options?: DumpOptions): Dump<GenericFamily> {
    return this.socket.dump(
      nlctrl.command("getFamily").request.message(GENL_ID_CTRL),
      familyDecoder,
      options,
    );
  }

  /**
   * What a family accepts, by the number of the command (Linux 5.10): empty where it has no policies. Rejects with FamilyNotFoundError,
   * and with KernelError EOPNOTSUPP where the kernel does not tell.
   */
  async policy(name: string): Promise<FamilyPolicy> {
    return requestPolicy(this.socket, await this.#families.ask(name));
  }

  /**
   * A family's commands and events, typed by its definition. Rejects with FamilyNotFoundError, and with FamilyHeaderError where the
   * kernel's family has another header.
   */
  async client<
    Header extends StructFields,
    Commands extends CommandDefinitions,
    Events extends EventDefinitions,
    Group extends string,
  >(
    schema: FamilySchema<Header, Commands, Events, Group>,
  ): Promise<FamilyClient<Header, Commands, Events, Group>> {
    const family = await this.#families.find(schema.name);
    const support = {
      socket: this.socket,
      families: this.#families,
      // A signal ends what it was given to: this one's is not the subscription's.
      openSocket: (options: SocketOptions) =>
        NetlinkSocket.open(NETLINK_GENERIC, { ...this.#options, signal: undefined, ...options }),
    };
    return new FamilyClient(support, schema, family);
  }

  /**
   * Joins multicast groups of a family by name, on a socket of its own, as `NetlinkSocket.subscribe` does by number. A client's
   * `subscribe` knows the family's messages by name too.
   *
   * Rejects with GroupNotFoundError, FamilyNotFoundError and SystemError.
   */
  async subscribe<D extends EventDecoder>(
    family: string,
    groups: string | readonly string[],
    item: D,
    options?: SubscribeOptions,
  ): Promise<Subscription<EventBody<D>>> {
    // Asked anew: to have joined a group that is gone would show in nothing but silence.
    const found = await this.#families.ask(family);
    const numbers = (typeof groups === "string" ? [groups] : groups).map((group) =>
      groupNumber(found, group),
    );
    return this.socket.subscribe(numbers, item, options);
  }

  /** Closes both sockets; what is pending rejects with SocketClosedError. Subscriptions are sockets of their own and stay. */
  async close(): Promise<void> {
    await Promise.all([this.socket.close(), this.#families.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
