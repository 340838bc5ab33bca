import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { InterfaceNames, NfQueue, type Packet, type QueueOptions } from "@nlring/nfqueue";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { type BridgedPeers, type Peer, requireBridge } from "./bridged-peers.js";
import { datagramsUnavailable } from "./datagrams.js";
import { rulesUnavailable } from "./sandbox.js";

const QUEUE = 41;
const PORT = 5341;

let lacking: string | undefined;
beforeAll(async () => {
  lacking = (await rulesUnavailable()) ?? (await datagramsUnavailable());
});

let bridged: BridgedPeers;
let peer: Peer;
/** Sends to a port of the peer that nobody listens on: what gets through to it comes back as ECONNREFUSED. */
let sender: Socket;
let refused = 0;
beforeEach(async (context) => {
  requireKernel(context, lacking === undefined, lacking ?? "");
  bridged = await requireBridge(context);
  const [first] = bridged.peers;
  if (first === undefined) throw new Error("a peer is needed");
  peer = first;
  refused = 0;
  sender = createSocket("udp4");
  sender.on("error", () => refused++);
  sender.connect(PORT, peer.address);
  await once(sender, "connect");
});
afterEach(async () => {
  sender?.close();
  await bridged?.[Symbol.asyncDispose]();
});

/** A queue in the peer's namespace that holds what is sent to the port. */
async function holding(
  namespace: string | number,
  options: QueueOptions = {},
): Promise<{ queue: NfQueue; held: Packet[]; running: Promise<void> }> {
  const queue = await NfQueue.open(QUEUE, { namespace, defaultVerdict: "accept", ...options });
  await queue.intercept({ hook: "input", protocol: "udp", destinationPort: PORT });
  const held: Packet[] = [];
  const running = queue.run((packet) => {
    held.push(packet.hold());
  });
  return { queue, held, running };
}

test.each(["path", "descriptor"])("a queue takes the packets of a namespace named by a %s", async (kind) => {
  const namespace = kind === "path" ? peer.datagrams.namespace : openSync(peer.datagrams.namespace, "r");
  const { queue, held, running } = await holding(namespace);
  if (typeof namespace === "number") closeSync(namespace);
  // The number is free here.
  await (await NfQueue.open(QUEUE)).close();
  sender.send("held there");
  while (held.length < 1) await nextTurn();
  expect(held[0]).toMatchObject({ hook: "input", inputInterface: 10 });
  expect(refused).toBe(0);
  held[0]?.accept();
  while (refused < 1) await nextTurn();
  await queue.close();
  await running;
});

test("a namespace deleted under a queue stays as long as that: its packets are decided, it closes, and both are gone", async () => {
  const { namespace } = peer.datagrams;
  const { queue, held, running } = await holding(namespace);
  sender.send("before");
  while (held.length < 1) await nextTurn();
  // With its last process a namespace has no name any more, and nothing but the queue's sockets keeps it.
  await peer.datagrams[Symbol.asyncDispose]();
  await expect(NfQueue.open(QUEUE + 1, { namespace })).rejects.toMatchObject({ code: "ENOENT" });
  sender.send("afterwards");
  while (held.length < 2) await nextTurn();
  // Behind the first, or what waits would come again.
  const second = await queue.intercept({ hook: "input", protocol: "sctp", priority: 1 });
  await second.dispose();

  held[0]?.accept();
  while (refused < 1) await nextTurn();
  await queue.close();
  await running;
  expect(queue.statistics).toMatchObject({
    received: 2,
    accepted: 2,
    defaulted: 1,
    undecided: 0,
    unknownVerdicts: 0,
    refusedVerdicts: 0,
  });
  // Its end of the cable goes with it, and so does ours.
  await using names = await InterfaceNames.open();
  await vi.waitFor(() => expect(names.get(peer.port)).toBeUndefined(), { timeout: 20_000 });
});
