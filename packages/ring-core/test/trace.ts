import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** What two mapped kernels did, step by step; recorded on Linux with CONFIG_NETLINK_MMAP. */
const RECORDINGS = fileURLToPath(new URL("./fixtures/kernel-ring/", import.meta.url));

export interface RingRequest {
  readonly ring: "rx" | "tx";
  readonly blockSize: number;
  readonly blockCount: number;
  readonly frameSize: number;
  readonly frameCount: number;
}

/** One line of a recording. Error numbers are positive, as recorded. */
export type Step =
  | { readonly op: "kernel"; readonly release: string; readonly machine: string; readonly pageSize: number }
  | { readonly op: "open"; readonly protocol: number; readonly portId: number }
  | ({ readonly op: "setsockopt"; readonly errno: number } & RingRequest)
  | { readonly op: "setsockopt-short"; readonly length: number; readonly errno: number }
  | {
      readonly op: "getsockopt" | "mmap-without-ring" | "mmap-wrong-length" | "mmap-offset";
      readonly errno: number;
    }
  | { readonly op: "mmap"; readonly length: number; readonly errno: number }
  | {
      readonly op: "write";
      readonly ring: "tx";
      readonly frame: number;
      readonly bytes: number;
      readonly nmLen: number;
    }
  | { readonly op: "set"; readonly ring: "rx" | "tx"; readonly frame: number; readonly status: number }
  | { readonly op: "send-ring"; readonly result: number; readonly errno: number }
  | { readonly op: "send-copy"; readonly bytes: number; readonly result: number; readonly errno: number }
  | {
      readonly op: "poll";
      readonly result: number;
      readonly in: number;
      readonly out: number;
      readonly err: number;
    }
  | { readonly op: "recv"; readonly result: number; readonly errno: number; readonly file: string }
  | { readonly op: "udp"; readonly size: number; readonly result: number; readonly errno: number }
  | { readonly op: "system"; readonly command: string }
  | {
      readonly op: "snapshot";
      readonly file: string;
      readonly why: string;
      readonly rx: readonly (readonly [number, number, number])[];
      readonly tx: readonly (readonly [number, number])[];
    }
  | { readonly op: "proc"; readonly nfnetlink_queue: string }
  | {
      readonly op: "ring-order";
      readonly frames: readonly (readonly [number, number, number])[];
      readonly reservedAtHead: number;
    };

/** One scenario on one kernel. */
export interface Recording {
  readonly kernel: string;
  readonly scenario: string;
  readonly steps: readonly Step[];
  /** A file of the recording; images of the memory are unpacked. */
  file(name: string): Uint8Array;
}

/** Every recording there is. */
export function recordings(): Recording[] {
  return readdirSync(RECORDINGS).flatMap((kernel) =>
    readdirSync(join(RECORDINGS, kernel)).map((scenario) => {
      const folder = join(RECORDINGS, kernel, scenario);
      const lines = readFileSync(join(folder, "trace.jsonl"), "utf8").split("\n").filter(Boolean);
      return {
        kernel,
        scenario,
        steps: lines.map((line): Step => JSON.parse(line)),
        file: (name) => {
          const bytes = readFileSync(join(folder, name));
          return new Uint8Array(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
        },
      };
    }),
  );
}
