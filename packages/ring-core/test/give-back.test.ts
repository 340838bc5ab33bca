import { expect, test } from "vitest";
import { FrameStatus } from "../src/index.js";
import { GuardedMemory, geometryOf } from "./ring-fixture.js";

/**
 * A producer on another processor goes past a held frame some time before it fills the next one. A frame that is given back in between looks
 * as if it were in front of the producer; another one, given back behind it later, is judged by the frames between the two.
 */
test("a frame given back behind one in doubt is read in the producer's order", () => {
  const memory = new GuardedMemory(geometryOf(4, 2));
  const ring = memory.rx();
  for (let frame = 0; frame < 8; frame++) memory.fill(frame, frame);
  for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
    if (frame === 1 || frame === 3) ring.hold(frame);
    else ring.release(frame);
  }
  memory.fill(0, 10);
  ring.release(ring.next());
  // The producer is past frame 1, and about to fill frame 2.
  ring.release(1);
  memory.fill(2, 11);
  // Past frame 3 as well.
  memory.fill(4, 12);
  ring.release(3);
  const read: number[] = [];
  for (let frame = ring.next(); frame !== -1; frame = ring.next()) {
    read.push(frame);
    ring.release(frame);
  }
  expect(read).toEqual([2, 4]);
  expect(memory.status(3)).toBe(FrameStatus.unused);
});
