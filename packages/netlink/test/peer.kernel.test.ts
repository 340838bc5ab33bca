import { type Message, NETLINK_USERSOCK, NetlinkSocket, type SocketOptions } from "@nlring/netlink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { joined, messageBytes, pattern, payloadOf } from "./memory-socket.js";
import { PeerSocket } from "./peer-socket.js";

const GROUP = 1;
const SMALL_FRAMES: SocketOptions = { ring: { frameSize: 4096, frameCount: 8 } };

let peer: PeerSocket;
let socket: NetlinkSocket | undefined;

/** A socket that the other one sends to; the kernel has no end of this protocol. */
async function openSocket(options: SocketOptions = {}): Promise<NetlinkSocket> {
  socket = await NetlinkSocket.open(NETLINK_USERSOCK, options);
  return socket;
}

beforeEach(() => {
  peer = new PeerSocket(NETLINK_USERSOCK);
});

afterEach(async () => {
  peer.close();
  await socket?.close();
  socket = undefined;
});

async function takeNext(from: NetlinkSocket): Promise<Message> {
  for (;;) {
    const message = from.take();
    if (message !== undefined) return message;
    await from.readable();
  }
}

describe("messages from another socket", () => {
  test("come whole and in order, 60 KiB through frames of 4 KiB among small ones", async () => {
    const receiver = await openSocket(SMALL_FRAMES);
    const lengths = [8, 60 * 1024, 100, 4056, 4057, 12];
    for (const length of lengths) {
      const bytes = messageBytes({ type: 100, payload: pattern(length, length) });
      peer.send(bytes, receiver.portId);
    }
    for (const length of lengths) {
      const message = await takeNext(receiver);
      expect(payloadOf(message)).toEqual(pattern(length, length));
      message.release();
    }
    expect(receiver.statistics).toMatchObject({ received: 6, truncated: 0, malformed: 0, overruns: 0 });
  });

  test("are pushed to receive as they come", async () => {
    const receiver = await openSocket(SMALL_FRAMES);
    const types: number[] = [];
    const running = receiver.receive((message) => {
      types.push(message.type);
      if (message.type < 150) peer.send(messageBytes({ type: message.type + 1 }), receiver.portId);
      else void receiver.close();
    });
    peer.send(messageBytes({ type: 100 }), receiver.portId);
    await running;
    expect(types).toEqual(Array.from({ length: 51 }, (_, index) => 100 + index));
  });

  test("tell their sender's port, and are no answers however they look", async () => {
    const receiver = await openSocket();
    const error = joined(new Uint8Array(4), messageBytes({ type: 1, sequence: 1, portId: receiver.portId }));
    // The first request will have sequence number 1.
    const forged = messageBytes({ type: 2, sequence: 1, portId: receiver.portId, payload: error });
    peer.send(forged, receiver.portId);
    // Nobody answers on this protocol: the send itself is refused, and the forged acknowledgement changes nothing.
    await expect(receiver.request({ type: 1 })).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const message = await takeNext(receiver);
    expect(message).toMatchObject({ type: 2, sequence: 1, portId: receiver.portId });
    expect(message.senderPort).toBe(peer.portId);
  });

  test("keep their bytes while they are held and the ring goes around", async () => {
    const receiver = await openSocket(SMALL_FRAMES);
    const held: Message[] = [];
    for (let i = 0; i < 60; i++) {
      peer.send(messageBytes({ payload: pattern(500, i) }), receiver.portId);
      const message = await takeNext(receiver);
      message.hold();
      held.push(message);
    }
    expect(held.map(payloadOf)).toEqual(held.map((_, i) => pattern(500, i)));
  });

  test("lie in the first frames of the ring as long as none is kept, and behind those that are", async () => {
    const receiver = await openSocket(SMALL_FRAMES);
    const next = async (type: number): Promise<Message> => {
      peer.send(messageBytes({ type }), receiver.portId);
      const message = await takeNext(receiver);
      expect(message.type).toBe(type);
      return message;
    };
    const first = await next(100);
    const { offset } = first;
    first.release();
    for (let type = 101; type < 120; type++) {
      const message = await next(type);
      expect(message.offset).toBe(offset);
      message.release();
    }
    const kept = await next(120);
    kept.hold();
    for (let type = 121; type < 140; type++) {
      const message = await next(type);
      expect(message.offset).not.toBe(offset);
      message.release();
    }
    expect(kept.type).toBe(120);
    kept.release();
  });

  test("stop coming while no frame is free, and go on with the first release", async () => {
    const receiver = await openSocket(SMALL_FRAMES);
    for (let i = 0; i < 20; i++) peer.send(messageBytes({ type: 100 + i }), receiver.portId);
    const taken: Message[] = [];
    for (let message = receiver.take(); message !== undefined; message = receiver.take()) taken.push(message);
    expect(taken).toHaveLength(8);
    const readable = receiver.readable();
    taken[0]?.release();
    await readable;
    expect((await takeNext(receiver)).type).toBe(108);
  });

  test("that break the format are counted and passed over", async () => {
    const receiver = await openSocket();
    peer.send(pattern(40, 0xff), receiver.portId);
    peer.send(messageBytes({ type: 7 }), receiver.portId);
    expect((await takeNext(receiver)).type).toBe(7);
    expect(receiver.statistics.malformed).toBe(1);
  });
});

describe("a multicast that overruns the receive buffer", () => {
  const multicast = (type: number): void =>
    peer.multicast(messageBytes({ type, payload: pattern(1000) }), GROUP);

  test("is counted as ENOBUFS, what fitted is read, and the socket goes on", async () => {
    const receiver = await openSocket({ receiveBuffer: 16_384, transport: "user-ring" });
    receiver.addMembership(GROUP);
    for (let i = 0; i < 100; i++) multicast(100 + i);
    const first: number[] = [];
    for (let message = receiver.take(); message !== undefined; message = receiver.take()) {
      first.push(message.type);
      expect(message.group).toBe(GROUP);
      message.release();
    }
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(100);
    expect(first).toEqual(first.map((_, index) => 100 + index));
    expect(receiver.statistics.overruns).toBe(1);
    multicast(300);
    expect((await takeNext(receiver)).type).toBe(300);
  });

  test("wakes a reader that waits, though the message is lost", async () => {
    const receiver = await openSocket({ receiveBuffer: 16_384, transport: "user-ring" });
    receiver.addMembership(GROUP);
    const running = receiver.receive((message) => {
      if (message.type === 300) void receiver.close();
    });
    for (let i = 0; i < 100; i++) multicast(100 + i);
    await new Promise((resolve) => setImmediate(resolve));
    while (receiver.statistics.overruns === 0) await new Promise((resolve) => setImmediate(resolve));
    multicast(300);
    await running;
  });

  test("is no ENOBUFS with noEnobufs, and shows in the kernel's count of drops", async (context) => {
    const receiver = await openSocket({ receiveBuffer: 16_384, noEnobufs: true, transport: "user-ring" });
    requireKernel(context, receiver.statistics.drops !== undefined, "SO_MEMINFO came with Linux 4.12");
    receiver.addMembership(GROUP);
    for (let i = 0; i < 100; i++) multicast(100 + i);
    let received = 0;
    for (let message = receiver.take(); message !== undefined; message = receiver.take()) {
      received++;
      message.release();
    }
    expect(receiver.statistics).toMatchObject({ overruns: 0, received, drops: 100 - received });
  });
});
