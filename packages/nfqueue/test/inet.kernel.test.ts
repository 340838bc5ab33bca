import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { NfQueue, type Packet } from "@nlring/nfqueue";
import { inet, verifyChecksums } from "@nlring/nfqueue/inet";
import { expect, test } from "vitest";
import { requireRules } from "./require-rules.js";

const KNOCK = "is anybody there?";

requireRules();

/** Sends to a port where nobody listens; resolves when the kernel's ICMP error has come back. */
async function knockAtClosedPort(host: string): Promise<void> {
  const closed = createSocket(host.includes(":") ? "udp6" : "udp4");
  closed.bind(0, host);
  await once(closed, "listening");
  const { port } = closed.address();
  await new Promise<void>((resolve) => closed.close(resolve));
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.connect(port, host);
  await once(socket, "connect");
  const refused = once(socket, "error");
  socket.send(KNOCK);
  expect((await refused)[0]).toMatchObject({ code: "ECONNREFUSED" });
  socket.close();
}

async function fetchOverTcp(host: string, bytes: number): Promise<void> {
  const server = createServer((connection) => connection.end(new Uint8Array(bytes)));
  server.listen(0, host);
  await once(server, "listening");
  const connection = connect((server.address() as AddressInfo).port, host);
  let received = 0;
  connection.on("data", (chunk) => {
    received += chunk.length;
  });
  await once(connection, "close");
  expect(received).toBe(bytes);
  await new Promise((resolve) => server.close(resolve));
}

/** What an observer of packets finds out about them. */
class Observer {
  readonly protocols = new Set<number | undefined>();
  readonly wrong: unknown[] = [];
  icmpErrors = 0;

  observe(packet: Packet): void {
    const { payload, checksumReady } = packet;
    const datagram = inet(payload);
    // Segments of 65,535 bytes come cut by four, and then neither can be verified nor rewritten.
    const cut = packet.length < packet.originalLength;
    const before = verifyChecksums(payload, { checksumReady });
    const after = cut ? undefined : verifyChecksums(datagram.edit().bytes());
    const network = datagram.version === 4 ? "right" : "none";
    const told = {
      before: { network, transport: cut ? "unknown" : checksumReady ? "right" : "partial" },
      after: cut ? undefined : { network, transport: "right" },
      read: [packet.length, cut, undefined],
    };
    const found = { before, after, read: [datagram.length, datagram.truncated, datagram.malformed] };
    if (!isDeepStrictEqual(found, told)) this.wrong.push({ found, told });
    this.protocols.add(datagram.protocol);
    if (datagram.embedded?.udp?.payload.length === KNOCK.length) this.icmpErrors++;
  }
}

test.each([
  [4, "127.0.0.1"],
  [6, "::1"],
])(
  "the kernel's own IPv%i packets read right, and every rewrite has the full checksum",
  async (version, host) => {
    const observer = new Observer();
    const queue = await NfQueue.open(41);
    queue.on("handlerError", (error) => observer.wrong.push(error));
    await queue.intercept({ hook: "input" });
    const running = queue.run((packet) => {
      // Decided first, a packet's bytes would be gone; undecided, a failure would stop the traffic.
      try {
        observer.observe(packet);
      } finally {
        packet.accept();
      }
    });
    await knockAtClosedPort(host);
    await fetchOverTcp(host, 300_000);
    await queue.close();
    await running;
    expect(observer.wrong).toEqual([]);
    expect(observer.protocols).toEqual(new Set(version === 4 ? [17, 1, 6] : [17, 58, 6]));
    expect(observer.icmpErrors).toBe(1);
  },
);
