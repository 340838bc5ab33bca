// npm run bench: the rings by themselves, then netlink beside C and others, then packets through NFQUEUE, consumer by consumer.
//
//   --quick           fewer rows and runs: within 4 minutes
//   --json FILE       writes the results of the packets
//   --charts FOLDER   draws them
//   --from FILE       measures no packets: takes the results of an earlier run
//   --quote FILE      writes the figures into the Markdown file, where it has places for them (packets/quotes.mjs)
//   --check           runs so short that their figures mean nothing: every consumer at every work, to see that the counts agree
//   --packets         packets alone
//   --only TEXT       packets alone, of the workloads whose names contain the text
//   --rounds NUMBER   runs of each consumer
//   --note TEXT       what a reader must know of the figures, such as that the machine was busy
import { bringLoopbackUp } from "./loopback.mjs";
import { printNetlink } from "./netlink-report.mjs";
import { packetOptions, reportPackets } from "./packets/packets-report.mjs";
import { printRings } from "./ring-report.mjs";

const options = packetOptions(process.argv.slice(2));
if (!options.packets && !options.check && options.only === undefined && options.from === undefined) {
  await printRings(options.quick);
  await bringLoopbackUp();
  await printNetlink(options.quick);
}
await reportPackets(options);
