/** What was lost since the last report of it. Each is a lower bound: the kernel's answers can be lost as well. */
export interface LossReport {
  /** Packets that the receive buffer had no room for: dropped, or, failing open, let pass unseen. */
  readonly receiveDrops: number;
  /** Verdicts for packets that the kernel no longer had. */
  readonly unknownVerdicts: number;
  /** Verdicts that the kernel refused for another reason. */
  readonly refusedVerdicts: number;
  /** Messages that arrived and could not be read: their packets wait in the kernel until the queue closes. */
  readonly unread: number;
}

/** Milliseconds between two reports at the least. */
const INTERVAL = 1000;

/** Tells of losses at a bounded rate: one report an interval, whatever was lost in it. */
export class LossWatch {
  readonly #total: () => LossReport;
  readonly #onLoss: (loss: LossReport) => void;
  #told: LossReport = { receiveDrops: 0, unknownVerdicts: 0, refusedVerdicts: 0, unread: 0 };
  #timer: NodeJS.Timeout | undefined;
  // Made once: a function that has one in it takes 40 bytes for its variables at every call, needed or not.
  readonly #lookLate = (): void => {
    this.#timer = undefined;
    this.look();
  };

  /**
   * @param total what was lost since the queue was opened; it costs a system call
   * @param onLoss told what came to it
   */
  constructor(total: () => LossReport, onLoss: (loss: LossReport) => void) {
    this.#total = total;
    this.#onLoss = onLoss;
  }

  /** There was traffic, so there may be losses: looks within the interval. Costs a comparison while that is to come. */
  touch(): void {
    this.#timer ??= setTimeout(this.#lookLate, INTERVAL).unref();
  }

  /** Looks now. */
  look(): void {
    const total = this.#total();
    const told = this.#told;
    const loss: LossReport = {
      receiveDrops: total.receiveDrops - told.receiveDrops,
      unknownVerdicts: total.unknownVerdicts - told.unknownVerdicts,
      refusedVerdicts: total.refusedVerdicts - told.refusedVerdicts,
      unread: total.unread - told.unread,
    };
    if (loss.receiveDrops + loss.unknownVerdicts + loss.refusedVerdicts + loss.unread === 0) return;
    this.#told = total;
    this.#onLoss(loss);
  }

  /** Looks for the last time. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.look();
  }
}
