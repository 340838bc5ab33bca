import { describe, expect, test } from "vitest";
import { DecodeError, EncodeError } from "../src/errors.js";
import type { MessageSchema } from "../src/index.js";
import { address, link, neighbor, route, rule } from "../src/route/index.js";
import { messageOf, received, thrown } from "./schema-messages.js";

const examples = {
  link: messageOf((writer) =>
    link.write(writer, {
      index: 3,
      name: "one0",
      address: "02:00:00:00:00:01",
      operationalState: "up",
      linkInfo: { kind: "veth", data: { peer: { name: "two0", mtu: 1400 } } },
      properties: { alternativeNames: ["first", "second"] },
    }),
  ),
  address: messageOf((writer) =>
    address.write(writer, { family: 2, prefixLength: 24, scope: "host", local: "192.0.2.1", label: "lo:1" }),
  ),
  route: messageOf((writer) =>
    route.write(writer, {
      family: 10,
      type: "unicast",
      protocol: "static",
      destination: "2001:db8::",
      destinationLength: 32,
      metrics: { mtu: 1280 },
      nextHops: [
        { index: 1, gateway: "fe80::1" },
        { index: 2, hops: 3 },
      ],
    }),
  ),
  neighbor: messageOf((writer) =>
    neighbor.write(writer, { family: 2, destination: "192.0.2.2", linkLayerAddress: "02:00:00:00:00:02" }),
  ),
  rule: messageOf((writer) =>
    rule.write(writer, { action: "goto", goto: 7, userRange: { start: 1, end: 2 }, tunnel: 2n ** 63n }),
  ),
};

describe("the schemas of rtnetlink", () => {
  test("a route of several ways comes back with each of them", () => {
    expect(route.decode(received(examples.route))).toMatchObject({
      type: "unicast",
      nextHops: [
        { index: 1, hops: 0, flags: 0, gateway: "fe80::1" },
        { index: 2, hops: 3 },
      ],
    });
  });

  test("name the parts of a next hop and of a link's other end", () => {
    const paths = (schema: Pick<typeof route, "pathOf">, bytes: Uint8Array): Set<string | undefined> =>
      new Set(Array.from(bytes, (_, offset) => schema.pathOf(bytes, 0, offset)));
    expect(paths(route, examples.route)).toContain("nextHops.0.gateway");
    expect(paths(route, examples.route)).toContain("nextHops.1.hops");
    expect(paths(link, examples.link)).toContain("linkInfo.data.peer.mtu");
    expect(paths(link, examples.link)).toContain("properties.alternativeNames.1");
  });

  test("name what a next hop cannot hold", () => {
    const error = thrown(() =>
      messageOf((writer) => route.write(writer, { nextHops: [{}, { gateway: "nowhere" }] })),
    );
    expect(error).toBeInstanceOf(EncodeError);
    expect(error).toMatchObject({ path: "nextHops.1.gateway" });
  });

  test.each([
    ["link", link],
    ["address", address],
    ["route", route],
    ["neighbor", neighbor],
    ["rule", rule],
  ] as const)(
    "a %s with any byte changed, or cut anywhere, decodes or throws DecodeError inside it",
    (name, schema) => {
      const encoded = examples[name];
      const decodes = <Decoded, Encodable>(
        of: MessageSchema<Decoded, Encodable>,
        bytes: Uint8Array,
      ): void => {
        try {
          of.decode(received(bytes));
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          expect(error.offset).toBeLessThan(bytes.length);
        }
      };
      for (let at = 16; at < encoded.length; at++) {
        for (let octet = 0; octet < 256; octet++) {
          const mutated = encoded.slice();
          mutated[at] = octet;
          decodes<unknown, unknown>(schema, mutated);
        }
        decodes<unknown, unknown>(schema, encoded.slice(0, at));
      }
    },
  );
});
