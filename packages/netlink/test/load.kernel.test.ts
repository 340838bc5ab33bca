import {
  type KernelError,
  type Message,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NetlinkError,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type SocketOptions,
  type Subscription,
} from "@nlring/netlink";
import {
  AF_INET,
  address,
  IFF_UP,
  link,
  RT_TABLE_MAIN,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_NEWROUTE,
  RTM_SETLINK,
  route,
} from "@nlring/netlink/route";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { messageBytes } from "./memory-socket.js";
import { PeerSocket } from "./peer-socket.js";

const LOOPBACK = 1;
const GROUP = 1;

const open: NetlinkSocket[] = [];

async function openRoute(options: SocketOptions = {}): Promise<NetlinkSocket> {
  const socket = await NetlinkSocket.open(NETLINK_ROUTE, options);
  open.push(socket);
  return socket;
}

const setLoopback = (up: boolean) =>
  link.message(RTM_SETLINK, { index: LOOPBACK, flags: up ? IFF_UP : 0, change: IFF_UP });

beforeEach(async () => {
  await (await openRoute()).request(setLoopback(true));
});

afterEach(async () => {
  // Its routes go with it.
  await (await openRoute()).request(setLoopback(false));
  for (const socket of open.splice(0)) await socket.close();
});

const local = (number: number): string => `10.${number >> 16}.${(number >> 8) & 0xff}.${number & 0xff}`;

const newRoute = (number: number) =>
  route.message(
    RTM_NEWROUTE,
    {
      family: AF_INET,
      destinationLength: 32,
      shortTable: RT_TABLE_MAIN,
      protocol: "static",
      scope: "link",
      type: "unicast",
      destination: local(number),
      outputInterface: LOOPBACK,
    },
    NLM_F_CREATE | NLM_F_EXCL,
  );

/** How a request for the link `index` ended, where only the loopback device is there. */
async function lookUp(socket: NetlinkSocket, index: number): Promise<"right" | "lost"> {
  try {
    const { name } = await socket.request(link.message(RTM_GETLINK, { index }), link);
    expect([index, name]).toEqual([LOOPBACK, "lo"]);
    return "right";
  } catch (error) {
    if (!NetlinkError.isInstance(error)) throw error;
    if (error.code === "ERR_REPLY_LOST") return "lost";
    expect([error.code, index !== LOOPBACK]).toEqual(["ENODEV", true]);
    return "right";
  }
}

interface EventCounts {
  received: number;
  resyncs: number;
  gaps: number;
}

/** Events are numbered by the first word of their payload. */
const eventNumber = {
  decode: ({ view, payloadOffset }: Message): number => view.getUint32(payloadOffset),
};

/**
 * Reads events until the last one came. Each gap is told by a `resync` before the first event behind it, and nothing older follows.
 */
async function readEvents(subscription: Subscription<number>, end: number): Promise<EventCounts> {
  const counts = { received: 0, resyncs: 0, gaps: 0 };
  let last = -1;
  /** A resync came since the last event. */
  let told = false;
  for await (const event of subscription) {
    if (event.kind === "resync") {
      counts.resyncs++;
      told = true;
      continue;
    }
    // The last one is sent until it arrives.
    if (event.body !== end) expect(event.body).toBeGreaterThan(last);
    if (event.body > last + 1) {
      counts.gaps++;
      expect(told).toBe(true);
    }
    told = false;
    last = event.body;
    if (last === end) break;
    counts.received++;
  }
  return counts;
}

describe("200 requests in flight while another socket takes 50,000 multicast events", () => {
  test.each([
    ["with the default receive buffer", {}],
    ["with a receive buffer of 4 KiB", { receiveBuffer: 4096 }],
  ] as const)("%s, all settle and no loss goes untold", async (_, options) => {
    const EVENTS = 50_000;
    const requester = await openRoute(options);
    const receiver = await NetlinkSocket.open(NETLINK_USERSOCK, options);
    open.push(receiver);
    const peer = new PeerSocket(NETLINK_USERSOCK);
    const subscription = await receiver.subscribe(GROUP, eventNumber, { senders: "any" });
    let ended = false;
    const counted = readEvents(subscription, EVENTS).finally(() => {
      ended = true;
    });
    // Awaited below; until then a failure is nobody's.
    counted.catch(() => {});
    let sent = 0;
    let right = 0;
    let lost = 0;
    const numbered = (number: number): Uint8Array => {
      const payload = new Uint8Array(64);
      new DataView(payload.buffer).setUint32(0, number);
      return messageBytes({ payload });
    };
    // In each round 200 requests are in flight, and 500 events come behind them before the loop turns.
    while (sent < EVENTS) {
      const inFlight = Array.from({ length: 200 }, (_, index) =>
        lookUp(requester, index % 3 === 0 ? LOOPBACK : 1_000_000 + index),
      );
      for (let count = 0; count < 500 && sent < EVENTS; count++) peer.multicast(numbered(sent++), GROUP);
      for (const outcome of await Promise.all(inFlight)) {
        if (outcome === "right") right++;
        else lost++;
      }
    }
    // The end is told until it has room.
    while (!ended) {
      peer.multicast(numbered(EVENTS), GROUP);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { received, resyncs, gaps } = await counted;
    peer.close();
    console.log(
      `answers: ${right} right, ${lost} lost; events: ${received} of ${EVENTS}, ${gaps} gaps, ${resyncs} resyncs`,
    );
    expect(right + lost).toBe((EVENTS / 500) * 200);
    expect(lost).toBe(0);
    if (resyncs === 0) expect(received).toBe(EVENTS);
    else expect(received).toBeGreaterThan(0);
  });
});

describe("a dump of 10,000 routes", () => {
  const ROUTES = 10_000;

  test("while the table changes ends with every route that stays, or says interrupted", async () => {
    const socket = await openRoute();
    const other = await openRoute();
    await Promise.all(Array.from({ length: ROUTES }, (_, number) => socket.request(newRoute(number))));
    let ended = 0;
    let interrupted = 0;
    let changes = 0;
    for (let round = 0; round < 10; round++) {
      let changing = true;
      const change = async (): Promise<void> => {
        while (changing) {
          await other.request(newRoute(ROUTES + changes++));
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const changer = change();
      try {
        const destinations = new Set<string | undefined>();
        let count = 0;
        for await (const { destination } of socket.dump(
          route.message(RTM_GETROUTE, { family: AF_INET }),
          route,
        )) {
          destinations.add(destination);
          count++;
          if (count % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        for (let number = 0; number < ROUTES; number++) expect(destinations.has(local(number))).toBe(true);
        ended++;
      } catch (error) {
        expect(error).toMatchObject({ code: "ERR_DUMP_INTERRUPTED" });
        interrupted++;
      }
      changing = false;
      await changer;
    }
    console.log(`dumps: ${ended} right, ${interrupted} interrupted, ${changes} changes meanwhile`);
    expect(ended + interrupted).toBe(10);
  });

  test("that is interrupted every time is retried, and then carries what came", async () => {
    const ADDRESSES = 3000;
    // What is received before its beginning is decoded: 4 frames of 7 or so.
    const socket = await openRoute({ ring: { frameCount: 4 } });
    const other = await openRoute();
    const values = (number: number) => ({
      family: AF_INET,
      prefixLength: 32,
      index: LOOPBACK,
      local: local(number),
      address: local(number),
    });
    // The kernel tells of changes in dumps of addresses; dumps of IPv4 routes have no such check.
    const numbers = Array.from({ length: ADDRESSES }, (_, number) => number);
    await Promise.all(numbers.map((number) => socket.request(address.message(RTM_NEWADDR, values(number)))));
    let attempts = 0;
    const meddling = {
      decode(message: Parameters<typeof address.decode>[0]) {
        const decoded = address.decode(message);
        if (decoded.local !== local(0)) return decoded;
        attempts++;
        numbers.push(ADDRESSES + attempts);
        address.write(other.compose(RTM_NEWADDR, NLM_F_CREATE, 256), values(ADDRESSES + attempts));
        other.commit();
        other.flush();
        return decoded;
      },
    };
    const list = address.message(RTM_GETADDR, { family: AF_INET });
    const error: KernelError & { items: readonly unknown[] } = await socket
      .dump(list, meddling, { retries: 4 })
      .all()
      .then(
        () => expect.unreachable("the dump was to be interrupted"),
        (reason) => reason,
      );
    console.log(`attempts: ${attempts}, items of the last: ${error.items.length}`);
    expect(error).toMatchObject({ code: "ERR_DUMP_INTERRUPTED" });
    expect(attempts).toBe(5);
    expect(error.items.length).toBeGreaterThanOrEqual(ADDRESSES);
    await Promise.all(numbers.map((number) => socket.request(address.message(RTM_DELADDR, values(number)))));
  });
});
