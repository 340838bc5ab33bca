import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { Network } from "./network.js";

const WATCHER = fileURLToPath(new URL("./fixtures/interface-watcher.mjs", import.meta.url));
const INDEX = 4301;
const NAME = "watched0";

/** What a process says that opens the names and does nothing else, until it ends; `opened` is called when they are open. */
async function watch(keep: "ref" | "unref", opened: () => void): Promise<string> {
  const child = spawn(process.execPath, [WATCHER, keep, String(INDEX), NAME], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").once("data", opened);
  child.stdout.on("data", (text: string) => {
    said += text;
  });
  expect(await once(child, "close")).toEqual([0, null]);
  return said;
}

test("names that are open let the process end", async () => {
  expect(await watch("unref", () => {})).toBe("open\n");
});

test("names with ref() keep the process alive, and follow what comes, until they are closed", async (context) => {
  const reason = Network.unavailable();
  requireKernel(context, reason === undefined, reason ?? "");
  const ip = (command: string): unknown => execFileSync("ip", command.split(" "), { stdio: "ignore" });
  try {
    const said = watch("ref", () => ip(`link add ${NAME} index ${INDEX} type veth peer name watched1`));
    expect(await said).toBe("open\nseen\n");
  } finally {
    ip(`link del ${NAME}`);
  }
});
