import type { Acknowledgement } from "../message/acknowledgement.js";
import { PLAIN_ACKNOWLEDGEMENT } from "../message/acknowledgement.js";
import type { Message } from "../message/message.js";
import type { Decoder, Outgoing } from "../message/outgoing.js";
import type { RequestOptions } from "../socket-options.js";
import { RequestGroup, SoleReply, SoleRequest } from "./request-group.js";
import { asksForDump, type Requester, SoleDump } from "./requester.js";

/** What a request needs of its socket. */
export interface AskedSocket {
  readonly requester: Requester;
  /** Throws where the socket is closed. */
  assertOpen(): void;
}

type Answer<T> = Acknowledgement | readonly Acknowledgement[] | T;

/** `NetlinkSocket.request` in all its forms. */
export function ask<T>(
  socket: AskedSocket,
  messages: Outgoing | readonly Outgoing[],
  second: Decoder<T> | RequestOptions | undefined,
  third: RequestOptions,
): Promise<Answer<T>> {
  return new Promise<Answer<T>>((resolve, reject) => {
    if (second === undefined && "type" in messages) {
      askOne(socket, messages, new SoleRequest(resolve, reject));
      return;
    }
    const [options, decoder] =
      second !== undefined && "decode" in second ? [third, second] : [second ?? {}, undefined];
    if (!("type" in messages)) {
      askAll(socket, messages, new RequestGroup(messages.length, options, resolve, reject), options);
      return;
    }
    if (decoder === undefined) {
      const finish = ([acknowledgement]: readonly Acknowledgement[]): void =>
        resolve(acknowledgement ?? PLAIN_ACKNOWLEDGEMENT);
      askOne(socket, messages, new RequestGroup(1, options, finish, reject), options);
      return;
    }
    const reply = new SoleReply(messages.type, decoder);
    const settings = { ...options, visit: (message: Message) => reply.visit(message) };
    const finish = (): void => {
      try {
        resolve(reply.take());
      } catch (error) {
        reject(error);
      }
    };
    askOne(socket, messages, new RequestGroup(1, settings, finish, reject), settings);
  });
}

function askOne(
  { requester, assertOpen }: AskedSocket,
  message: Outgoing,
  owner: SoleRequest | RequestGroup,
  options?: RequestOptions,
): void {
  try {
    assertOpen();
    options?.signal?.throwIfAborted();
    if (asksForDump(message)) requester.startDump(new SoleDump(requester, message, owner));
    else requester.enqueue(message, owner);
  } catch (error) {
    owner.refuse(error);
  }
}

function askAll(
  socket: AskedSocket,
  messages: readonly Outgoing[],
  group: RequestGroup,
  options: RequestOptions,
): void {
  const [first] = messages;
  if (messages.length === 1 && first !== undefined) {
    askOne(socket, first, group, options);
    return;
  }
  try {
    socket.assertOpen();
    options.signal?.throwIfAborted();
    if (first === undefined) group.settle(0, undefined);
    else socket.requester.sendTogether(messages, group);
  } catch (error) {
    group.refuse(error);
  }
}
