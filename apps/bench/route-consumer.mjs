// One way of listing the routes, in a process of its own: what one leaves to the compiler and on the heap is not another's. Told to, it lists
// them a few times and answers with how many there were and the median of the nanoseconds that it took. Usage: fork it with the name of the
// way and the number of times.
import { median } from "./backlog.mjs";
import { CONSUMERS } from "./route-consumers.mjs";

const name = process.argv[2] ?? "";
const listings = Number(process.argv[3] ?? 1);
const consumer = await CONSUMERS[name]?.();
process.send?.({ ready: consumer !== undefined });
if (consumer === undefined) process.disconnect();

process.on("message", async () => {
  let routes = 0;
  const nanoseconds = [];
  for (let listing = 0; listing < listings; listing++) {
    const started = process.hrtime.bigint();
    routes = (await consumer?.list()) ?? 0;
    nanoseconds.push(Number(process.hrtime.bigint() - started));
  }
  process.send?.({ routes, nanoseconds: median(nanoseconds) });
});
process.on("disconnect", () => consumer?.close());
