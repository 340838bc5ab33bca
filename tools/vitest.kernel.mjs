import { defineConfig } from "vitest/config";

/**
 * Kernel tests of one package, one file at a time: they share the network namespace they run in, and
 * removing a base chain in one test would drop the packets that wait in another's queue.
 */
export default defineConfig({
  test: {
    include: ["test/**/*.kernel.test.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 30_000,
  },
});
