import { defineConfig } from "vitest/config";

const soak = process.env.NLRING_SOAK === "1";

/**
 * Kernel tests of one package, one file at a time: they share the network namespace they run in, and removing a base chain in one test
 * would drop the packets that wait in another's queue.
 */
export default defineConfig({
  test: {
    // A checkout may be read-only: nothing is cached in it.
    cache: false,
    include: ["test/**/*.kernel.test.ts"],
    fileParallelism: false,
    pool: "forks",
    testTimeout: soak ? 3_600_000 : 120_000,
    hookTimeout: 30_000,
  },
});
