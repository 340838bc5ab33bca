// A worker thread that sends a number of datagrams to loopback each time it is woken: they are all queued when it says so, since loopback
// hands a datagram on inside the send.
import dgram from "node:dgram";
import { workerData } from "node:worker_threads";

const { control, address, port, payload } = workerData;
const words = new Int32Array(control);
const socket = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
const datagram = Buffer.alloc(payload, 1);

/** @param {number} count */
async function send(count) {
  let left = count;
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      for (let i = 0; i < count; i++) {
        socket.send(datagram, port, address, (error) => {
          if (error !== null) reject(error);
          else if (--left === 0) resolve();
        });
      }
    })
  );
}

// Word 0 is how many to send, 0 while the main thread has the turn, -1 to end.
for (;;) {
  Atomics.wait(words, 0, 0);
  const count = Atomics.load(words, 0);
  if (count < 0) break;
  await send(count);
  Atomics.store(words, 0, 0);
  Atomics.notify(words, 0);
}
socket.close();
