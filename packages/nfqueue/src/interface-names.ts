import {
  DecodeError,
  HOST_IS_LITTLE_ENDIAN,
  type Message,
  NETLINK_ROUTE,
  NetlinkSocket,
  type TransportProvider,
  type Watch,
} from "@nlring/netlink";

// Constants of links, spelled as the kernel spells them. Source: include/uapi/linux/rtnetlink.h, if_link.h.
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTNLGRP_LINK = 1;
const IFLA_IFNAME = 3;
/** struct ifinfomsg: family, padding, device type, index, flags, mask of changes. */
const IFINFOMSG_LENGTH = 16;
const AF_BRIDGE = 7;

/** Which interfaces, and how they are asked for. */
export interface InterfaceNamesOptions {
  /** Network namespace whose interfaces they are, which is the queue's: a path such as /run/netns/name, or an open descriptor. */
  readonly namespace?: string | number | undefined;
  /** A transport of `@nlring/netlink/testing`; the kernel's where undefined. */
  readonly transport?: TransportProvider | undefined;
  /** Closes it when aborted. */
  readonly signal?: AbortSignal | undefined;
}

interface Link {
  readonly family: number;
  readonly index: number;
  readonly name: string;
}

// By hand and no schema: of some fifty attributes only the name is wanted.
const LINK = {
  decode(message: Message): Link {
    const { view, payloadOffset, end, offset } = message;
    if (end - payloadOffset < IFINFOMSG_LENGTH) {
      throw new DecodeError("a link without struct ifinfomsg", payloadOffset - offset);
    }
    let name = "";
    const attributes = message.attributes(IFINFOMSG_LENGTH);
    while (attributes.next()) if (attributes.type === IFLA_IFNAME) name = attributes.string();
    return {
      family: view.getUint8(payloadOffset),
      index: view.getInt32(payloadOffset + 4, HOST_IS_LITTLE_ENDIAN),
      name,
    };
  },
};

/**
 * The names of network interfaces by their index, for what packets tell of theirs. They are listed once and then kept by the kernel's
 * messages, so that `get` is a look-up in memory that a packet handler can afford.
 *
 * ```js
 * const names = await InterfaceNames.open();
 * await queue.run((packet) => (names.get(packet.inputInterface) === "eth0" ? packet.accept() : packet.drop()));
 * ```
 *
 * An index may belong to another interface, or to none, by the time that a packet is read. Open, it does not keep the process alive, as the
 * queue that it serves does: `ref()` has it do so.
 */
export class InterfaceNames implements AsyncDisposable {
  readonly #socket: NetlinkSocket;
  readonly #watch: Watch<Link, Link>;
  #names = new Map<number, string>();

  private constructor(socket: NetlinkSocket, watch: Watch<Link, Link>) {
    this.#socket = socket;
    this.#watch = watch;
  }

  /** Resolves when all names are known. Rejects as `NetlinkSocket.open` and its dumps do; takes no privilege. */
  static async open({ namespace, transport, signal }: InterfaceNamesOptions = {}): Promise<InterfaceNames> {
    const socket = await NetlinkSocket.open(NETLINK_ROUTE, { namespace, transport, signal });
    try {
      const watch = await socket.watch(
        {
          list: { type: RTM_GETLINK, write: (writer) => writer.uint32(0).uint32(0).uint32(0).uint32(0) },
          item: LINK,
          groups: RTNLGRP_LINK,
          changes: { [RTM_NEWLINK]: LINK, [RTM_DELLINK]: LINK },
        },
        { signal },
      );
      const names = new InterfaceNames(socket, watch);
      await new Promise<void>((resolve, reject) => {
        names.#follow(resolve).then(resolve, reject);
      });
      return names.unref();
    } catch (error) {
      await socket.close();
      throw error;
    }
  }

  /** The name of an interface, such as "eth0"; undefined for 0, for one that is not there, and once this is closed. */
  get(index: number): string | undefined {
    return this.#names.get(index);
  }

  /** Keeps the process alive until it is closed. */
  ref(): this {
    this.#watch.ref();
    this.#socket.ref();
    return this;
  }

  /** Lets the process end while it is open (the default). */
  unref(): this {
    this.#watch.unref();
    this.#socket.unref();
    return this;
  }

  async close(): Promise<void> {
    this.#names.clear();
    await this.#watch.close();
    await this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #follow(synced: () => void): Promise<void> {
    let listed = new Map<number, string>();
    try {
      for await (const event of this.#watch) {
        if (event.kind === "item") {
          listed.set(event.body.index, event.body.name);
        } else if (event.kind === "synced") {
          // What was known before stays in use until the list is whole.
          this.#names = listed;
          synced();
        } else if (event.kind === "resync") {
          listed = new Map();
        } else {
          change(this.#names, event.type, event.body);
        }
      }
    } finally {
      // Lost or closed: a name that nobody keeps right is worse than none.
      this.#names.clear();
      await this.#socket.close();
    }
  }
}

function change(names: Map<number, string>, type: number, { family, index, name }: Link): void {
  if (type === RTM_NEWLINK) {
    if (name !== "") names.set(index, name);
  } else if (family !== AF_BRIDGE) {
    // A bridge says in its own family that a port left it; the port is still there.
    names.delete(index);
  }
}
