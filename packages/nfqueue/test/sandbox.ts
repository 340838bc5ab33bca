import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { QueueRules } from "@nlring/nfqueue";
import type { FloodResult, SendResult, TestFamily } from "./traffic.js";

const RTM_NEWLINK = 16;
const LOOPBACK_INDEX = 1;
const IFF_UP = 1;

/** Why no rule can be made here; undefined where one can. Some kernels have neither nftables nor a way to queue from it. */
export async function rulesUnavailable(): Promise<string | undefined> {
  const rules = new QueueRules(65_535);
  try {
    await rules.intercept({ hook: "input", protocol: "udp", destinationPort: 9 });
    return undefined;
  } catch (error) {
    return `no rule can be made: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await rules.close();
  }
}

/** Brings the loopback interface of the sandbox up; a fresh namespace has it down. */
export async function bringLoopbackUp(): Promise<void> {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await socket.request({
    type: RTM_NEWLINK,
    write: (writer) => writer.uint32(0).uint32(LOOPBACK_INDEX).uint32(IFF_UP).uint32(IFF_UP),
  });
  await socket.close();
}

/** The echo fixture in a process of its own, so that its traffic never waits for the queue's event loop. */
export class Echo implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message: { id?: number; result?: unknown; error?: string }) => {
      const answer = message.id === undefined ? undefined : this.#answers.get(message.id);
      if (answer === undefined) return;
      if (message.error === undefined) answer.resolve(message.result);
      else answer.reject(new Error(message.error));
    });
  }

  static async start(): Promise<Echo> {
    const child = fork(new URL("./fixtures/echo.mjs", import.meta.url), { execArgv: [] });
    const echo = new Echo(child);
    await once(child, "message");
    return echo;
  }

  receive(family: TestFamily, port: number): Promise<unknown> {
    return this.#ask("receive", { family, port });
  }

  send(options: {
    family: TestFamily;
    port: number;
    count: number;
    sizes: readonly number[];
    dropEvery?: number;
    lost?: number;
  }): Promise<SendResult> {
    return this.#ask("send", { dropEvery: 0, lost: 0, ...options }) as Promise<SendResult>;
  }

  /** Datagrams that have arrived so far. */
  async arrived(family: TestFamily): Promise<number> {
    const counts = (await this.#ask("counts", {})) as Record<TestFamily, number>;
    return counts[family];
  }

  /** Starts a flood; the returned function ends it and tells what came of it. */
  async flood(options: {
    family: TestFamily;
    port: number;
    rate: number;
  }): Promise<() => Promise<FloodResult>> {
    const started = new Promise<void>((resolve) => {
      this.#child.on("message", (message: { event?: string }) => message.event === "flooding" && resolve());
    });
    const result = this.#ask("flood", options) as Promise<FloodResult>;
    await started;
    return async () => {
      await this.#ask("stopFlood", {});
      return result;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  #ask(action: string, options: object): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#child.send({ id, action, options });
    });
  }
}

/** Packets that wait in a queue, by the kernel's own account; undefined where it may not be read (an ordinary user's namespace). */
export function waitingInKernel(queue: number): number | undefined {
  try {
    const lines = readFileSync("/proc/net/netfilter/nfnetlink_queue", "utf8").split("\n");
    const fields = lines
      .map((line) => line.trim().split(/\s+/).map(Number))
      .find(([number]) => number === queue);
    return fields?.[2] ?? 0;
  } catch {
    return undefined;
  }
}
