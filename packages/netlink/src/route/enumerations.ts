import { enumeration } from "../schema/enumeration.js";
import { uint8 } from "../schema/integer.js";
import type { PayloadType } from "../schema/payload-type.js";

/** RT_SCOPE_…: how far away a destination is. */
export type Scope = "universe" | "site" | "link" | "host" | "nowhere" | number;

export const scope: PayloadType<Scope> = enumeration(
  { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 },
  uint8,
);

/** RTPROT_…: who made a route. */
export type RouteProtocol =
  | "unspecified"
  | "redirect"
  | "kernel"
  | "boot"
  | "static"
  | "routerAdvertisement"
  | "dhcp"
  | number;

export const routeProtocol: PayloadType<RouteProtocol> = enumeration(
  { unspecified: 0, redirect: 1, kernel: 2, boot: 3, static: 4, routerAdvertisement: 9, dhcp: 16 },
  uint8,
);
