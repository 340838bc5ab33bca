import { spawnSync } from "node:child_process";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { HOST_IS_LITTLE_ENDIAN } from "../src/abi.js";
import type { MessagesLost, MessagesReceived, MessagesSent } from "../src/diagnostics/diagnostics.js";
import { startPrinter } from "../src/diagnostics/diagnostics-printer.js";
import { observeSockets } from "../src/diagnostics/observe-sockets.js";
import {
  joined,
  messageBytes,
  openMemorySocket,
  PROTOCOL,
  pattern,
  takeAll,
  until,
} from "./memory-socket.js";

interface Seen {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly details: object;
}

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Everything that is published from now on, with the bytes copied. */
function observed(): Seen[] {
  const seen: Seen[] = [];
  const note = (what: string, { bytes, ...details }: MessagesSent | MessagesReceived): void => {
    seen.push({ what, bytes: bytes.slice(), details });
  };
  ends.push(
    observeSockets({
      sent: (messages) => note("sent", messages),
      received: (messages) => note("received", messages),
      lost: (loss) => seen.push({ what: `lost ${loss.kind}`, bytes: new Uint8Array(0), details: loss }),
    }),
  );
  return seen;
}

function losses(): MessagesLost[] {
  const seen: MessagesLost[] = [];
  ends.push(observeSockets({ lost: (loss) => seen.push(loss) }));
  return seen;
}

function typesIn(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const types: number[] = [];
  for (
    let offset = 0;
    offset < bytes.length;
    offset += (view.getUint32(offset, HOST_IS_LITTLE_ENDIAN) + 3) & ~3
  ) {
    types.push(view.getUint16(offset + 4, HOST_IS_LITTLE_ENDIAN));
  }
  return types;
}

describe("what is sent", () => {
  test("is published with the socket's protocol, port and transport, a request before its answer", async () => {
    const { socket } = await openMemorySocket();
    const seen = observed();
    await socket.request({ type: 100, write: (writer) => writer.uint32(1) });
    const source = { protocol: PROTOCOL, portId: socket.portId, transport: "memory" };
    expect(seen.map(({ what }) => what)).toEqual(["sent", "received"]);
    expect(seen[0]?.details).toEqual(source);
    expect(typesIn(seen[0]?.bytes ?? new Uint8Array(0))).toEqual([100]);
    expect(seen[1]?.details).toEqual({ ...source, senderPort: 0, group: 0 });
    await socket.close();
  });

  test("is published once for a frame of composed messages, for copied runs, and in order of sending", async () => {
    const arrived: number[] = [];
    const { socket } = await openMemorySocket((request) => {
      arrived.push(request.message.type);
    });
    const seen = observed();
    const compose = (type: number, length: number): void => {
      const writer = socket.compose(type, 0, length);
      for (let byte = 0; byte < length; byte++) writer.uint8(byte);
      socket.commit();
    };
    compose(1, 10);
    compose(2, 20);
    compose(3, 50_000);
    compose(4, 20_000);
    compose(5, 20_000);
    await socket.request({ type: 6 });
    const sent = seen.filter(({ what }) => what === "sent").map(({ bytes }) => typesIn(bytes));
    expect(sent).toEqual([[1, 2], [3], [4], [5], [6]]);
    expect(arrived).toEqual(sent.flat());
    await socket.close();
  });

  test("is not what was composed and given up", async () => {
    const { socket } = await openMemorySocket();
    const seen = observed();
    socket.compose(1, 0, 10);
    socket.flush();
    await socket.close();
    expect(seen).toEqual([]);
  });

  test("is published once where the kernel has no room at first", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen = observed();
    const { drain } = transport;
    let refusals = 2;
    transport.drain = () => (refusals-- > 0 ? -105 : drain.call(transport));
    socket.compose(1, 0, 0);
    socket.commit();
    await until(() => refusals < 0, 1e6);
    await socket.close();
    expect(seen.map(({ what }) => what)).toEqual(["sent"]);
  });
});

describe("a request that the kernel has no room for", () => {
  test("is not published, since it is never handed over", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen = observed();
    transport.drain = () => -105;
    socket.compose(1, 0, 0);
    socket.commit();
    await expect(socket.request({ type: 2 })).rejects.toMatchObject({ code: "ENOBUFS" });
    expect(seen.map(({ bytes }) => typesIn(bytes))).toEqual([[1]]);
    await socket.close().catch(() => {});
  });
});

describe("what is received", () => {
  test("is published before its reader sees it, whole, with its group and sender", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen = observed();
    const dump = joined(messageBytes({ type: 50 }), messageBytes({ type: 51 }));
    transport.deliver(dump);
    transport.deliver(messageBytes({ type: 52, payload: pattern(5) }), { group: 7, senderPort: 9 });
    const order: number[] = [];
    for (let message = socket.take(); message !== undefined; message = socket.take()) {
      order.push(message.type, seen.length);
      message.release();
    }
    expect(order).toEqual([50, 1, 51, 1, 52, 2]);
    expect(seen[0]?.bytes).toEqual(dump);
    expect(seen[1]?.bytes).toEqual(messageBytes({ type: 52, payload: pattern(5) }));
    expect(seen[1]?.details).toMatchObject({ group: 7, senderPort: 9 });
    await socket.close();
  });

  test("is published also where it did not fit a frame, and where frames are held", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 512, frameCount: 8 },
    });
    const seen = observed();
    const large = messageBytes({ type: 50, payload: pattern(2000) });
    transport.deliver(large);
    for (let type = 60; type < 70; type++) transport.deliver(messageBytes({ type }));
    const held = [];
    for (let message = socket.take(); message !== undefined; message = socket.take()) {
      message.hold();
      held.push(message.type);
    }
    expect(held).toHaveLength(11);
    expect(seen.map(({ bytes }) => typesIn(bytes)[0])).toEqual(held);
    expect(seen[0]?.bytes).toEqual(large);
    await socket.close();
  });

  test("is published with what breaks the format, which is then published as lost", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen = observed();
    const broken = Uint8Array.of(3, 0, 0, 0, 9, 9, 9, 9);
    transport.deliver(broken);
    expect(takeAll(socket)).toEqual([]);
    expect(seen.map(({ what }) => what)).toEqual(["received", "lost malformed"]);
    expect(seen[0]?.bytes).toEqual(broken);
    await socket.close();
  });
});

describe("what is lost", () => {
  test("is published with its kind, an overrun as one or more", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 2000 });
    const seen = losses();
    for (let count = 0; count < 5; count++) transport.deliver(messageBytes({}));
    takeAll(socket);
    const source = { protocol: PROTOCOL, portId: socket.portId, transport: "memory" };
    expect(seen).toEqual([{ ...source, kind: "overrun", count: 1 }]);
    await socket.close();
  });

  test("is published where a message was larger than the transport takes", async () => {
    const { socket, transport } = await openMemorySocket(undefined, {
      ring: { frameSize: 512, frameCount: 8 },
    });
    const seen = observed();
    transport.takeCopied = () => undefined;
    transport.deliver(messageBytes({ payload: pattern(2000) }));
    takeAll(socket);
    expect(seen.map(({ what }) => what)).toEqual(["lost truncated"]);
    await socket.close();
  });

  test("is published where frames break the ring's format, with how many", async () => {
    const { socket, transport } = await openMemorySocket();
    const seen = losses();
    let malformed = 0;
    Object.defineProperty(transport.rx, "malformedCount", { get: () => malformed });
    for (malformed of [2, 2, 5]) takeAll(socket);
    expect(seen.map(({ kind, count }) => [kind, count])).toEqual([
      ["malformed", 2],
      ["malformed", 3],
    ]);
    await socket.close();
  });

  test("is published where nobody read while requests were made", async () => {
    const { socket, transport } = await openMemorySocket(undefined, { receiveBuffer: 2000 });
    const seen = losses();
    for (let round = 0; round < 4; round++) {
      transport.deliver(messageBytes({ type: 50 }), { group: 1 });
      await socket.request({ type: 100 });
    }
    expect(seen.map(({ kind }) => kind)).toEqual(["discarded", "discarded"]);
    expect(socket.statistics.discarded).toBe(2);
    await socket.close();
  });
});

describe("subscribers", () => {
  test("that throw harm neither the socket nor each other", async () => {
    const raised: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => raised.push(error));
    const failure = new Error("a subscriber's own fault");
    ends.push(
      observeSockets({
        sent: () => {
          throw failure;
        },
      }),
    );
    const seen = observed();
    try {
      const { socket } = await openMemorySocket();
      await socket.request({ type: 1 });
      await nextTurn();
      await socket.close();
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of others) process.on("uncaughtException", listener);
    }
    expect(raised).toEqual([failure]);
    expect(seen).toHaveLength(2);
  });

  test("may close the socket that publishes", async () => {
    const { socket, transport } = await openMemorySocket();
    ends.push(observeSockets({ received: () => void socket.close() }));
    transport.deliver(messageBytes({}));
    expect(socket.take()).toBeUndefined();
    expect(socket.closed).toBe(true);
  });

  test("see nothing any more when they have ended", async () => {
    let calls = 0;
    const end = observeSockets({ received: () => calls++ });
    end();
    const { socket, transport } = await openMemorySocket();
    transport.deliver(messageBytes({}));
    takeAll(socket);
    await socket.close();
    expect(calls).toBe(0);
  });

  test("of one channel leave the others without any", () => {
    ends.push(observeSockets({ lost: () => {} }));
    expect(channel("nlring.netlink.loss").hasSubscribers).toBe(true);
    expect(channel("nlring.netlink.send").hasSubscribers).toBe(false);
  });

  test("of the plain channel get the same, and observers pass over what others publish on it", async () => {
    const seen = observed();
    const plain: unknown[] = [];
    const note = (message: unknown): void => void plain.push(message);
    subscribe("nlring.netlink.receive", note);
    ends.push(() => unsubscribe("nlring.netlink.receive", note));
    channel("nlring.netlink.receive").publish("something else");
    const { socket, transport } = await openMemorySocket();
    transport.deliver(messageBytes({}));
    takeAll(socket);
    await socket.close();
    expect(plain[1]).toMatchObject({ protocol: PROTOCOL, group: 0 });
    expect(seen).toHaveLength(1);
  });
});

describe("the printer", () => {
  async function printed(selection: string): Promise<string> {
    let text = "";
    let printing = true;
    startPrinter(selection, (part) => {
      if (printing) text += part;
    });
    const { socket, transport } = await openMemorySocket();
    socket.compose(0x0301, 0, 4).uint32(0);
    socket.commit();
    socket.flush();
    transport.deliver(messageBytes({ type: 0x0302 }), { group: 4, senderPort: 5 });
    transport.deliver(Uint8Array.of(1));
    takeAll(socket);
    await socket.close();
    printing = false;
    return text.replace(/^\d\d:\d\d:\d\d\.\d{3} /gm, "TIME ").replaceAll(String(socket.portId), "PORT");
  }

  test("prints each message with its direction and way, and every loss", async () => {
    expect(await printed("netlink")).toBe(
      [
        "TIME netfilter port PORT (memory) sent",
        "  NFQNL_MSG_VERDICT (769) flags REQUEST sequence 0 port PORT, 20 bytes",
        "    header: 4 bytes: 00 00 00 00",
        "TIME netfilter port PORT (memory) received from port 5, group 4",
        "  NFQNL_MSG_CONFIG (770) flags none sequence 0 port 0, 16 bytes",
        "TIME netfilter port PORT (memory) received from the kernel",
        "  no message: 1 byte: 01",
        "TIME netfilter port PORT (memory) lost 1 or more: malformed",
        "",
      ].join("\n"),
    );
  });

  test("is narrowed to protocols by name or number", async () => {
    expect(await printed("route, Netfilter")).toContain("VERDICT");
    expect(await printed("12")).toContain("VERDICT");
    expect(await printed("route,generic")).toBe("");
    expect(await printed("somebody-else")).toBe("");
  });

  const fixture = fileURLToPath(new URL("./fixtures/one-message.mjs", import.meta.url));

  function run(selection: string | undefined): { stdout: string; stderr: string } {
    const { NLRING_DEBUG: _, ...environment } = process.env;
    const env = selection === undefined ? environment : { ...environment, NLRING_DEBUG: selection };
    return spawnSync(process.execPath, [fixture], { encoding: "utf8", env });
  }

  test("is switched on by NLRING_DEBUG, and prints to stderr", () => {
    const { stdout, stderr } = run("netlink");
    expect(stdout).toBe("done");
    expect(stderr).toMatch(/sent\n {2}RTM_GETLINK \(18\) flags REQUEST\|ACK/);
    // The fixture opens two sockets, and there is one printer.
    expect(stderr.match(/ sent$/gm)).toHaveLength(1);
    expect(stderr).toContain("EPERM");
  });

  test("is silent without it", () => {
    expect(run(undefined)).toMatchObject({ stdout: "done", stderr: "" });
    expect(run("")).toMatchObject({ stdout: "done", stderr: "" });
  });
});
