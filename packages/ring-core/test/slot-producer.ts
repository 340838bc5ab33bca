import { FrameStatus } from "../src/index.js";
import type { GuardedMemory } from "./ring-fixture.js";

/** A frame that the producer took, in the order in which it took them. */
export interface Slot {
  readonly frame: number;
  readonly message: number;
  state: "reserved" | "ready" | "aborted";
}

/**
 * A producer as the kernel is one: it takes a frame first (RESERVED) and finishes it later, possibly behind others or without a message.
 * Written after the ABI, not after the code under test.
 */
export class SlotProducer {
  /** Frames that were taken and not yet read, oldest first. */
  readonly slots: Slot[] = [];
  readonly #memory: GuardedMemory;
  #head = 0;
  #sent = 0;

  readonly #restless: boolean;

  /** @param restless moves its head over held frames even when it finds no free one behind them, as Linux 4.3 to 4.5 does */
  constructor(memory: GuardedMemory, restless: boolean) {
    this.#memory = memory;
    this.#restless = restless;
  }

  /** Takes the frame at the head; false where it is not free. */
  reserve(): boolean {
    const { frameCount } = this.#memory.geometry;
    let frame = this.#head;
    for (let seen = 0; seen < frameCount && this.#memory.status(frame) === FrameStatus.skip; seen++)
      frame = (frame + 1) % frameCount;
    if (this.#restless) this.#head = frame;
    if (this.#memory.status(frame) !== FrameStatus.unused) return false;
    this.#memory.setStatus(frame, FrameStatus.reserved);
    this.slots.push({ frame, message: this.#sent++ % 251, state: "reserved" });
    this.#head = (frame + 1) % frameCount;
    return true;
  }

  /** Finishes the slot that is this many behind the oldest unfinished one. */
  finish(which: number, outcome: "valid" | "copy" | "abort"): void {
    const open = this.slots.filter((slot) => slot.state === "reserved");
    const slot = open[which % Math.max(open.length, 1)];
    if (slot === undefined) return;
    if (outcome === "abort") {
      this.#memory.setLength(slot.frame, 0);
      this.#memory.setStatus(slot.frame, FrameStatus.valid);
      slot.state = "aborted";
    } else {
      this.#memory.fill(slot.frame, slot.message, FrameStatus[outcome]);
      slot.state = "ready";
    }
  }

  /** What the reader must take next: passes over what was aborted. */
  expected(): Slot | undefined {
    while (this.slots[0]?.state === "aborted") this.slots.shift();
    const slot = this.slots[0];
    return slot?.state === "ready" ? slot : undefined;
  }
}
