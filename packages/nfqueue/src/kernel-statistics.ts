import { readFileSync } from "node:fs";

/** A queue's line in /proc/net/netfilter/nfnetlink_queue. Counts are since the queue was bound, 32 bits, and wrap. */
export interface KernelStatistics {
  /** Netlink port of the socket that listens. */
  readonly portId: number;
  /** Packets that wait for a verdict. */
  readonly waiting: number;
  /** Bytes of each packet that are copied; 0 for metadata alone. */
  readonly copyRange: number;
  /** Packets dropped because as many waited as the queue may hold. It does not move while the queue fails open. */
  readonly queueDropped: number;
  /** Packets dropped because the receive buffer was full. It does not move while the queue fails open. */
  readonly userDropped: number;
  /** Id of the last packet that got one. */
  readonly lastId: number;
}

const FILE = "/proc/net/netfilter/nfnetlink_queue";

/** Finds a queue in the text of the file; undefined where it has none. */
export function parseKernelStatistics(text: string, queue: number): KernelStatistics | undefined {
  for (const line of text.split("\n")) {
    const [number, portId, waiting, , copyRange, queueDropped, userDropped, lastId] = line
      .trim()
      .split(/\s+/)
      .map(Number);
    if (number !== queue || lastId === undefined) continue;
    return {
      portId: portId ?? 0,
      waiting: waiting ?? 0,
      copyRange: copyRange ?? 0,
      queueDropped: queueDropped ?? 0,
      userDropped: userDropped ?? 0,
      lastId,
    };
  }
  return undefined;
}

/**
 * The queue's line; undefined where the file may not be read (as by an ordinary user in a user namespace), or has no queue of that number and
 * port: it is that of the process's own network namespace.
 */
export function readKernelStatistics(queue: number, portId: number): KernelStatistics | undefined {
  let text: string;
  try {
    text = readFileSync(FILE, "utf8");
  } catch {
    return undefined;
  }
  const statistics = parseKernelStatistics(text, queue);
  return statistics?.portId === portId ? statistics : undefined;
}
