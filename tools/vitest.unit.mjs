import { defineConfig } from "vitest/config";

const soak = process.env.NLRING_SOAK === "1";

/** Unit and property tests of one package: no privilege, no kernel feature, no compiler needed. With NLRING_SOAK=1 its long runs instead. */
export default defineConfig({
  test: {
    include: soak ? ["test/**/*.soak.test.ts"] : ["test/**/*.test.ts"],
    exclude: soak ? [] : ["test/**/*.kernel.test.ts", "test/**/*.soak.test.ts"],
    reporters: ["default", "json"],
    outputFile: { json: "test-results/unit.json" },
    testTimeout: soak ? 3_600_000 : 60_000,
    passWithNoTests: true,
  },
});
