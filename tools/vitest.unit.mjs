import { defineConfig } from "vitest/config";

/** Unit and property tests of one package: no privilege, no kernel feature, no compiler needed. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/**/*.kernel.test.ts"],
    reporters: ["default", "json"],
    outputFile: { json: "test-results/unit.json" },
    testTimeout: 60_000,
    passWithNoTests: true,
  },
});
