import { describe, expect, test } from "vitest";
import { type Fault, randomSeed, runTwoThreads, type Scenario } from "./two-threads.js";
import { MESSAGES, PLAIN, SCENARIOS } from "./two-threads-scenarios.js";

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", async (_, scenario) => {
  const count = Math.round(MESSAGES * scenario.share);
  const { producer, consumer } = await runTwoThreads(scenario, { count, seed: randomSeed() });
  expect(consumer.messages).toBe(count - (producer.lost ?? 0));
  expect(producer.full).toBeGreaterThan(0);
});

describe("a fault that is planted in one side is found:", () => {
  /** Faults come after 1,000 messages. A run that none of them ends has some more to notice it by. */
  async function plant(fault: Fault, options: Partial<Scenario> = {}): Promise<void> {
    const scenario = { ...PLAIN, ...options };
    await runTwoThreads(scenario, { count: 5000, seed: randomSeed(), fault, patience: 2000 });
  }

  test("a status word that is stored before the message", async () => {
    await expect(plant("published-before-written")).rejects.toThrow(/consumer: frame \d+ taken: /);
  });

  test("a producer that wraps one frame late, into memory that is not the ring's", async () => {
    await expect(plant("wraps-one-frame-late")).rejects.toThrow(
      /sequence (\d+) where \d+ was due[\s\S]*byte \d+ outside all frames was written/,
    );
  });

  test("a producer that wraps one frame early, and what both sides saw when nothing moves any more", async () => {
    await expect(plant("wraps-one-frame-early")).rejects.toThrow(
      /stuck: neither side moved[\s\S]*producer \w+ after \d+ steps[\s\S]*consumer \w+ after \d+ steps[\s\S]*frames: 2+0$/,
    );
  });

  test("a producer that fills held frames", async () => {
    await expect(plant("held-frames-filled", { holds: "gated" })).rejects.toThrow(
      /consumer: frame \d+ (held|taken): (checksum|sequence|sender)/,
    );
  });

  test("a frame that is given back twice, behind the ring's back", async () => {
    await expect(plant("released-twice")).rejects.toThrow(
      /consumer: frame \d+ taken: sequence \d+ where \d+ was due/,
    );
  });

  test("a message that is lost", async () => {
    await expect(plant("message-lost")).rejects.toThrow(/sequence 1001 where 1000 was due/);
  });

  test("a message that is lost where others are lost by overruns", async () => {
    await expect(plant("message-lost", { losing: true })).rejects.toThrow(/other messages were read/);
  });

  test("a message that comes twice", async () => {
    await expect(plant("message-repeated")).rejects.toThrow(/sequence \d+ where \d+ was due/);
  });
});
