import { networkInterfaces } from "node:os";
import {
  AttributeReader,
  DecodeError,
  KernelError,
  type Message,
  type MessageSchema,
  MessageWriter,
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
} from "@nlring/netlink";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  address,
  IFF_UP,
  type LinkRequest,
  link,
  NUD_PERMANENT,
  neighbor,
  RT_TABLE_MAIN,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_GETRULE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTM_NEWRULE,
  RTM_SETLINK,
  route,
  rule,
} from "@nlring/netlink/route";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireKernel, type SkippableContext } from "../../../tools/kernel-requirement.js";

const LOOPBACK = 1;
const CREATE = NLM_F_CREATE | NLM_F_EXCL;

let socket: NetlinkSocket;

beforeAll(async () => {
  socket = await NetlinkSocket.open(NETLINK_ROUTE);
  await socket.request(link.message(RTM_SETLINK, { index: LOOPBACK, flags: IFF_UP, change: IFF_UP }));
});

afterAll(() => socket.close());

/** Makes a link, which is up, and returns its index; skips the test where the kernel does not know the kind. */
async function makeLink(context: SkippableContext, request: LinkRequest): Promise<number> {
  try {
    await socket.request(link.message(RTM_NEWLINK, { ...request, flags: IFF_UP, change: IFF_UP }, CREATE));
  } catch (error) {
    const isUnknown = error instanceof KernelError && error.code === "EOPNOTSUPP";
    if (!isUnknown) throw error;
    requireKernel(context, false, `the kernel makes no links of kind ${request.linkInfo?.kind}`);
  }
  const made = (await list(link, RTM_GETLINK)).find(({ name }) => name === request.name);
  if (made === undefined) throw new Error(`the kernel made no link ${request.name}`);
  return made.index;
}

/** Everything that a dump shows. */
async function list<Decoded, Encodable>(
  schema: MessageSchema<Decoded, Encodable>,
  type: number,
  filter?: Encodable,
): Promise<Decoded[]> {
  const decoded: Decoded[] = [];
  const visit = (reply: Message): void => {
    decoded.push(schema.decode(reply));
  };
  await socket.request(schema.message(type, filter, NLM_F_DUMP), { visit });
  return decoded;
}

/**
 * Attributes in the order of their types, as text, and so for every payload that could be attributes: unknown ones are written behind the
 * others, and the kernel leaves NLA_F_NESTED out where it pleases. Undefined where the bytes are no attributes.
 */
function attributesOf(view: DataView, offset: number, end: number): string | undefined {
  const found: [number, string][] = [];
  const reader = new AttributeReader(view, offset, end);
  try {
    while (reader.next()) {
      const nested = attributesOf(view, reader.offset, reader.offset + reader.length);
      found.push([reader.type, nested ?? reader.bytes().join(" ")]);
    }
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
  if (found.length === 0) return undefined;
  return JSON.stringify(found.toSorted(([one], [other]) => one - other));
}

describe("the schemas of rtnetlink", () => {
  test("decode links with the names and addresses that the system has", async () => {
    const links = await list(link, RTM_GETLINK);
    expect(links).toContainEqual(
      expect.objectContaining({ index: LOOPBACK, name: "lo", mtu: 65_536, address: "00:00:00:00:00:00" }),
    );
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      const found = links.find((one) => one.name === name);
      expect(found?.address).toBe(addresses?.[0]?.mac);
    }
    const loopback = links.find(({ index }) => index === LOOPBACK);
    expect(loopback?.statistics?.receivedPackets).toBeTypeOf("bigint");
    expect(loopback?.operationalState).toBe("unknown");
  });

  test("give and show an address of each family", async () => {
    const added = [
      { family: AF_INET, prefixLength: 24, index: LOOPBACK, local: "192.0.2.7", address: "192.0.2.7" },
      { family: AF_INET6, prefixLength: 128, index: LOOPBACK, address: "2001:db8::7" },
    ];
    for (const one of added) await socket.request(address.message(RTM_NEWADDR, one, CREATE));
    const addresses = await list(address, RTM_GETADDR);
    for (const one of added) expect(addresses).toContainEqual(expect.objectContaining(one));
    const known = networkInterfaces()["lo"] ?? [];
    for (const { address: text } of known) {
      expect(addresses).toContainEqual(expect.objectContaining({ index: LOOPBACK, address: text }));
    }
    expect(known.map(({ address: text }) => text)).toContain("192.0.2.7");
  });

  test("make and show a route", async () => {
    const made = {
      family: AF_INET,
      destinationLength: 25,
      protocol: "static",
      scope: "link",
      type: "unicast",
      destination: "198.51.100.128",
      table: 1000,
      priority: 77,
      outputInterface: LOOPBACK,
      metrics: { mtu: 1300 },
    } as const;
    await socket.request(route.message(RTM_NEWROUTE, made, CREATE));
    expect(await list(route, RTM_GETROUTE, { family: AF_INET })).toContainEqual(
      expect.objectContaining(made),
    );
  });

  test("make and show a route of several ways", async () => {
    const nextHops = [
      { flags: 0, hops: 0, index: LOOPBACK },
      { flags: 0, hops: 4, index: LOOPBACK },
    ];
    const made = {
      family: AF_INET,
      destinationLength: 32,
      protocol: "static",
      scope: "link",
      type: "unicast",
      shortTable: RT_TABLE_MAIN,
      destination: "203.0.113.9",
      nextHops,
    } as const;
    await socket.request(route.message(RTM_NEWROUTE, made, CREATE));
    const routes = await list(route, RTM_GETROUTE, { family: AF_INET });
    const found = routes.find(({ destination }) => destination === "203.0.113.9");
    expect(found?.nextHops).toMatchObject(nextHops);
  });

  test("make and show a rule", async () => {
    const made = {
      family: AF_INET6,
      sourceLength: 32,
      action: "toTable",
      source: "2001:db8::",
      priority: 1234,
      mark: 5,
      markMask: 0xff,
      table: 2000,
    } as const;
    await socket.request(rule.message(RTM_NEWRULE, made, CREATE));
    expect(await list(rule, RTM_GETRULE, { family: AF_INET6 })).toContainEqual(expect.objectContaining(made));
  });

  test("make and show a link of a kind, its data and the other end", async (context) => {
    await makeLink(context, {
      name: "one0",
      linkInfo: { kind: "veth", data: { peer: { name: "two0", mtu: 1280 } } },
    });
    const links = await list(link, RTM_GETLINK);
    expect(links).toContainEqual(expect.objectContaining({ name: "one0", linkInfo: { kind: "veth" } }));
    expect(links).toContainEqual(expect.objectContaining({ name: "two0", mtu: 1280 }));
    await makeLink(context, { name: "bridge0", linkInfo: { kind: "bridge", data: { ageingTime: 1234 } } });
    const bridge = (await list(link, RTM_GETLINK)).find(({ name }) => name === "bridge0");
    expect(bridge?.linkInfo).toMatchObject({
      kind: "bridge",
      data: { ageingTime: 1234, forwardDelay: 1500 },
    });
  });

  test("make and show a neighbor", async (context) => {
    const made = {
      family: AF_INET,
      index: await makeLink(context, { name: "bridge1", linkInfo: { kind: "bridge" } }),
      state: NUD_PERMANENT,
      destination: "192.0.2.99",
      linkLayerAddress: "02:00:5e:10:00:99",
    };
    await socket.request(neighbor.message(RTM_NEWNEIGH, made, CREATE));
    expect(await list(neighbor, RTM_GETNEIGH, { family: AF_INET })).toContainEqual(
      expect.objectContaining(made),
    );
  });

  test("name the attribute that the kernel refuses", async () => {
    const request = link.message(RTM_SETLINK, { index: LOOPBACK, mtu: 0xffff_ffff });
    const writer = MessageWriter.growing().begin(request.type, 0, 0, 0);
    request.write?.(writer);
    writer.end();
    expect(request.schema?.pathOf(writer.finished(), 0, 32)).toBe("mtu");
  });

  test.each([
    ["links", link, RTM_GETLINK],
    ["addresses", address, RTM_GETADDR],
    ["routes", route, RTM_GETROUTE],
    ["neighbors", neighbor, RTM_GETNEIGH],
    ["rules", rule, RTM_GETRULE],
  ])("write all %s back as the kernel sent them", async (_, schema, type) => {
    let compared = 0;
    const check = <Decoded, Encodable>(of: MessageSchema<Decoded, Encodable>, reply: Message): void => {
      const writer = MessageWriter.growing().begin(reply.type, 0, 0, 0);
      Reflect.apply(of.write, of, [writer, of.decode(reply)]);
      writer.end();
      const written = writer.finished().slice();
      const header = 16 + of.headerLength;
      const original = reply.bytes.slice(reply.payloadOffset, reply.offset + header);
      expect(written.slice(16, header)).toEqual(original);
      expect(attributesOf(new DataView(written.buffer), header, written.length)).toEqual(
        attributesOf(reply.view, reply.offset + header, reply.end),
      );
      compared++;
    };
    const family = type === RTM_GETRULE || type === RTM_GETROUTE ? AF_INET : AF_UNSPEC;
    await socket.request(schema.message(type, { family }, NLM_F_DUMP), {
      visit: (reply) => check<unknown, unknown>(schema, reply),
    });
    expect(compared).toBeGreaterThan(0);
  });
});
