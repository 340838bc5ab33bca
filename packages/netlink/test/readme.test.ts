import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

function example(name: string): string {
  return readFileSync(new URL(`../../../apps/examples/${name}`, import.meta.url), "utf8");
}

test("the README's log reader is the example that is tested", () => {
  expect(readme).toContain(`\`\`\`js\n${example("nflog.mjs")}\`\`\`\n`);
});
