// Which consumers can be had on this machine, and why others cannot.
import { NfQueue } from "@nlring/nfqueue";
import { QUEUE } from "./network.mjs";
import { loadNpmNfqueue } from "./npm-way.mjs";
import { labelOfConsumer } from "./report.mjs";

/** @typedef {import("./rows.mjs").Consumer} Consumer */

/**
 * Why a consumer cannot be had; undefined where it can.
 *
 * @param {Consumer} consumer
 * @returns {Promise<string | undefined>}
 */
async function reasonAgainst({ conntrack, transport, way }) {
  if (way === "npm") {
    const npm = loadNpmNfqueue();
    return typeof npm === "string" ? npm : undefined;
  }
  if (conntrack === undefined && transport === undefined) return undefined;
  try {
    const queue = await NfQueue.open(QUEUE, { conntrack, transport });
    await queue.close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Those of the rows' consumers that can be had. Tells of the others.
 *
 * @param {readonly import("./rows.mjs").Row[]} rows
 * @returns {Promise<Set<Consumer>>}
 */
export async function availableConsumers(rows) {
  const available = new Set();
  for (const consumer of new Set(rows.flatMap(({ consumers }) => consumers))) {
    const reason = await reasonAgainst(consumer);
    if (reason === undefined) available.add(consumer);
    else console.log(`${labelOfConsumer(consumer)} is left out: ${reason}`);
  }
  return available;
}
