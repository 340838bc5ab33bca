import { type EventSocket, Subscription } from "../events/subscription.js";
import type { Message } from "../message/message.js";
import type { Decoder } from "../message/outgoing.js";
import type { StructFields } from "../schema/struct.js";
import type { NetlinkSocket } from "../socket.js";
import { GENL_HDRLEN } from "./abi.js";
import { commandOf } from "./command-header.js";
import type { CommandDefinitions, EventDefinitions, FamilyEvent } from "./family-definition.js";
import type { EventSchema, FamilySchema } from "./family-schema.js";

/** A socket that passes over messages which the definition does not have: newer kernels send more kinds of them. */
class DefinedEvents implements EventSocket {
  readonly #socket: NetlinkSocket;
  readonly #familyId: number;
  readonly #byCommand: ReadonlyMap<number, EventSchema>;

  constructor(socket: NetlinkSocket, familyId: number, byCommand: ReadonlyMap<number, EventSchema>) {
    this.#socket = socket;
    this.#familyId = familyId;
    this.#byCommand = byCommand;
  }

  get losses(): number {
    return this.#socket.losses;
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  take(): Message | undefined {
    for (;;) {
      const message = this.#socket.take();
      if (message === undefined || this.#isDefined(message)) return message;
      message.release();
    }
  }

  readable(): Promise<void> {
    return this.#socket.readable();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  #isDefined(message: Message): boolean {
    if (message.type !== this.#familyId) return false;
    // One that is too short for a command is for the decoder to complain about.
    return message.end - message.payloadOffset < GENL_HDRLEN || this.#byCommand.has(commandOf(message));
  }
}

/** The messages of the groups that the socket has joined, by the names of the definition. */
export function familyEvents<
  Header extends StructFields,
  Commands extends CommandDefinitions,
  Events extends EventDefinitions,
  Group extends string,
>(
  socket: NetlinkSocket,
  schema: FamilySchema<Header, Commands, Events, Group>,
  familyId: number,
  senders: "kernel" | "any",
): Subscription<FamilyEvent<Header, Events>> {
  const byCommand = new Map([...schema.events()].map((event) => [event.command, event]));
  const decoder: Decoder<FamilyEvent<Header, Events>> = {
    decode: (message) => {
      const event = byCommand.get(commandOf(message));
      if (event === undefined) throw new TypeError(`the definition of ${schema.name} has no such event`);
      // The event's schema was made from the part of the definition that the type is made from.
      return { name: event.name, value: event.body.decode(message) } as FamilyEvent<Header, Events>;
    },
  };
  return new Subscription(new DefinedEvents(socket, familyId, byCommand), () => decoder, senders);
}
