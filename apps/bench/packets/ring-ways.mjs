// nlring as its users have it: a handler, or a loop.
import { loadNative } from "@nlring/native";
import { NfQueue } from "@nlring/nfqueue";
import { HELD_LENGTH, INSPECTED, rewrite } from "./work.mjs";

/** Bytes as the kernel accounts them: twice what the consumers in C ask for. */
const RECEIVE_BUFFER = 8 * 1024 * 1024;

/**
 * @typedef {import("@nlring/nfqueue").Packet} Packet
 * @typedef {import("./meter.mjs").Meter} Meter
 * @typedef {import("./consumer.mjs").ConsumerOptions} ConsumerOptions
 * @typedef {(packet: Packet) => void} Handler
 */

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {(receiveBuffer: number) => void} ready
 * @param {() => void} finish called at the second mark, in the handler
 */
export async function consumeByRing(options, meter, ready, finish) {
  const { coalesce, conntrack, frames, gso, queue, queues, transport, way } = options;
  if (options.countCalls) countCalls(meter);
  const opened = await Promise.all(
    Array.from({ length: queues }, (_, index) =>
      NfQueue.open(queue + index, {
        gso,
        coalesce,
        conntrack,
        transport,
        queueMaxLength: 8192,
        receiveBuffer: RECEIVE_BUFFER,
        ...(frames === undefined ? {} : { ring: { frameCount: frames } }),
      }),
    ),
  );
  /** @type {Packet[]} */
  const held = [];
  const handle = handlerOf(options, meter, (packet) => {
    if (packet.length === HELD_LENGTH) {
      held.push(packet.hold());
      return;
    }
    const ends = meter.mark(packet.length);
    if (ends) finish();
    packet.accept();
    if (!ends) return;
    for (const kept of held) kept.accept();
    // What was decided in this turn leaves first.
    setImmediate(() => opened.map((each) => each.close()));
  });
  const running = opened.map((each) => (way === "iterate" ? iterate(each, handle) : each.run(handle)));
  ready(opened[0]?.receiveBuffer ?? 0);
  await Promise.all(running);
}

/**
 * @param {NfQueue} queue
 * @param {Handler} handle
 */
async function iterate(queue, handle) {
  for await (const packet of queue) handle(packet);
}

/**
 * @param {ConsumerOptions} options
 * @param {Meter} meter
 * @param {Handler} control what marks and held packets go to
 * @returns {Handler}
 */
function handlerOf({ payload, work }, meter, control) {
  switch (work) {
    case "accept":
      return (packet) => {
        const { length } = packet;
        if (length <= HELD_LENGTH) return control(packet);
        meter.count(length);
        packet.accept();
      };
    case "inspect":
      return (packet) => {
        const { length } = packet;
        if (length <= HELD_LENGTH) return control(packet);
        meter.count(length);
        const end = Math.min(payload + INSPECTED, length) - 4;
        let sum = 0;
        for (let at = payload; at <= end; at += 4) sum = (sum + packet.readUint32(at)) | 0;
        meter.digest(sum);
        packet.accept();
      };
    case "drop-half":
      return (packet) => {
        const { length } = packet;
        if (length <= HELD_LENGTH) return control(packet);
        meter.count(length);
        if ((packet.readUint32(payload) & 1) === 0) return packet.accept();
        meter.countDropped();
        packet.drop();
      };
    case "rewrite":
      return (packet) => {
        const { length } = packet;
        if (length <= HELD_LENGTH) return control(packet);
        meter.count(length);
        const bytes = packet.payload;
        rewrite(new DataView(bytes.buffer, bytes.byteOffset, length), 0, length);
        packet.accept({ payload: bytes });
      };
  }
}

/**
 * Has the addon's calls counted, each of which is one system call.
 *
 * @param {Meter} meter
 */
function countCalls(meter) {
  const addon = loadNative();
  const { Socket } = addon;
  class CountedSocket extends Socket {
    /**
     * @override
     * @param {number} limit
     * @param {boolean} [fromFirst]
     */
    fill(limit, fromFirst) {
      meter.syscalls++;
      return super.fill(limit, fromFirst);
    }

    /** @override */
    drain() {
      meter.syscalls++;
      return super.drain();
    }

    /** @override */
    poll() {
      meter.syscalls++;
      return super.poll();
    }
  }
  Object.assign(addon, { Socket: CountedSocket });
}
