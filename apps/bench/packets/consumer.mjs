// A consumer in JavaScript, in a process of its own: one JSON value when it listens, and one when the second mark came.
// Usage: node consumer.mjs OPTIONS, where OPTIONS are ConsumerOptions as JSON.
import { Meter } from "./meter.mjs";
import { consumeByNpm } from "./npm-way.mjs";
import { consumeByRing } from "./ring-ways.mjs";
import { consumeBySocket } from "./socket-way.mjs";

/**
 * @typedef {object} ConsumerOptions
 * @property {"run" | "iterate" | "socket" | "npm"} way
 * @property {import("./work.mjs").Work} work
 * @property {number} queue number of the first
 * @property {number} queues
 * @property {boolean} gso
 * @property {number} payload where the payload begins in a packet
 * @property {boolean} coalesce
 * @property {number} [frames]
 * @property {true} [conntrack]
 * @property {"user-ring" | "kernel-ring"} [transport]
 * @property {boolean} countCalls counts system calls, which costs a little at each
 */

/** @type {ConsumerOptions} */
const options = JSON.parse(process.argv[2] ?? "{}");
const meter = new Meter();
const print = (/** @type {object} */ value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const consume = { run: consumeByRing, iterate: consumeByRing, socket: consumeBySocket, npm: consumeByNpm }[
  options.way
];
await consume(
  options,
  meter,
  (receiveBuffer) => print({ receiveBuffer }),
  () => print(meter.read(options.way === "socket" || (options.countCalls && options.way !== "npm"))),
);
