// The npm package nfqueue, regular socket I/O over libnetfilter_queue, where it is installed. Being a native addon that is built on its
// user's machine, it is no dependency: NLRING_BENCH_NFQUEUE names the folder that it was installed into.
import { createRequire } from "node:module";
import { join } from "node:path";
import { HELD_LENGTH, INSPECTED, rewrite } from "./work.mjs";

/**
 * @typedef {import("./meter.mjs").Meter} Meter
 * @typedef {import("./consumer.mjs").ConsumerOptions} ConsumerOptions
 * @typedef {object} NpmPacket
 * @property {Buffer} payload
 * @property {(verdict: number, mark?: number, payload?: Buffer) => void} setVerdict
 * @typedef {object} NpmNfqueue
 * @property {number} NF_ACCEPT
 * @property {number} NF_DROP
 * @property {(queue: number, receiveBuffer: number, handler: (packet: NpmPacket) => void) => unknown} createQueueHandler
 */

const RECEIVE_BUFFER = 4 * 1024 * 1024;

/**
 * The package, or why it is not there.
 *
 * @returns {NpmNfqueue | string}
 */
export function loadNpmNfqueue() {
  const folder = process.env["NLRING_BENCH_NFQUEUE"];
  const require = createRequire(folder === undefined ? import.meta.url : join(folder, "index.js"));
  try {
    return require("nfqueue");
  } catch (error) {
    const where = folder === undefined ? "NLRING_BENCH_NFQUEUE does not name its folder" : `not in ${folder}`;
    return `the npm package nfqueue is not installed (${where}): ${String(error).split("\n")[0]}`;
  }
}

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {(receiveBuffer: number) => void} ready
 * @param {() => void} finish
 */
export async function consumeByNpm(options, meter, ready, finish) {
  const nfqueue = loadNpmNfqueue();
  if (typeof nfqueue === "string") throw new Error(nfqueue);
  const decide = deciderOf(options, meter, nfqueue);
  nfqueue.createQueueHandler(options.queue, RECEIVE_BUFFER, (packet) => {
    if (packet.payload.length > HELD_LENGTH) return decide(packet);
    const ends = meter.mark(packet.payload.length);
    if (ends) finish();
    packet.setVerdict(nfqueue.NF_ACCEPT);
    // It cannot be closed.
    if (ends) setImmediate(() => process.exit());
  });
  ready(RECEIVE_BUFFER);
}

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {NpmNfqueue} nfqueue
 * @returns {(packet: NpmPacket) => void}
 */
function deciderOf({ payload: start, work }, meter, { NF_ACCEPT, NF_DROP }) {
  switch (work) {
    case "accept":
      return (packet) => {
        meter.count(packet.payload.length);
        packet.setVerdict(NF_ACCEPT);
      };
    case "inspect":
      return (packet) => {
        const { payload } = packet;
        meter.count(payload.length);
        const end = Math.min(start + INSPECTED, payload.length) - 4;
        let sum = 0;
        for (let at = start; at <= end; at += 4) sum = (sum + payload.readUInt32BE(at)) | 0;
        meter.digest(sum);
        packet.setVerdict(NF_ACCEPT);
      };
    case "drop-half":
      return (packet) => {
        meter.count(packet.payload.length);
        if ((packet.payload.readUInt32BE(start) & 1) === 0) return packet.setVerdict(NF_ACCEPT);
        meter.countDropped();
        packet.setVerdict(NF_DROP);
      };
    case "rewrite":
      return (packet) => {
        const { payload } = packet;
        meter.count(payload.length);
        rewrite(new DataView(payload.buffer, payload.byteOffset, payload.length), 0, payload.length);
        packet.setVerdict(NF_ACCEPT, 0, payload);
      };
  }
}
