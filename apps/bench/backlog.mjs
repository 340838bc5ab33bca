// Packets per second of a consumer that finds a backlog: the sender fills the queue while the consumer is stopped, then the consumer is
// timed while it empties it. So no sender's speed is in the figure.
import dgram from "node:dgram";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { NfQueue, QueueRules } from "@nlring/nfqueue";
import { NF_ACCEPT, NF_DROP, QUEUE_LENGTH, SocketConsumer } from "./packets/socket-consumer.mjs";

const QUEUE = 90;
const PORT = 5390;
const ADDRESS = "127.0.0.1";
/** Packets of one round: fewer than the queue keeps waiting. */
const ROUND = 2000;

/**
 * @typedef {object} BacklogResult
 * @property {number[]} ring packets per second of each block of rounds, through the ring
 * @property {number[]} socket the same, one recv and one send per packet
 * @property {number} packets packets that each of them decided
 */

/**
 * Times both consumers in turn, block by block, on the same traffic: accept after reading one byte.
 *
 * @param {{ blocks?: number, rounds?: number, payload?: number, onBlock?: (done: number, blocks: number) => void }} [options]
 * @returns {Promise<BacklogResult>}
 */
export async function measureBacklog({ blocks = 5, rounds = 8, payload = 64, onBlock = () => {} } = {}) {
  const rules = new QueueRules(QUEUE);
  const receiver = dgram.createSocket("udp4");
  await /** @type {Promise<void>} */ (new Promise((resolve) => receiver.bind(PORT, ADDRESS, resolve)));
  const control = new SharedArrayBuffer(4);
  const sender = new Worker(new URL("./sender.mjs", import.meta.url), {
    workerData: { control, address: ADDRESS, port: PORT, payload },
  });
  try {
    await once(sender, "online");
    await rules.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
    const words = new Int32Array(control);
    /** @type {BacklogResult} */
    const result = { ring: [], socket: [], packets: blocks * rounds * ROUND };
    // The first block warms both up and is not counted.
    for (let block = 0; block <= blocks; block++) {
      const ring = await measureRing(words, rounds);
      const socket = measureSocket(words, rounds);
      if (block > 0) {
        result.ring.push(ring);
        result.socket.push(socket);
      }
      onBlock(block, blocks);
    }
    Atomics.store(words, 0, -1);
    Atomics.notify(words, 0);
    return result;
  } finally {
    await sender.terminate();
    receiver.close();
    await rules.close();
  }
}

/**
 * Has the sender fill the queue; returns when it is full. The consumer's thread sleeps meanwhile.
 *
 * @param {Int32Array} words
 */
function fillQueue(words) {
  Atomics.store(words, 0, ROUND);
  Atomics.notify(words, 0);
  Atomics.wait(words, 0, ROUND);
}

/**
 * @param {Int32Array} words
 * @param {number} rounds
 */
async function measureRing(words, rounds) {
  // The packets are small; the range says so to whoever reckons how many the receive buffer holds.
  const queue = await NfQueue.open(QUEUE, { queueMaxLength: QUEUE_LENGTH, copyRange: 128 });
  let seen = 0;
  let finish = () => {};
  const running = queue.run((packet) => {
    if (packet.readUint8(28) === 0) packet.drop();
    else packet.accept();
    if (++seen === ROUND) finish();
  });
  let nanoseconds = 0n;
  for (let round = 0; round < rounds; round++) {
    seen = 0;
    fillQueue(words);
    const started = process.hrtime.bigint();
    await /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        finish = resolve;
      })
    );
    // The last verdicts leave when their turn ends; they belong to the work.
    await new Promise((resolve) => setImmediate(resolve));
    nanoseconds += process.hrtime.bigint() - started;
  }
  await queue.close();
  await running;
  return (rounds * ROUND * 1e9) / Number(nanoseconds);
}

/**
 * @param {Int32Array} words
 * @param {number} rounds
 */
function measureSocket(words, rounds) {
  const consumer = new SocketConsumer(QUEUE);
  const decide = (/** @type {DataView} */ view, /** @type {number} */ offset) =>
    view.getUint8(offset + 28) === 0 ? NF_DROP : NF_ACCEPT;
  let nanoseconds = 0n;
  for (let round = 0; round < rounds; round++) {
    let decided = 0;
    fillQueue(words);
    const started = process.hrtime.bigint();
    while (decided < ROUND) decided += consumer.consume(decide);
    nanoseconds += process.hrtime.bigint() - started;
  }
  consumer.close();
  return (rounds * ROUND * 1e9) / Number(nanoseconds);
}

/**
 * The middle one of an odd number of figures.
 *
 * @param {number[]} figures
 */
export function median(figures) {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;
}
