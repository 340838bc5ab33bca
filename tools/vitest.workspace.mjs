import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Tests of the workspace itself. They start package managers and compilers, so one file at a time. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: {
    // A checkout may be read-only: nothing is cached in it.
    cache: false,
    include: ["test/**/*.test.mjs"],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
