// Reads vitest's JSON reports and adds them up.
import { existsSync, readFileSync } from "node:fs";

export function emptyTotals() {
  return { passed: 0, failed: 0, skipped: 0, skips: [] };
}

/** Adds one report; a report that is missing counts as a failure, since its tests were to run. */
export function addReport(totals, file, name) {
  if (!existsSync(file)) {
    console.error(`${name}: no test report, so its tests did not run`);
    totals.failed++;
    return totals;
  }
  const report = JSON.parse(readFileSync(file, "utf8"));
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += report.numPendingTests + report.numTodoTests;
  // A file that fails before its first test has no test to count.
  for (const suite of report.testResults) {
    if (suite.status === "failed" && suite.assertionResults.length === 0) totals.failed++;
    for (const test of suite.assertionResults) {
      if (test.status === "skipped" || test.status === "pending") {
        totals.skips.push(`${name}: ${test.fullName}`);
      }
    }
  }
  return totals;
}

export function printTotals(totals) {
  for (const skip of totals.skips) console.log(`skipped: ${skip}`);
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
}
