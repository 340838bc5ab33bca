import { beforeAll, beforeEach } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { bringLoopbackUp, rulesUnavailable } from "./sandbox.js";

/** Brings the loopback interface up for a file's tests, and skips them where no rules can be made. It goes before the file's other hooks. */
export function requireRules(): void {
  let lacking: string | undefined;
  beforeAll(async () => {
    await bringLoopbackUp();
    lacking = await rulesUnavailable();
  });
  beforeEach((context) => requireKernel(context, lacking === undefined, lacking ?? ""));
}
