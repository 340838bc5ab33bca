import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import {
  acknowledged,
  EBADF,
  ENOBUFS,
  ENOSPC,
  FRAME,
  geometry,
  type MappedSocket,
  mapped,
  messagesIn,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  native,
  pattern,
} from "./sandbox.js";

const opened: MappedSocket[] = [];

function open(...args: Parameters<typeof mapped>): MappedSocket {
  const socket = mapped(...args);
  opened.push(socket);
  return socket;
}

afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.close();
});

/** Sends requests whose ACKs carry these sequence numbers. */
function ask({ socket }: MappedSocket, from: number, to: number): void {
  for (let sequence = from; sequence < to; sequence++) socket.send(acknowledged(sequence));
}

function sequences({ rx }: MappedSocket, frames: readonly number[]): (number | undefined)[] {
  return frames.map((frame) => messagesIn(rx.payload(frame))[0]?.sequence);
}

/** What waits in the socket, as /proc/net/netlink has it (Rmem). */
function queuedBytes({ port }: MappedSocket): number {
  const rows = readFileSync("/proc/net/netlink", "utf8").split("\n");
  const columns = rows.map((row) => row.trim().split(/\s+/)).find(([, , owner]) => Number(owner) === port);
  return Number(columns?.[4]);
}

describe("a fill ahead", () => {
  test("is what the next fill returns, and the one after goes on behind it", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 64));
    ask(ring, 0, 20);
    expect(ring.socket.fill(4)).toBe(4);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(4)).toBe(8);
    expect(ring.socket.fill(64)).toBe(8);
    expect(sequences(ring, [0, 3, 4, 11, 12, 19])).toEqual([0, 3, 4, 11, 12, 19]);
    expect(ring.socket.fill(64)).toBe(0);
  });

  test("takes no more than 32", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 64));
    ask(ring, 0, 40);
    ring.socket.fillAhead(1000);
    expect(ring.socket.fill(64)).toBe(32);
    expect(ring.socket.fill(64)).toBe(8);
  });

  test("shows no frame before it is asked for", async () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    ask(ring, 0, 2);
    expect(queuedBytes(ring)).toBeGreaterThan(0);
    ring.socket.fillAhead(8);
    while (queuedBytes(ring) > 0) await nextTurn();
    expect(ring.rx.statuses().every((status) => status === FRAME.unused)).toBe(true);
    expect(ring.socket.fill(1)).toBe(2);
    expect(ring.rx.statuses().slice(0, 3)).toEqual([FRAME.valid, FRAME.valid, FRAME.unused]);
  });

  test("that found nothing hides nothing that came later", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    for (let round = 0; round < 200; round++) {
      ring.socket.fillAhead(8);
      ask(ring, round, round + 1);
      expect(ring.socket.fill(8)).toBe(1);
      const frame = round % 8;
      expect(sequences(ring, [frame])).toEqual([round]);
      ring.rx.setStatus(frame, FRAME.unused);
    }
  });

  test("ends where it was begun: no fill goes back to the first frame before", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    ask(ring, 0, 1);
    expect(ring.socket.fill(1)).toBe(1);
    ring.rx.setStatus(0, FRAME.unused);
    ask(ring, 1, 2);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(8, true)).toBe(1);
    expect(sequences(ring, [1])).toEqual([1]);
  });

  test("while one is under way another changes nothing", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    ask(ring, 0, 4);
    ring.socket.fillAhead(2);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(8)).toBe(2);
    expect(ring.socket.fill(8)).toBe(2);
  });

  test("passes over held frames, and does nothing where no frame is free", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 4));
    ring.rx.setStatus(1, FRAME.skip);
    ask(ring, 0, 4);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(8)).toBe(3);
    expect(sequences(ring, [0, 2, 3])).toEqual([0, 1, 2]);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(8)).toBe(-ENOSPC);
    for (const frame of [0, 1, 2, 3]) ring.rx.setStatus(frame, FRAME.unused);
    expect(ring.socket.fill(8)).toBe(1);
  });

  test("keeps messages that are larger than a frame whole", () => {
    const ring = open(NETLINK_USERSOCK, geometry(4096, 16));
    const sender = open(NETLINK_USERSOCK).socket;
    const sent = [100, 61_440, 4072, 4073].map((length, index) => pattern(length, index));
    for (const bytes of sent) expect(sender.send(bytes, ring.port)).toBe(bytes.length);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(1)).toBe(4);
    expect(ring.rx.statuses().slice(0, 4)).toEqual([FRAME.valid, FRAME.copy, FRAME.valid, FRAME.copy]);
    for (const [frame, bytes] of sent.entries()) {
      const copy = ring.rx.status(frame) === FRAME.copy;
      const received = copy ? ring.socket.takeCopied() : ring.rx.payload(frame);
      expect(Buffer.compare(received ?? new Uint8Array(0), bytes)).toBe(0);
    }
  });

  test("passes on that messages were lost", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    ring.socket.setReceiveBuffer(4096);
    ask(ring, 0, 200);
    ring.socket.fillAhead(8);
    expect(ring.socket.fill(8)).toBe(-ENOBUFS);
    expect(ring.socket.fill(8)).toBeGreaterThan(0);
  });

  test("says that something waits until it was taken", () => {
    const ring = open(NETLINK_ROUTE, geometry(512, 8));
    ask(ring, 0, 2);
    ring.socket.fillAhead(8);
    expect(ring.socket.poll()).toBe(true);
    expect(ring.socket.fill(8)).toBe(2);
    expect(ring.socket.poll()).toBe(false);
  });

  test("is done by whoever wants it where the pool's threads are all busy", async () => {
    const folder = mkdtempSync(join(tmpdir(), "nlring-"));
    try {
      // Opening a FIFO to read waits for somebody who writes: each takes a thread of libuv's four.
      const paths = Array.from({ length: 4 }, (_, index) => join(folder, String(index)));
      execFileSync("mkfifo", paths);
      const readers = paths.map((path) => openFile(path, "r"));
      const ring = open(NETLINK_ROUTE, geometry(512, 8));
      ask(ring, 0, 2);
      ring.socket.fillAhead(8);
      expect(ring.socket.fill(8)).toBe(2);
      expect(sequences(ring, [0, 1])).toEqual([0, 1]);
      for (const path of paths) execFileSync("sh", ["-c", ': > "$0"', path]);
      for (const reader of await Promise.all(readers)) await reader.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("may be under way when the socket is closed", () => {
    for (let round = 0; round < 200; round++) {
      const ring = mapped(NETLINK_ROUTE, geometry(512, 8));
      ask(ring, 0, 4);
      ring.socket.fillAhead(8);
      ring.socket.close();
      ring.socket.fillAhead(8);
      expect(ring.socket.fill(8)).toBe(-EBADF);
    }
  });

  test("does nothing without a user ring", () => {
    const socket = new native.Socket(NETLINK_ROUTE);
    expect(socket.fillAhead(8)).toBeUndefined();
    expect(socket.poll()).toBe(false);
    socket.close();
  });
});
