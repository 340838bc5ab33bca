import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadNative, type NativeSocket } from "@nlring/native";

function socketDescriptors(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("socket:");
      } catch {
        // The one that the folder was listed with.
        return false;
      }
    });
}

/** A socket of the addon and the number of its descriptor, which the addon keeps to itself. */
export function openKnown(protocol: number): { socket: NativeSocket; descriptor: number } {
  const before = new Set(socketDescriptors());
  const socket = new (loadNative().Socket)(protocol);
  const [descriptor = -1, ...more] = socketDescriptors().filter((number) => !before.has(number));
  if (more.length > 0) throw new Error("more than one socket was opened");
  return { socket, descriptor };
}

export interface Running {
  readonly processId: number;
  /** What it wrote first. */
  readonly said: string;
  end(): Promise<void>;
}

/** Starts a fixture that ends with its input, and waits for its first words. */
export async function startFixture(
  name: string,
  args: readonly string[],
  options: { readonly behind?: readonly string[]; readonly descriptor?: number } = {},
): Promise<Running> {
  const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  const [command = "", ...rest] = [...(options.behind ?? []), process.execPath, path, ...args];
  const inherited = options.descriptor === undefined ? [] : [options.descriptor];
  const child: ChildProcess = spawn(command, rest, { stdio: ["pipe", "pipe", "inherit", ...inherited] });
  const { stdin, stdout, pid } = child;
  if (stdin === null || stdout === null || pid === undefined) throw new Error(`${command} was not started`);
  stdout.setEncoding("utf8");
  const closed = once(child, "close");
  const said = await new Promise<string>((resolve, reject) => {
    stdout.once("data", (text: string) => resolve(text));
    stdout.once("end", () => reject(new Error(`the fixture ${name} ended without a word`)));
  });
  return {
    processId: pid,
    said,
    async end() {
      stdin.end();
      await closed;
    },
  };
}
