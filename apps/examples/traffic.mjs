// The demo's sender and receiver, in a process of their own. The receiver counts and echoes; the sender keeps a bounded number of
// datagrams in flight, so that nothing is lost for want of a buffer.
import dgram from "node:dgram";

const WINDOW = 256;
/** Milliseconds without an echo after which what is missing counts as lost. */
const SILENCE = 5000;
const ADDRESSES = { ip: "127.0.0.1", ip6: "::1" };

/** @typedef {{ family: "ip" | "ip6", port: number, count: number }} Order */

/**
 * @param {"ip" | "ip6"} family
 * @param {number} port
 * @returns {Promise<dgram.Socket>}
 */
function open(family, port) {
  const socket = dgram.createSocket({
    type: family === "ip6" ? "udp6" : "udp4",
    ipv6Only: family === "ip6",
    recvBufferSize: 1 << 20,
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, ADDRESSES[family], () => resolve(socket));
  });
}

/**
 * Sends `count` datagrams, every fourth of them with a "!" in it, and tells how many arrived and how many were echoed.
 *
 * @param {Order} order
 * @param {{ sent: number, received: number }} totals
 */
async function exchange({ family, port, count }, totals) {
  const receiver = await open(family, port);
  const sender = await open(family, 0);
  receiver.on("message", (datagram, from) => {
    totals.received++;
    receiver.send(datagram, from.port, from.address);
  });
  let sent = 0;
  let settled = -1;
  let echoed = 0;
  const quiet = count - Math.floor(count / 4);
  await /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const silence = setTimeout(resolve, SILENCE);
      const pump = () => {
        for (; sent < count && sent - settled <= WINDOW; sent++) {
          const loud = sent % 4 === 3 && sent !== count - 1;
          totals.sent++;
          sender.send(`${sent} ${loud ? "hello!" : "hello"}`, port, ADDRESSES[family]);
        }
      };
      sender.on("message", (datagram) => {
        settled = Math.max(settled, Number.parseInt(datagram.toString("latin1"), 10));
        silence.refresh();
        if (++echoed >= quiet) {
          clearTimeout(silence);
          resolve();
        } else pump();
      });
      pump();
    })
  );
  sender.close();
  receiver.close();
}

process.once("message", async (/** @type {Order[]} */ orders) => {
  const totals = { sent: 0, received: 0 };
  const progress = setInterval(() => process.send?.({ ...totals, done: false }), 500);
  await Promise.all(orders.map((order) => exchange(order, totals)));
  clearInterval(progress);
  process.send?.({ ...totals, done: true });
  process.disconnect();
});
