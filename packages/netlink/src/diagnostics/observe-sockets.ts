import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  LOSS_CHANNEL,
  type MessagesLost,
  type MessagesReceived,
  type MessagesSent,
  RECEIVE_CHANNEL,
  SEND_CHANNEL,
} from "./diagnostics.js";

/** Called while a socket sends, receives or loses. They must not use that socket, and not keep the bytes, which are valid only meanwhile. */
export interface SocketObserver {
  readonly sent?: ((messages: MessagesSent) => void) | undefined;
  readonly received?: ((messages: MessagesReceived) => void) | undefined;
  readonly lost?: ((loss: MessagesLost) => void) | undefined;
}

/**
 * Subscribes to what all netlink sockets of this thread publish (node:diagnostics_channel), those of other copies of this package included,
 * and returns the function that ends it. What an observer throws never reaches the socket: Node raises it as an uncaught exception.
 */
export function observeSockets({ sent, received, lost }: SocketObserver): () => void {
  const subscriptions: readonly (readonly [string, (message: unknown) => void])[] = [
    [SEND_CHANNEL, (message) => isSent(message) && sent?.(message)],
    [RECEIVE_CHANNEL, (message) => isReceived(message) && received?.(message)],
    [LOSS_CHANNEL, (message) => isLost(message) && lost?.(message)],
  ];
  // A channel without subscribers costs its sockets nothing.
  const wanted = [sent, received, lost];
  const active = subscriptions.filter((_, index) => wanted[index] !== undefined);
  for (const [name, handler] of active) subscribe(name, handler);
  return () => {
    for (const [name, handler] of active) unsubscribe(name, handler);
  };
}

// Anybody may publish on a channel, and another copy of this package may be of another version.

function isSource(message: unknown): message is object & Record<"protocol" | "portId", number> {
  return (
    typeof message === "object" &&
    message !== null &&
    "protocol" in message &&
    typeof message.protocol === "number" &&
    "portId" in message &&
    typeof message.portId === "number"
  );
}

function isSent(message: unknown): message is MessagesSent {
  return isSource(message) && "bytes" in message && message.bytes instanceof Uint8Array;
}

function isReceived(message: unknown): message is MessagesReceived {
  return (
    isSent(message) &&
    "senderPort" in message &&
    typeof message.senderPort === "number" &&
    "group" in message &&
    typeof message.group === "number"
  );
}

function isLost(message: unknown): message is MessagesLost {
  return (
    isSource(message) &&
    "kind" in message &&
    typeof message.kind === "string" &&
    "count" in message &&
    typeof message.count === "number"
  );
}
