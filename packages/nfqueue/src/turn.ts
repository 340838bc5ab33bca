import { AsyncResource } from "node:async_hooks";
// Not the global one: that is looked up at every use, 1 to 2 % of what packets take under load.
import { performance } from "node:perf_hooks";
import type { ReadWaiter } from "@nlring/netlink";

/** Milliseconds after which other work of the event loop gets its turn. Each time costs what 15 to 30 packets do (docs/performance.md). */
const LONGEST_TURN = 4;
/** Packets whose verdicts leave together, in the middle of a turn: with 512 together each takes up to 3 % longer, with 64 no less time. */
const SENT_TOGETHER = 256;
/** Packets between two looks at the clock, which divides the number above. */
const LOOKED_AT = 16;

/** What one turn of the event loop spends on packets. */
export class TurnBudget {
  readonly #send: () => void;
  #packets = 0;
  #started = 0;

  /** @param send sends what was decided */
  constructor(send: () => void) {
    this.#send = send;
  }

  /** The next packet begins a turn. */
  renew(): void {
    this.#packets = 0;
  }

  /** To be told of each packet that was handled: false where the turn is over. Throws what sending throws. */
  spend(): boolean {
    const handled = ++this.#packets;
    if (handled % LOOKED_AT !== 0) {
      // From the second on: a lone packet does without the clock.
      if (handled === 2) this.#started = performance.now();
      return true;
    }
    if (performance.now() - this.#started >= LONGEST_TURN) return false;
    if (handled % SENT_TOGETHER === 0) this.#send();
    return true;
  }
}

/**
 * How often a reader that has decided something, and sent it, looks for more before it sleeps, where packets follow each other closely. So many
 * looks at an empty socket take some 10 us; to sleep and be woken takes a reader some 30 us of processor time, and a TCP sender of segments
 * that has to wake it some 5 % of its speed.
 */
const LOOKS = 16;
/** Milliseconds between two times when all was decided: with less, packets follow each other closely. */
const CLOSE = 0.1;

/** Says whether a reader that found no more packets looks again before it sleeps. */
export class LooksBeforeSleep {
  #left = 0;
  #lastDecided = 0;

  /**
   * To be asked when no more packets were found and what was decided is sent: true where another look is worth it.
   *
   * @param decided whether something was, since it was asked last
   */
  lookAgain(decided: boolean): boolean {
    if (!decided) {
      this.#left--;
    } else {
      const before = this.#lastDecided;
      this.#lastDecided = performance.now();
      this.#left = this.#lastDecided - before < CLOSE ? LOOKS : 0;
    }
    return this.#left > 0;
  }
}

/** How a turn ended: no packet waits, more may wait, or the loop is over. */
export type TurnEnd = "drained" | "spent" | "over";

/**
 * Takes turns until one says that it is over, or throws. Between two it waits for packets, or lets the event loop run. It does so without
 * promises: where every packet wakes its reader, they are a fifth of what that allocates.
 *
 * @param wait has a waiter called when there may be a packet
 */
export function takeTurns(turn: () => TurnEnd, wait: (waiter: ReadWaiter) => void): Promise<void> {
  // Handlers run in the async context of whoever called, as behind an await.
  const context = new AsyncResource("nlring:run");
  return new Promise((resolve, reject) => {
    const step = (): void => {
      try {
        const end = turn();
        if (end === "drained") wait(waiter);
        else if (end === "spent") setImmediate(step);
        else resolve();
      } catch (error) {
        reject(error);
      }
    };
    const waiter: ReadWaiter = { resolve: () => context.runInAsyncScope(step), reject };
    step();
  });
}
