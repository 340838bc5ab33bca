import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./fixtures/datagrams.pl", import.meta.url));

/** A socket option as setsockopt takes it. */
export type SocketOption = readonly [level: number, option: number, value: number];

/** A process that sends datagrams with socket options that Node.js has no call for; in a network namespace of its own where asked to. */
export class Datagrams implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: Interface;

  private constructor(child: ChildProcess, answers: Interface) {
    this.#child = child;
    this.#answers = answers;
  }

  static async start({ ownNamespace = false } = {}): Promise<Datagrams> {
    const [command = "", ...args] = [...(ownNamespace ? ["unshare", "--net"] : []), "perl", SCRIPT];
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const datagrams = new Datagrams(child, createInterface({ input: child.stdout }));
    // It answers from its own namespace alone.
    await datagrams.#tell("hold");
    if (ownNamespace && readlinkSync(datagrams.namespace) === readlinkSync("/proc/self/ns/net")) {
      throw new Error("the sender is in our own network namespace");
    }
    return datagrams;
  }

  get processId(): number {
    return this.#child.pid ?? 0;
  }

  /** The path of its network namespace. */
  get namespace(): string {
    return `/proc/${this.processId}/ns/net`;
  }

  send(address: string, port: number, size: number, options: readonly SocketOption[] = []): Promise<void> {
    return this.#tell(
      `send ${address} ${port} ${size} ${options.map((option) => option.join(":")).join(" ")}`,
    );
  }

  /** Opens a socket with the options and keeps it open. */
  hold(options: readonly SocketOption[]): Promise<void> {
    return this.#tell(`hold ${options.map((option) => option.join(":")).join(" ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exited;
  }

  async #tell(line: string): Promise<void> {
    const answered = once(this.#answers, "line");
    this.#child.stdin?.write(`${line}\n`);
    const [answer] = await answered;
    if (answer !== "done") throw new Error(`${line}: ${String(answer)}`);
  }
}

/** Why datagrams cannot be sent; undefined where they can. */
export async function datagramsUnavailable(): Promise<string | undefined> {
  const perl = spawn("perl", ["-MSocket", "-e", "1"], { stdio: "ignore" });
  const [code] = await Promise.race([once(perl, "exit"), once(perl, "error").then(() => [-1])]);
  return code === 0 ? undefined : "socket options are set by perl, which is not there";
}
