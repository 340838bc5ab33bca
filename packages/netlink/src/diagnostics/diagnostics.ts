import { type Channel, channel } from "node:diagnostics_channel";
import type { Transport, TransportKind } from "../transport/transport.js";

/** Name of the channel on which sockets publish what they send, as MessagesSent. */
export const SEND_CHANNEL = "nlring.netlink.send";
/** Name of the channel on which sockets publish what they receive, as MessagesReceived. */
export const RECEIVE_CHANNEL = "nlring.netlink.receive";
/** Name of the channel on which sockets publish what they lose, as MessagesLost. */
export const LOSS_CHANNEL = "nlring.netlink.loss";

/** The socket that publishes. */
export interface DiagnosticsSource {
  /** The netlink protocol, such as NETLINK_ROUTE. */
  readonly protocol: number;
  /** The netlink port of the socket. */
  readonly portId: number;
  readonly transport: TransportKind;
}

/**
 * Published for every frame, and every run of messages by copy, when it is handed to the transport, in order of sending. What the system then
 * refuses was published all the same: the socket's own errors tell of it. What it puts off is not published again.
 */
export interface MessagesSent extends DiagnosticsSource {
  /** One message or several, each padded to 4 bytes. A borrowed view, valid only during the call: copy what is kept, write nothing. */
  readonly bytes: Uint8Array;
}

/**
 * Published once for every frame or copied message that is read, before any of its messages is seen by a visitor or a reader, in the order
 * in which the socket reads them. Answers and events alike.
 */
export interface MessagesReceived extends DiagnosticsSource {
  /**
   * What the kernel delivered in one piece: one message, or several of a dump. Nothing in it was checked. A borrowed view, valid only during
   * the call: copy what is kept, write nothing.
   */
  readonly bytes: Uint8Array;
  /** Netlink port of the sender; 0 is the kernel itself. (In a kernel ring: its process id.) */
  readonly senderPort: number;
  /** The multicast group it was sent to, or 0. */
  readonly group: number;
}

/** The ways to lose messages; each has its counter of this name in `socket.statistics` (an overrun in `overruns`). */
export type LossKind = "overrun" | "discarded" | "truncated" | "malformed";

/** Published when a socket finds out that messages were lost. */
export interface MessagesLost extends DiagnosticsSource {
  readonly kind: LossKind;
  /** How many are known to be lost. An overrun stands for one or more; a malformed message takes the rest of its frame along. */
  readonly count: number;
}

// Held here for good: Node forgets a channel that nobody refers to.
const send: Channel = channel(SEND_CHANNEL);
const receive: Channel = channel(RECEIVE_CHANNEL);
const loss: Channel = channel(LOSS_CHANNEL);

/**
 * Publishes what one socket does. Where nobody subscribes, each call is one check and nothing more. An error that a subscriber throws is no
 * concern of the socket: diagnostics_channel raises it as an uncaught exception, in a later tick.
 */
export class Diagnostics {
  readonly #protocol: number;
  readonly #transport: Pick<Transport, "portId" | "kind">;
  #malformedFrames = 0;

  constructor(protocol: number, transport: Pick<Transport, "portId" | "kind">) {
    this.#protocol = protocol;
    this.#transport = transport;
  }

  /** The messages in `bytes` from `offset` to `end` are about to be sent. */
  sent(bytes: Uint8Array, offset: number, end: number): void {
    if (!send.hasSubscribers) return;
    const published: MessagesSent = { ...this.#source(), bytes: bytes.subarray(offset, end) };
    send.publish(published);
  }

  /** The messages in `bytes` from `offset` to `end` were received; nothing where the run is empty. */
  received(bytes: Uint8Array, offset: number, end: number, senderPort: number, group: number): void {
    if (!receive.hasSubscribers || offset >= end) return;
    const published: MessagesReceived = {
      ...this.#source(),
      bytes: bytes.subarray(offset, end),
      senderPort,
      group,
    };
    receive.publish(published);
  }

  /** `total` frames of the ring so far broke its format: what came since the last call is lost. */
  malformedFrames(total: number): void {
    const count = total - this.#malformedFrames;
    if (count === 0) return;
    this.#malformedFrames = total;
    this.lost("malformed", count);
  }

  lost(kind: LossKind, count = 1): void {
    if (!loss.hasSubscribers) return;
    const published: MessagesLost = { ...this.#source(), kind, count };
    loss.publish(published);
  }

  #source(): DiagnosticsSource {
    const { portId, kind } = this.#transport;
    return { protocol: this.#protocol, portId, transport: kind };
  }
}
