import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A process that is a host: in a network namespace of its own, or in this one. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message: { id?: number; result?: unknown; error?: string }) => {
      if (message.id !== undefined) this.#answers.get(message.id)?.(message);
    });
  }

  static async start({ ownNamespace = true } = {}): Promise<Peer> {
    const script = fileURLToPath(new URL("./fixtures/peer.mjs", import.meta.url));
    const [command = "", ...args] = [...(ownNamespace ? ["unshare", "--net"] : []), process.execPath, script];
    const child = spawn(command, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const peer = new Peer(child);
    await once(child, "message");
    return peer;
  }

  get processId(): number {
    return this.#child.pid ?? 0;
  }

  async ask(action: string, options: object): Promise<unknown> {
    const id = ++this.#lastId;
    const { result, error } = await new Promise<{ result?: unknown; error?: string }>((resolve) => {
      this.#answers.set(id, resolve);
      this.#child.send({ id, action, options });
    });
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }
}

/** Where datagrams go from and to. */
export interface Flow {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly port: number;
}

/**
 * Two hosts and this namespace as the router between them: `client` on 10.9.1.2 and fd09:1::2 behind the router's "left0", and `server`
 * on 10.9.2.2 and fd09:2::2 behind "right0". The router's addresses end in 1.
 */
export class Network {
  readonly client: Peer;
  readonly server: Peer;

  private constructor(client: Peer, server: Peer) {
    this.client = client;
    this.server = server;
  }

  /** Why there can be none; undefined where there can. */
  static unavailable(): string | undefined {
    try {
      ip("link add probe0 type veth peer name probe1");
      ip("link del probe0");
      return undefined;
    } catch (error) {
      return `the program ip, and veth (CONFIG_VETH): ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  static async start(): Promise<Network> {
    const network = new Network(await Peer.start(), await Peer.start());
    for (const [peer, name, number] of [
      [network.client, "left0", 1],
      [network.server, "right0", 2],
    ] as const) {
      ip(`link add ${name} type veth peer name host0 netns ${peer.processId}`);
      ip(`addr add 10.9.${number}.1/24 dev ${name}`);
      ip(`addr add fd09:${number}::1/64 dev ${name} nodad`);
      ip(`link set ${name} up`);
      await peer.ask("ip", {
        commands: [
          "link set lo up",
          `addr add 10.9.${number}.2/24 dev host0`,
          `addr add fd09:${number}::2/64 dev host0 nodad`,
          "link set host0 up",
          `route add default via 10.9.${number}.1`,
          `route add default via fd09:${number}::1`,
        ],
      });
    }
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    return network;
  }

  async stop(): Promise<void> {
    await Promise.all([this.client.stop(), this.server.stop()]);
  }

  /** Has the client send to a port that the server listens on; resolves when all arrived. */
  async send(flow: Flow, count: number): Promise<void> {
    const there = { address: flow.to, port: flow.port };
    const before = Number(await this.server.ask("received", there));
    await this.client.ask("send", { ...flow, count, answer: false });
    while (Number(await this.server.ask("received", there)) < before + count) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function ip(command: string): void {
  execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "pipe"] });
}
