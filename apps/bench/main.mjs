// npm run bench: the rings by themselves, then netlink beside C and others, then the ring against regular socket I/O through the same addon.
import { measureBacklog, median } from "./backlog.mjs";
import { bringLoopbackUp } from "./loopback.mjs";
import { printNetlink } from "./netlink-report.mjs";
import { printRings } from "./ring-report.mjs";

const quick = process.argv.includes("--quick");
await printRings(quick);
await bringLoopbackUp();
await printNetlink(quick);
const result = await measureBacklog({
  blocks: quick ? 5 : 15,
  onBlock: (done, blocks) => console.log(`block ${done} of ${blocks}`),
});
const ratios = result.ring.map((ring, index) => ring / (result.socket[index] ?? Number.NaN));
const spread = (/** @type {number[]} */ figures) =>
  `${Math.round(Math.min(...figures))} to ${Math.round(Math.max(...figures))}`;
console.log(`ring:   ${Math.round(median(result.ring))} packets/s (${spread(result.ring)})`);
console.log(`socket: ${Math.round(median(result.socket))} packets/s (${spread(result.socket)})`);
console.log(`ratio:  ${median(ratios).toFixed(2)}`);
