// Nanoseconds per request that the kernel does nothing for but acknowledge (NLMSG_NOOP), beside the same in C.
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";

/** @typedef {import("./c-programs.mjs").Program} Program */

const NLMSG_NOOP = 1;
const BATCH = 64;
const NOOP = { type: NLMSG_NOOP };
const BATCH_OF_NOOPS = Array.from({ length: BATCH }, () => NOOP);

/**
 * @typedef {object} AcknowledgementResult
 * @property {number[]} single one request after another
 * @property {number[]} together 64 in one call
 * @property {number[]} concurrent 64 calls before one wait
 * @property {number[]} singleInC one send and one recv
 * @property {number[]} togetherInC one send, and a recv for each ACK
 * @property {number[]} gatheredInC one send, and one recvmmsg for the ACKs
 */

/**
 * Times them in turn, run by run. The figures of C are missing where `program` is.
 *
 * @param {Program | undefined} program acknowledge.c
 * @param {{ runs?: number, count?: number, onRun?: (done: number, runs: number) => void }} [options]
 * @returns {Promise<AcknowledgementResult>}
 */
export async function measureAcknowledgements(program, { runs = 15, count = 25_600, onRun = () => {} } = {}) {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  const batches = count / BATCH;
  /** @type {AcknowledgementResult} */
  const result = {
    single: [],
    together: [],
    concurrent: [],
    singleInC: [],
    togetherInC: [],
    gatheredInC: [],
  };
  // The first runs are the compiler's.
  for (let run = -3; run < runs; run++) {
    const single = await timed(count, async () => {
      for (let i = 0; i < count; i++) await socket.request(NOOP);
    });
    const singleInC = await program?.run(count, 1, "recv");
    const together = await timed(count, async () => {
      for (let i = 0; i < batches; i++) await socket.request(BATCH_OF_NOOPS);
    });
    const togetherInC = await program?.run(count, BATCH, "recv");
    const concurrent = await timed(count, async () => {
      for (let i = 0; i < batches; i++)
        await Promise.all(BATCH_OF_NOOPS.map((request) => socket.request(request)));
    });
    const gatheredInC = await program?.run(count, BATCH, "recvmmsg");
    if (run < 0) continue;
    result.single.push(single);
    result.together.push(together);
    result.concurrent.push(concurrent);
    onRun(run + 1, runs);
    if (program === undefined) continue;
    result.singleInC.push(singleInC.nanoseconds);
    result.togetherInC.push(togetherInC.nanoseconds);
    result.gatheredInC.push(gatheredInC.nanoseconds);
  }
  await socket.close();
  return result;
}

/**
 * @param {number} count
 * @param {() => Promise<void>} action
 */
async function timed(count, action) {
  const started = process.hrtime.bigint();
  await action();
  return Number(process.hrtime.bigint() - started) / count;
}
