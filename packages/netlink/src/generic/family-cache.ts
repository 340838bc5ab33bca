import { NETLINK_GENERIC } from "../abi.js";
import { Subscription } from "../events/subscription.js";
import { NetlinkSocket } from "../socket.js";
import type { SocketOptions } from "../socket-options.js";
import { familyDecoder, type GenericFamily, groupNumber, nlctrl, requestFamily } from "./controller.js";

interface Entry {
  readonly answer: Promise<GenericFamily>;
  /** What the answer was, once it is there. */
  family: GenericFamily | undefined;
}

/** The controller's messages take one frame each; a larger one comes by copy. */
const NOTIFY_RING = { frameSize: 8192, frameCount: 16 };

/**
 * Families by name, each asked for once. The controller says on its group "notify" when a family comes, goes or changes; that is heard on
 * a socket of its own, and the name forgotten. Where such messages were lost, all names are. A socket that was lost itself ends the keeping:
 * every look-up asks the kernel from then on.
 */
export class FamilyCache {
  readonly #socket: NetlinkSocket;
  readonly #notifications: NetlinkSocket;
  readonly #entries = new Map<string, Entry>();
  #keeps = true;

  private constructor(socket: NetlinkSocket, notifications: NetlinkSocket) {
    this.#socket = socket;
    this.#notifications = notifications;
  }

  /** @param socket what families are asked for on; it stays the caller's */
  static async open(socket: NetlinkSocket, options: SocketOptions): Promise<FamilyCache> {
    const controller = await requestFamily(socket, nlctrl.name);
    const notifications = await NetlinkSocket.open(NETLINK_GENERIC, {
      ...options,
      // Rings that the kernel maps are its memory, taken for good, and multicast comes into them by copy anyway.
      transport: typeof options.transport === "object" ? options.transport : "user-ring",
      ring: NOTIFY_RING,
      receiveBuffer: undefined,
      // Losses have to be heard of.
      noEnobufs: undefined,
    });
    try {
      notifications.unref().addMembership(groupNumber(controller, "notify"));
    } catch (error) {
      await notifications.close();
      throw error;
    }
    const cache = new FamilyCache(socket, notifications);
    void cache.#listen();
    return cache;
  }

  /** The family where it is known without asking. */
  known(name: string): GenericFamily | undefined {
    return this.#entries.get(name)?.family;
  }

  /** The family, asked for where it is not known. Rejects with FamilyNotFoundError. */
  find(name: string): Promise<GenericFamily> {
    return this.#entries.get(name)?.answer ?? this.ask(name);
  }

  /** The family as it is now. Rejects with FamilyNotFoundError. */
  ask(name: string): Promise<GenericFamily> {
    const answer = requestFamily(this.#socket, name);
    if (!this.#keeps) return answer;
    const entry: Entry = { answer, family: undefined };
    this.#entries.set(name, entry);
    answer.then(
      (family) => {
        entry.family = family;
      },
      () => {
        if (this.#entries.get(name) === entry) this.#entries.delete(name);
      },
    );
    return answer;
  }

  close(): Promise<void> {
    return this.#notifications.close();
  }

  async #listen(): Promise<void> {
    const events = new Subscription(this.#notifications, () => familyDecoder, "kernel");
    for (;;) {
      try {
        const { done, value } = await events.next();
        if (done === true) break;
        if (value.kind === "resync") this.#entries.clear();
        else this.#entries.delete(value.body.name);
      } catch {
        // A message that cannot be read may have been about any family.
        this.#entries.clear();
        if (this.#notifications.closed) break;
      }
    }
    this.#keeps = false;
    this.#entries.clear();
  }
}
