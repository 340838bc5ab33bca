import assert from "node:assert/strict";
import type { Message } from "../../message/message.js";
import type { Outgoing } from "../../message/outgoing.js";
import { type Address, AF_INET, address, RTM_GETADDR, RTNLGRP_IPV4_IFADDR } from "../../route/index.js";
import type { NetlinkSocket } from "../../socket.js";
import { type ConformanceCase, conformanceCase, type StageSocketOptions } from "./case.js";
import { rejection } from "./probe.js";
import type { Scene } from "./scene.js";

/** Two frames: a chunk of 32 KiB has some 430 addresses, and the kernel has built no more than three when the first is decoded. */
const TWO_FRAMES: StageSocketOptions = { ring: { frameSize: 4096, frameCount: 2 } };
const COUNT = 2000;

const listAddresses: Outgoing = address.message(RTM_GETADDR, { family: AF_INET });

const isOwn = ({ local = "" }: Address): boolean => local.startsWith("10.128.");

/** Sends a request now, in the middle of whatever is going on. */
function sendNow(socket: NetlinkSocket, { type, flags = 0, write }: Outgoing): void {
  write?.(socket.compose(type, flags, 256));
  socket.commit();
  socket.flush();
}

/** A decoder that has another socket add an address in the middle of an attempt, in as many attempts as are to be interrupted. */
class Interrupter {
  attempts = 0;
  readonly #scene: Scene;
  readonly #other: NetlinkSocket;
  readonly #interruptions: number;

  constructor(scene: Scene, other: NetlinkSocket, interruptions: number) {
    this.#scene = scene;
    this.#other = other;
    this.#interruptions = interruptions;
  }

  decode(message: Message): Address {
    const decoded = address.decode(message);
    if (decoded.local !== "10.128.0.0") return decoded;
    this.attempts++;
    if (this.attempts > this.#interruptions) return decoded;
    sendNow(this.#other, this.#scene.newAddress(COUNT + this.attempts));
    return decoded;
  }
}

async function prepared(
  scene: Scene,
  interruptions: number,
): Promise<{ socket: NetlinkSocket; item: Interrupter }> {
  await scene.addAddresses(COUNT);
  const socket = await scene.openRoute(TWO_FRAMES);
  return { socket, item: new Interrupter(scene, await scene.openRoute(), interruptions) };
}

async function interruption(promise: Promise<unknown>): Promise<readonly Address[]> {
  const error = await rejection(promise);
  assert.ok(error instanceof Error && "code" in error && "items" in error, String(error));
  assert.equal(error.code, "ERR_DUMP_INTERRUPTED");
  return error.items as readonly Address[];
}

export const interruptionCases: readonly ConformanceCase[] = [
  conformanceCase("interrupted dumps: are asked for again, and then right", async (scene) => {
    const { socket, item } = await prepared(scene, 1);
    const addresses = (await socket.dump(listAddresses, item).all()).filter(isOwn);
    assert.equal(item.attempts, 2);
    assert.equal(addresses.length, COUNT + 1);
    assert.equal(new Set(addresses.map(({ local }) => local)).size, COUNT + 1);
  }),

  conformanceCase("interrupted dumps: reject after `retries`, with what came", async (scene) => {
    const { socket, item } = await prepared(scene, Number.POSITIVE_INFINITY);
    const items = await interruption(socket.dump(listAddresses, item, { retries: 2 }).all());
    assert.equal(item.attempts, 3);
    assert.ok(items.filter(isOwn).length >= COUNT);
    // The socket is none the worse for it.
    assert.ok((await socket.dump(listAddresses, address).all()).filter(isOwn).length >= COUNT);
  }),

  conformanceCase(
    "interrupted dumps: with an item handed out are not asked for again, and end with the rest",
    async (scene) => {
      const { socket, item } = await prepared(scene, 1);
      const seen: Address[] = [];
      const iterate = async (): Promise<void> => {
        for await (const one of socket.dump(listAddresses, item, { readAhead: 20 })) seen.push(one);
      };
      const items = await interruption(iterate());
      assert.equal(item.attempts, 1);
      assert.ok(seen.length >= 20);
      assert.ok([...seen, ...items].filter(isOwn).length >= COUNT);
    },
  ),

  conformanceCase("interrupted dumps: by request() reject", async (scene) => {
    const { socket, item } = await prepared(scene, 1);
    const request = { ...listAddresses, flags: 0x300 };
    await interruption(socket.request(request, { visit: (reply) => item.decode(reply) }));
  }),

  conformanceCase("watches: whose list was interrupted say resync and list again", async (scene) => {
    const { socket, item } = await prepared(scene, 1);
    const watch = await socket.watch({
      list: listAddresses,
      item,
      groups: RTNLGRP_IPV4_IFADDR,
      changes: address,
    });
    const kinds: string[] = [];
    for await (const event of watch) {
      if (kinds.at(-1) !== event.kind) kinds.push(event.kind);
      // The address that interrupted it is told as a change, too.
      if (event.kind === "change") break;
    }
    assert.deepEqual(
      kinds.filter((kind) => kind !== "item"),
      ["resync", "synced", "change"],
    );
    assert.equal(kinds.at(-3), "item");
    assert.equal(item.attempts, 2);
  }),
];
