import { test } from "vitest";
import { fuzz } from "./fuzz-targets.js";
import { openMemorySocket } from "./memory-socket.js";

test("100,000 mutations of real messages decode, or throw DecodeError, and nothing outside them is read", async () => {
  const delivery = await openMemorySocket();
  fuzz(100_000, Date.now(), delivery);
  await delivery.socket.close();
});
