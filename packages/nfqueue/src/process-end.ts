/** What the end of the process asks of an open queue. */
export interface EndingQueue {
  /** Deletes the rules and decides what waits, before it returns. */
  decideAtExit(): void;
  close(): Promise<void>;
}

const SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT"];

const open = new Set<EndingQueue>();
const closedOnSignals = new Set<EndingQueue>();

/** One listener for all queues: Node warns of a leak at the eleventh. */
function decideAll(): void {
  for (const queue of open) {
    try {
      queue.decideAtExit();
    } catch {
      // Its packets go with its socket; those of the other queues shall not.
    }
  }
}

function closeAll(signal: NodeJS.Signals): void {
  // A second signal does not wait for the first.
  for (const one of SIGNALS) process.removeListener(one, closeAll);
  const closing = [...closedOnSignals].map((queue) => queue.close());
  closedOnSignals.clear();
  void Promise.allSettled(closing).then(() => {
    // Whoever else listens decides what the signal does.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  });
}

/** Decides what a queue holds when the process ends in an orderly way, and closes it before a signal ends it, where that is asked for. */
export function watchProcessEnd(queue: EndingQueue, closeOnSignals: boolean): void {
  // Before the listeners of rules: removing their table has the kernel drop what waits.
  if (open.size === 0) process.prependListener("exit", decideAll);
  open.add(queue);
  if (!closeOnSignals) return;
  if (closedOnSignals.size === 0) for (const signal of SIGNALS) process.on(signal, closeAll);
  closedOnSignals.add(queue);
}

/** The queue is closed. */
export function unwatchProcessEnd(queue: EndingQueue): void {
  if (open.delete(queue) && open.size === 0) process.removeListener("exit", decideAll);
  if (closedOnSignals.delete(queue) && closedOnSignals.size === 0) {
    for (const signal of SIGNALS) process.removeListener(signal, closeAll);
  }
}
