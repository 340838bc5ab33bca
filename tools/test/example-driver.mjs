// Runs beside a copy of the README's first example, in a sandbox of the two: starts the example, sends it datagrams, interrupts it, and
// prints what was seen as JSON. It is copied into the project that has the packages installed, which it imports as the example does.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { NfQueue, QueueUnsupportedError } from "@nlring/nfqueue";

const PORT = 5300;
const RTM_NEWLINK = 16;
const LOOPBACK = 1;
const IFF_UP = 1;
const families = [
  { type: "udp4", address: "127.0.0.1" },
  // Present where the kernel has IPv6 at all.
  ...(existsSync("/proc/net/if_inet6") ? [{ type: "udp6", address: "::1" }] : []),
];

/** A kernel without NFQUEUE can run no example, which is no fault of the packages'. */
async function assertSupported() {
  try {
    const queue = await NfQueue.open(1);
    await queue.close();
  } catch (error) {
    if (!(error instanceof QueueUnsupportedError)) throw error;
    console.log(JSON.stringify({ unsupported: error.message }));
    process.exit();
  }
}

/** A fresh network namespace has its loopback interface down. */
async function bringLoopbackUp() {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await socket.request({
    type: RTM_NEWLINK,
    // ifinfomsg: family, padding, type, index, flags, mask of the flags that change.
    write: (writer) => writer.uint8(0).uint8(0).uint16(0).uint32(LOOPBACK).uint32(IFF_UP).uint32(IFF_UP),
  });
  await socket.close();
}

async function openReceiver({ type, address }) {
  const socket = createSocket(type);
  socket.bind(PORT, address);
  await once(socket, "listening");
  const seen = [];
  let wake = () => {};
  socket.on("message", (message) => {
    seen.push(message.toString());
    wake();
  });
  return {
    type,
    send: (text) => socket.send(text, PORT, address),
    /** Resolves once `last` has arrived, with everything that arrived up to it. */
    async until(last) {
      while (!seen.includes(last)) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return seen.splice(0, seen.indexOf(last) + 1);
    },
    close: () => socket.close(),
  };
}

/** Datagrams keep their order on the loopback interface, so a loud one that its quiet follower overtook was dropped. */
async function waitForRule(receiver) {
  for (let round = 0; ; round++) {
    receiver.send(`loud ${round}!`);
    receiver.send(`quiet ${round}`);
    const seen = await receiver.until(`quiet ${round}`);
    if (!seen.includes(`loud ${round}!`)) return;
  }
}

await assertSupported();
await bringLoopbackUp();
const receivers = await Promise.all(families.map(openReceiver));
const example = spawn(process.execPath, [fileURLToPath(new URL("example.mjs", import.meta.url))], {
  stdio: ["ignore", "pipe", "inherit"],
});
process.on("exit", () => example.kill("SIGKILL"));
process.on("SIGTERM", () => {
  console.error(`the example still runs, and printed: ${output}`);
  process.exit(1);
});
let output = "";
example.stdout.setEncoding("utf8").on("data", (text) => {
  output += text;
});
const ended = once(example, "close");
const endedEarly = ended.then(([code, signal]) => {
  throw new Error(`the example ended by itself, with ${code ?? signal}`);
});
endedEarly.catch(() => {});

const delivered = {};
for (const receiver of receivers) {
  await Promise.race([waitForRule(receiver), endedEarly]);
  for (let number = 0; number < 20; number++) {
    receiver.send(number % 2 === 0 ? `hello ${number}` : `HELLO ${number}!`);
  }
  receiver.send("end");
  delivered[receiver.type] = await Promise.race([receiver.until("end"), endedEarly]);
}
example.kill("SIGINT");
const [code, signal] = await ended;
for (const receiver of receivers) receiver.close();
console.log(JSON.stringify({ delivered, code, signal, output }));
