import { afterEach, describe, expect, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import {
  acknowledged,
  EINVAL,
  EMSGSIZE,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  FRAME,
  geometry,
  linkDump,
  type MappedSocket,
  mapped,
  messagesIn,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NLMSG_DONE,
  NLMSG_ERROR,
  native,
  pattern,
  type ReceivedMessage,
  RTM_NEWLINK,
  SOL_SOCKET,
} from "./sandbox.js";

const SO_SNDBUF = 7;
const opened: MappedSocket[] = [];

function open(...args: Parameters<typeof mapped>): MappedSocket {
  const socket = mapped(...args);
  opened.push(socket);
  return socket;
}

afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.close();
});

/** Reads frames in ring order from `start` until NLMSG_DONE or an error has come. */
function readAnswer({ socket, rx }: MappedSocket, start = 0): { messages: ReceivedMessage[]; next: number } {
  const messages: ReceivedMessage[] = [];
  for (let frame = start; ; frame = (frame + 1) % rx.geometry.frameCount) {
    if (rx.status(frame) === FRAME.unused && socket.fill(8) <= 0) throw new Error("the answer never ended");
    const bytes = rx.status(frame) === FRAME.copy ? socket.takeCopied() : rx.payload(frame);
    messages.push(...messagesIn(bytes ?? new Uint8Array(0)));
    rx.setStatus(frame, FRAME.unused);
    const last = messages.at(-1);
    if (last?.type === NLMSG_DONE || last?.type === NLMSG_ERROR) {
      return { messages, next: (frame + 1) % rx.geometry.frameCount };
    }
  }
}

describe("a user ring against the kernel", () => {
  test("a request drained from TX is answered in RX frames", () => {
    const ring = open(NETLINK_ROUTE, geometry(32_768 + 24, 4), geometry(4096, 4));
    const request = linkDump(7);
    ring.tx.put(0, request);
    expect(ring.socket.drain()).toBe(request.length);
    expect(ring.tx.status(0)).toBe(FRAME.unused);
    const { messages } = readAnswer(ring);
    expect(messages.some(({ type }) => type === RTM_NEWLINK)).toBe(true);
    expect(messages.every(({ sequence }) => sequence === 7)).toBe(true);
    expect(ring.socket.fill(8)).toBe(0);
  });

  test("the kernel's frames have sender 0, no group and unknown ids", () => {
    const ring = open(NETLINK_ROUTE);
    ring.socket.send(acknowledged(1));
    expect(ring.socket.fill(1)).toBe(1);
    expect(ring.rx.status(0)).toBe(FRAME.valid);
    expect(ring.rx.header(0)).toEqual({ length: 36, group: 0, pid: 0, uid: 0xffff_ffff, gid: 0xffff_ffff });
    expect(messagesIn(ring.rx.payload(0))).toEqual([{ type: NLMSG_ERROR, sequence: 1, error: 0 }]);
  });

  test("a dump goes through frames that are too small for its parts", () => {
    const ring = open(NETLINK_ROUTE, geometry(128, 4), geometry(4096, 4));
    ring.socket.send(linkDump(3));
    const { messages } = readAnswer(ring);
    expect(messages.some(({ type }) => type === RTM_NEWLINK)).toBe(true);
    expect(messages.at(-1)?.type).toBe(NLMSG_DONE);
  });

  test("frames behind a gap at a block's end are where the ABI puts them, on both rings", () => {
    // 65,536 = 6 frames of 10,000 and a gap of 5,536.
    const shape = { blockSize: 65_536, blockCount: 2, frameSize: 10_000, frameCount: 12 };
    const ring = open(NETLINK_ROUTE, shape);
    let frame = 0;
    for (let sequence = 1; sequence <= 30; sequence++) {
      const request = acknowledged(sequence);
      ring.tx.put((sequence - 1) % 12, request);
      expect(ring.socket.drain()).toBe(request.length);
      const answer = readAnswer(ring, frame);
      expect(answer.messages).toEqual([{ type: NLMSG_ERROR, sequence, error: 0 }]);
      frame = answer.next;
    }
  });

  test("many requests leave in one drain, and all frames come back", () => {
    const count = 2500;
    const ring = open(NETLINK_ROUTE, geometry(512, 8192), geometry(64, count));
    ring.socket.setReceiveBuffer(8_000_000);
    for (let sequence = 0; sequence < count; sequence++) ring.tx.put(sequence, acknowledged(sequence));
    expect(ring.socket.drain()).toBe(count * 16);
    expect(new Set(ring.tx.statuses())).toEqual(new Set([FRAME.unused]));
    let filled = 0;
    for (let got = ring.socket.fill(64); got > 0; got = ring.socket.fill(64)) filled += got;
    expect(filled).toBe(count);
    for (const frame of [0, 1023, 1024, count - 1])
      expect(messagesIn(ring.rx.payload(frame))[0]?.sequence).toBe(frame);
  });
});

describe("fill", () => {
  test("nothing to read gives 0 and touches no frame", () => {
    const { socket, rx } = open(NETLINK_ROUTE);
    expect(socket.fill(64)).toBe(0);
    expect(rx.statuses().every((status) => status === FRAME.unused)).toBe(true);
  });

  test("takes no more than the limit, and no more than 64", () => {
    const { socket } = open(NETLINK_ROUTE, geometry(512, 128));
    for (let sequence = 0; sequence < 100; sequence++) socket.send(acknowledged(sequence));
    expect(socket.fill(10)).toBe(10);
    expect(socket.fill(1000)).toBe(64);
    expect(socket.fill(64)).toBe(26);
    expect(socket.fill(64)).toBe(0);
  });

  test("tells the sender's port of each frame", () => {
    const { socket, port, rx } = open(NETLINK_USERSOCK);
    const senders = [open(NETLINK_USERSOCK), open(NETLINK_USERSOCK)];
    for (const [index, sender] of senders.entries()) {
      expect(sender.socket.send(pattern(100 + index), port, 0)).toBe(100 + index);
    }
    expect(socket.fill(8)).toBe(2);
    for (const [index, sender] of senders.entries()) {
      expect(rx.header(index)).toMatchObject({ length: 100 + index, pid: sender.port, group: 0 });
      expect(rx.payload(index)).toEqual(pattern(100 + index));
    }
  });

  test("an empty message is a frame of length 0", (context) => {
    const { socket, port, rx } = open(NETLINK_USERSOCK);
    const sent = open(NETLINK_USERSOCK).socket.send(new Uint8Array(0), port);
    if (sent === -ENODATA) context.skip("this kernel lets nobody send an empty message");
    expect(sent).toBe(0);
    expect(socket.fill(8)).toBe(1);
    expect(rx.status(0)).toBe(FRAME.valid);
    expect(rx.header(0).length).toBe(0);
  });

  test("stops with ENOSPC at a frame that was not given back, and goes on when it is", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 4));
    for (let sequence = 0; sequence < 6; sequence++) socket.send(acknowledged(sequence));
    expect(socket.fill(64)).toBe(4);
    expect(socket.fill(64)).toBe(-ENOSPC);
    rx.setStatus(1, FRAME.unused);
    expect(socket.fill(64)).toBe(-ENOSPC);
    rx.setStatus(0, FRAME.unused);
    expect(socket.fill(64)).toBe(2);
    expect([0, 1].map((frame) => messagesIn(rx.payload(frame))[0]?.sequence)).toEqual([4, 5]);
  });

  test("passes over held frames, wherever they are", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 8));
    for (const frame of [0, 1, 4]) rx.setStatus(frame, FRAME.skip);
    for (let sequence = 0; sequence < 4; sequence++) socket.send(acknowledged(sequence));
    expect(socket.fill(64)).toBe(4);
    expect(rx.statuses()).toEqual([4, 4, 2, 2, 4, 2, 2, 0]);
    expect([2, 3, 5, 6].map((frame) => messagesIn(rx.payload(frame))[0]?.sequence)).toEqual([0, 1, 2, 3]);
  });

  test("goes back to the first frame when told to", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 8));
    for (let sequence = 0; sequence < 3; sequence++) {
      socket.send(acknowledged(sequence));
      expect(socket.fill(64, true)).toBe(1);
      expect(messagesIn(rx.payload(0))[0]?.sequence).toBe(sequence);
      rx.setStatus(0, FRAME.unused);
    }
    socket.send(acknowledged(3));
    expect(socket.fill(64)).toBe(1);
    expect(messagesIn(rx.payload(1))[0]?.sequence).toBe(3);
  });

  test("a fill that received nothing has not passed over held frames for good", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 4));
    rx.setStatus(0, FRAME.skip);
    expect(socket.fill(64)).toBe(0);
    rx.setStatus(0, FRAME.unused);
    socket.send(acknowledged(1));
    expect(socket.fill(64)).toBe(1);
    expect(rx.statuses()).toEqual([FRAME.valid, 0, 0, 0]);
  });

  test("a ring of held frames only is full", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 4));
    for (let frame = 0; frame < 4; frame++) rx.setStatus(frame, FRAME.skip);
    socket.send(acknowledged(1));
    expect(socket.fill(64)).toBe(-ENOSPC);
  });

  test("a status that means nothing is treated as not free", () => {
    const { socket, rx } = open(NETLINK_ROUTE, geometry(512, 4));
    rx.setStatus(0, 0xdead_beef);
    socket.send(acknowledged(1));
    expect(socket.fill(64)).toBe(-ENOSPC);
  });

  test("needs a user ring", () => {
    const socket = new native.Socket(NETLINK_ROUTE);
    expect(socket.fill(1)).toBe(-EOPNOTSUPP);
    expect(socket.drain()).toBe(-EOPNOTSUPP);
    socket.close();
  });
});

describe("messages larger than a frame", () => {
  test("60 KiB through 4 KiB frames arrives whole, next to messages that fit", () => {
    const { socket, port, rx } = open(NETLINK_USERSOCK, geometry(4096, 16));
    const sender = open(NETLINK_USERSOCK).socket;
    const sent = [100, 61_440, 4072, 4073, 61_440].map((length, index) => pattern(length, index));
    for (const bytes of sent) expect(sender.send(bytes, port)).toBe(bytes.length);
    expect(socket.fill(64)).toBe(5);
    expect(rx.statuses().slice(0, 5)).toEqual([FRAME.valid, FRAME.copy, FRAME.valid, FRAME.copy, FRAME.copy]);
    for (const [frame, bytes] of sent.entries()) {
      expect(rx.header(frame).length).toBe(bytes.length);
      const received = rx.status(frame) === FRAME.copy ? socket.takeCopied() : rx.payload(frame);
      expect(Buffer.compare(received ?? new Uint8Array(0), bytes)).toBe(0);
    }
    expect(socket.takeCopied()).toBeUndefined();
  });

  test("what was copied stays as it is when later messages spill", () => {
    const { socket, port } = open(NETLINK_USERSOCK, geometry(512, 16));
    const sender = open(NETLINK_USERSOCK).socket;
    for (let round = 0; round < 4; round++) {
      sender.send(pattern(20_000, round), port);
      expect(socket.fill(64)).toBe(1);
    }
    for (let round = 0; round < 4; round++) {
      expect(Buffer.compare(socket.takeCopied() ?? new Uint8Array(0), pattern(20_000, round))).toBe(0);
    }
  });

  test("a frame without room for anything but its header copies everything", () => {
    const { socket, port, rx } = open(NETLINK_USERSOCK, geometry(24, 4), geometry(64, 4));
    open(NETLINK_USERSOCK).socket.send(pattern(5), port);
    expect(socket.fill(4)).toBe(1);
    expect(rx.status(0)).toBe(FRAME.copy);
    expect(socket.takeCopied()).toEqual(pattern(5));
  });

  test("one too large even for the spare memory is cut, and its length tells by how much", (context) => {
    const length = 400_000;
    const { socket, port, rx } = open(NETLINK_USERSOCK, geometry(4096, 4));
    requireKernel(
      context,
      socket.setReceiveBuffer(2_000_000) >= 1_000_000,
      "net.core.rmem_max is too small here",
    );
    const sender = open(NETLINK_USERSOCK).socket;
    sender.setOption(SOL_SOCKET, SO_SNDBUF, 1_000_000);
    const sendBuffer = sender.getOption(SOL_SOCKET, SO_SNDBUF);
    requireKernel(context, sendBuffer >= 2 * length, "net.core.wmem_max is too small here");
    expect(sender.send(pattern(length), port)).toBe(length);
    expect(socket.fill(4)).toBe(1);
    expect(rx.header(0).length).toBe(length);
    const copied = socket.takeCopied() ?? new Uint8Array(0);
    expect(copied.length).toBe(4072 + 256 * 1024);
    expect(Buffer.compare(copied, pattern(length).subarray(0, copied.length))).toBe(0);
  });
});

describe("drain", () => {
  test("nothing VALID at the head gives 0", () => {
    const { socket, tx } = open(NETLINK_ROUTE);
    expect(socket.drain()).toBe(0);
    tx.put(1, acknowledged(1));
    expect(socket.drain()).toBe(0);
    expect(tx.status(1)).toBe(FRAME.valid);
  });

  test("stops at the first frame that is not VALID", () => {
    const { socket, tx } = open(NETLINK_ROUTE);
    for (const frame of [0, 1, 3]) tx.put(frame, acknowledged(frame));
    expect(socket.drain()).toBe(32);
    expect(tx.statuses().slice(0, 4)).toEqual([0, 0, 0, FRAME.valid]);
    tx.put(2, acknowledged(2));
    expect(socket.drain()).toBe(32);
  });

  test.each([
    ["is not a multiple of 4", 18],
    ["is larger than a frame", 4096 - 24 + 4],
    ["is larger than anything", 0xffff_fffc],
  ])("a length that %s stops the ring with EINVAL, and the frames before it are sent", (_, length) => {
    const { socket, tx } = open(NETLINK_ROUTE);
    tx.put(0, acknowledged(1));
    tx.put(1, acknowledged(2), length);
    expect(socket.drain()).toBe(-EINVAL);
    expect(tx.statuses().slice(0, 2)).toEqual([FRAME.unused, FRAME.valid]);
    expect(socket.fill(8)).toBe(1);
    tx.put(1, acknowledged(2));
    expect(socket.drain()).toBe(16);
  });

  test("an empty frame is given back unsent, as in a kernel ring", () => {
    const { socket, tx } = open(NETLINK_ROUTE);
    tx.put(0, acknowledged(1), 0);
    expect(socket.drain()).toBe(0);
    expect(tx.status(0)).toBe(FRAME.unused);
    tx.put(1, acknowledged(1));
    expect(socket.drain()).toBe(16);
  });

  test("more than the send buffer leaves in several sends", () => {
    const { socket, tx } = open(NETLINK_ROUTE, geometry(512, 256), geometry(4096, 16));
    socket.setOption(SOL_SOCKET, SO_SNDBUF, 4096);
    expect(socket.getOption(SOL_SOCKET, SO_SNDBUF)).toBeLessThan(16 * 4000);
    // One request, filled up with requests that ask for nothing.
    const requests = new Uint8Array(4000);
    for (let at = 0; at < requests.length; at += 16) requests.set(acknowledged(at), at);
    for (let frame = 0; frame < 16; frame++) tx.put(frame, requests.subarray(0, 4000 - frame * 16));
    expect(socket.drain()).toBe(16 * 4000 - 16 * (15 * 8));
    expect(tx.statuses().every((status) => status === FRAME.unused)).toBe(true);
  });

  test("a frame larger than the send buffer gives EMSGSIZE and stays, until the buffer grows", () => {
    const { socket, tx } = open(NETLINK_ROUTE, geometry(4096, 4), geometry(65_536, 2));
    socket.setOption(SOL_SOCKET, SO_SNDBUF, 4096);
    const request = new Uint8Array(40_000);
    request.set(acknowledged(1));
    tx.put(0, request);
    expect(socket.drain()).toBe(-EMSGSIZE);
    expect(tx.status(0)).toBe(FRAME.valid);
    socket.setOption(SOL_SOCKET, SO_SNDBUF, 100_000);
    expect(socket.drain()).toBe(40_000);
  });

  test("what nobody receives stays VALID", () => {
    const { socket, tx } = open(NETLINK_USERSOCK);
    tx.put(0, acknowledged(1));
    expect(socket.drain()).toBeLessThan(0);
    expect(tx.status(0)).toBe(FRAME.valid);
  });
});
