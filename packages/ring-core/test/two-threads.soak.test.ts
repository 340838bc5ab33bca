import { expect, test } from "vitest";
import { randomSeed, runTwoThreads } from "./two-threads.js";
import { SCENARIOS } from "./two-threads-scenarios.js";

const MESSAGES = 20_000_000;
/** Messages between two lines of progress. */
const STEP = 1_000_000;

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  "at length: %s",
  async (_, scenario) => {
    const count = Math.round(MESSAGES * scenario.share);
    let reported = 0;
    const { producer, consumer } = await runTwoThreads(scenario, {
      count,
      seed: randomSeed(),
      onProgress(messages) {
        if (messages - reported < STEP) return;
        reported = messages;
        console.log(`${scenario.name}: ${messages} of ${count} messages`);
      },
    });
    const { full = 0, lost = 0 } = producer;
    console.log(`${scenario.name}: ${consumer.messages} read, ${lost} lost in ${full} overruns`);
    expect(consumer.messages).toBe(count - lost);
  },
);
