import type { DiagnosticsSource } from "./diagnostics.js";
import { formatMessage } from "./format-message.js";
import { protocolName } from "./message-names.js";
import { observeSockets } from "./observe-sockets.js";

/** Selects every protocol. */
const EVERYTHING = "netlink";

/**
 * Prints what the sockets of this thread send, receive and lose, until the process ends.
 *
 * @param selection what NLRING_DEBUG holds: "netlink" for everything, or names or numbers of protocols, such as "route,generic"; names that
 *   nobody knows select nothing
 * @param write takes each message's lines, with the newline at their end
 */
export function startPrinter(selection: string, write: (text: string) => void): void {
  const selected = new Set(selection.split(",").map((name) => name.trim().toLowerCase()));
  const print = (source: DiagnosticsSource, what: string, bytes?: Uint8Array): void => {
    const { protocol, portId, transport } = source;
    const name = protocolName(protocol);
    if (!selected.has(EVERYTHING) && !selected.has(name) && !selected.has(String(protocol))) return;
    const lines = bytes === undefined ? "" : `\n${formatMessage(bytes, source)}`.replaceAll("\n", "\n  ");
    write(
      `${new Date().toISOString().slice(11, 23)} ${name} port ${portId} (${transport}) ${what}${lines}\n`,
    );
  };
  observeSockets({
    sent: (messages) => print(messages, "sent", messages.bytes),
    received: (messages) => {
      const { senderPort, group } = messages;
      const sender = senderPort === 0 ? "the kernel" : `port ${senderPort}`;
      print(messages, `received from ${sender}${group === 0 ? "" : `, group ${group}`}`, messages.bytes);
    },
    lost: (loss) => print(loss, `lost ${loss.count} or more: ${loss.kind}`),
  });
}
