// What is measured: each row is one workload and one work, for several consumers in turn.

/**
 * @typedef {object} Consumer
 * @property {string} name as results have it
 * @property {"run" | "iterate" | "socket" | "npm" | "classic" | "gathered" | "batch"} way
 * @property {boolean} coalesce whether nlring joins verdicts
 * @property {number} [frames] of nlring's ring
 * @property {true} [conntrack] takes packets with their connections
 * @property {"user-ring" | "kernel-ring"} [transport] nlring's, where it is not the one it chooses
 * @property {number} [held] packets that wait all the while
 *
 * @typedef {object} Row
 * @property {string} workload
 * @property {import("./work.mjs").Work} work
 * @property {"udp" | "tcp" | "latency"} kind
 * @property {number} size bytes of payload of a datagram
 * @property {number} payload where the payload begins in a packet
 * @property {boolean} segmented whether packets come over the link with their segments
 * @property {boolean} gso whether the consumer takes them so
 * @property {number} queues
 * @property {number} load latency: part of the consumer's own packets/s; 0 is one packet at a time
 * @property {number} weight times as many turns as in other rows: figures of this one are quoted
 * @property {Consumer[]} consumers
 */

const RUN = consumer("nlring-run", "run");
const SEPARATE = { ...consumer("nlring-run", "run"), coalesce: false };
/** @type {Consumer} */
const USER_RING = { ...RUN, transport: "user-ring" };
const ITERATE = consumer("nlring-iterate", "iterate");
const SOCKET = consumer("nlring-socket", "socket");
const NPM = consumer("npm-nfqueue", "npm");
const CLASSIC = consumer("c-classic", "classic");
const GATHERED = consumer("c-gathered", "gathered");
const BATCH = consumer("c-batch", "batch");
const ALL = [RUN, SEPARATE, ITERATE, SOCKET, NPM, CLASSIC, GATHERED, BATCH];
const TAKING_GSO = ALL.filter((each) => each !== NPM);

/** Where UDP's and TCP's payload begins; TCP has timestamps. */
const UDP_PAYLOAD = 28;
const TCP_PAYLOAD = 52;

/** @type {import("./work.mjs").Work[]} */
const WORKS = ["accept", "inspect", "drop-half", "rewrite"];

/** Bytes of payload, as the chart has them. */
export const SIZES = [18, 64, 256, 512, 1024, 1400];

/** Those of them that tables quote. */
const QUOTED = [64, 1400];
/** The weight of rows that are quoted. */
const THOROUGH = 3;

/**
 * @param {string} name
 * @param {Consumer["way"]} way
 * @returns {Consumer}
 */
function consumer(name, way) {
  return { name, way, coalesce: true };
}

/**
 * @param {number} size
 * @param {Partial<Row>} [rest]
 * @returns {Row}
 */
function datagrams(size, rest = {}) {
  return {
    workload: `udp-${size}`,
    work: "inspect",
    kind: "udp",
    size,
    payload: UDP_PAYLOAD,
    segmented: false,
    gso: false,
    queues: 1,
    load: 0,
    weight: 1,
    consumers: ALL,
    ...rest,
  };
}

/** @param {boolean} gso */
function segments(gso) {
  return datagrams(1400, {
    workload: "udp-segment",
    segmented: true,
    gso,
    consumers: gso ? TAKING_GSO : ALL,
  });
}

/** @param {boolean} gso */
function stream(gso) {
  return datagrams(1448, {
    workload: "tcp-bulk",
    kind: "tcp",
    payload: TCP_PAYLOAD,
    segmented: true,
    gso,
    weight: gso ? THOROUGH : 1,
    consumers: gso ? TAKING_GSO : ALL,
  });
}

/** @param {number} load */
function latency(load) {
  return datagrams(64, {
    workload: load === 0 ? "latency-low" : `latency-${Math.round(load * 100)}`,
    kind: "latency",
    load,
    weight: load === 0 ? THOROUGH : 1,
    consumers: [RUN, ITERATE, SOCKET, NPM, CLASSIC, GATHERED],
  });
}

/** Every consumer at every work, for a run that only shows that they do it. */
export function checkRows() {
  return WORKS.map((work) => datagrams(64, { work }));
}

/** The smallest set that shows every lever. */
export function quickRows() {
  return [
    datagrams(64),
    datagrams(1400),
    segments(true),
    stream(false),
    stream(true),
    { ...latency(0), consumers: [RUN, NPM, CLASSIC] },
  ];
}

export function fullRows() {
  const held = [0, 1000, 4000].map((count) => ({ ...SEPARATE, held: count }));
  const frames = [64, 256, 1024, 8192].map((count) => ({ ...RUN, frames: count }));
  return [
    ...SIZES.map((size) => datagrams(size, { weight: QUOTED.includes(size) ? THOROUGH : 1 })),
    ...WORKS.filter((work) => work !== "inspect").map((work) => datagrams(64, { work })),
    datagrams(64, { gso: true, consumers: TAKING_GSO }),
    datagrams(1400, { gso: true, consumers: TAKING_GSO }),
    segments(false),
    segments(true),
    stream(false),
    stream(true),
    latency(0),
    latency(0.7),
    datagrams(64, { consumers: frames }),
    datagrams(64, { weight: THOROUGH, consumers: held }),
    datagrams(64, { consumers: [{ ...RUN, conntrack: true }, USER_RING] }),
    datagrams(64, { consumers: [{ ...RUN, transport: "kernel-ring" }, USER_RING] }),
    datagrams(64, { queues: 2, consumers: [RUN, GATHERED] }),
  ];
}

/**
 * The rows with the consumers that can be had here. A row is about its first consumer, and left out without it.
 *
 * @param {readonly Row[]} rows
 * @param {(consumer: Consumer) => boolean} isThere
 */
export function rowsWith(rows, isThere) {
  return rows
    .filter(({ consumers: [first] }) => first !== undefined && isThere(first))
    .map((row) => ({ ...row, consumers: row.consumers.filter(isThere) }));
}
