// Regular socket I/O through nlring's own addon: what rings are compared with.
import { NF_ACCEPT, NF_DROP, REPLACE, SocketConsumer } from "./socket-consumer.mjs";
import { HELD_LENGTH, INSPECTED, rewrite } from "./work.mjs";

/**
 * @typedef {import("./meter.mjs").Meter} Meter
 * @typedef {import("./consumer.mjs").ConsumerOptions} ConsumerOptions
 * @typedef {import("./socket-consumer.mjs").Decide} Decide
 */

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {(receiveBuffer: number) => void} ready
 * @param {() => void} finish
 */
export async function consumeBySocket(options, meter, ready, finish) {
  const { gso, queue } = options;
  const consumer = new SocketConsumer(queue, { gso });
  let before = 0;
  await /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const decide = deciderOf(options, meter, (length) => {
        const ends = meter.mark(length);
        if (!ends) {
          before = consumer.syscalls;
          return;
        }
        meter.syscalls = consumer.syscalls - before;
        finish();
        setImmediate(resolve);
      });
      consumer.run(decide);
      ready(consumer.receiveBuffer);
    })
  );
  consumer.close();
}

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {(length: number) => void} control
 * @returns {Decide}
 */
function deciderOf({ payload, work }, meter, control) {
  const accepts = (/** @type {number} */ length) => {
    if (length <= HELD_LENGTH) {
      control(length);
      return true;
    }
    meter.count(length);
    return false;
  };
  switch (work) {
    case "accept":
      return (_view, _offset, length) => {
        accepts(length);
        return NF_ACCEPT;
      };
    case "inspect":
      return (view, offset, length) => {
        if (accepts(length)) return NF_ACCEPT;
        const end = offset + Math.min(payload + INSPECTED, length) - 4;
        let sum = 0;
        for (let at = offset + payload; at <= end; at += 4) sum = (sum + view.getUint32(at)) | 0;
        meter.digest(sum);
        return NF_ACCEPT;
      };
    case "drop-half":
      return (view, offset, length) => {
        if (accepts(length)) return NF_ACCEPT;
        if ((view.getUint32(offset + payload) & 1) === 0) return NF_ACCEPT;
        meter.countDropped();
        return NF_DROP;
      };
    case "rewrite":
      return (view, offset, length) => {
        if (accepts(length)) return NF_ACCEPT;
        rewrite(view, offset, length);
        return REPLACE;
      };
  }
}
