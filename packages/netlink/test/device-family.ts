import { defineFamily, type FamilySchema } from "../src/generic/index.js";
import { attributes, enumeration, string, uint8, uint32 } from "../src/index.js";
import type { FamilyHandlers } from "../src/testing/index.js";

const identity = attributes({ index: [1, uint32], name: [2, string] });

/** A family as drivers have them, in small: a nested header, commands that reply, that dump and that only change something, and events. */
export const devices = defineFamily("devices", {
  version: 2,
  commands: {
    get: {
      command: 1,
      request: { identity: [1, identity] },
      reply: { identity: [1, identity], command: [2, uint32], mode: [3, enumeration({ off: 0, on: 1 })] },
      replyCommand: 7,
    },
    set: { command: 2, request: { identity: [1, identity], mode: [3, enumeration({ off: 0, on: 1 })] } },
    ping: { command: 3, reply: { version: [1, uint8] } },
  },
  events: {
    changed: { command: 8, attributes: { identity: [1, identity] } },
    counted: { command: 9, attributes: { count: [4, uint32] } },
  },
  groups: ["monitor", "counters"],
});

export type DeviceHandlers =
  typeof devices extends FamilySchema<infer Header, infer Commands, infer _Events, infer _Group>
    ? FamilyHandlers<Header, Commands>
    : never;
