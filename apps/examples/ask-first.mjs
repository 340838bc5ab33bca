// Slow decisions that hold nobody up: each packet of a new sender waits for an answer, all others go on at once.
//
//   unshare --user --map-root-user --net sh -c 'ip link set lo up; node ask-first.mjs'
//
// Needs CAP_NET_ADMIN in the network namespace. The rule goes when the program ends.
import { setTimeout as delay } from "node:timers/promises";
import { NfQueue } from "@nlring/nfqueue";

/** @type {Map<string, boolean>} */
const known = new Map();

/**
 * Stands for a look-up elsewhere: odd last bytes are trusted.
 *
 * @param {string} sender
 */
async function isTrusted(sender) {
  await delay(100);
  const trusted = Number(sender.split(".").at(-1)) % 2 === 1;
  known.set(sender, trusted);
  console.log(`${sender} is ${trusted ? "trusted" : "refused"}`);
  return trusted;
}

const queue = await NfQueue.open(0, { defaultVerdict: "drop" });
process.once("SIGINT", () => queue.close());
await queue.intercept({ hook: "input", protocol: "udp", destinationPort: 5300 });

await queue.run((packet) => {
  if (packet.family !== "ip") return packet.accept();
  // Bytes 12 to 15 of an IPv4 header are the source address.
  const sender = [12, 13, 14, 15].map((offset) => packet.readUint8(offset)).join(".");
  const answer = known.get(sender);
  if (answer !== undefined) return answer ? packet.accept() : packet.drop();
  // A promise keeps the packet until it settles; the next ones are read meanwhile.
  return isTrusted(sender).then((trusted) => (trusted ? packet.accept() : packet.drop()));
});
console.log(queue.statistics);
