import { RuleError } from "../errors.js";

/** Which packets a rule queues. */
export interface Match {
  /** Where in its way through the host a packet is queued. */
  readonly hook: "input";
  /** Transport protocol, by name or IP protocol number. */
  readonly protocol?: "tcp" | "udp" | number | undefined;
  /** Destination port; it needs a protocol that has ports. */
  readonly destinationPort?: number | undefined;
}

/** A match whose every part was checked. */
export interface CheckedMatch {
  readonly protocol: number | undefined;
  readonly destinationPort: number | undefined;
}

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };
/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
const PROTOCOLS_WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];
const PARTS: readonly string[] = ["hook", "protocol", "destinationPort"] satisfies (keyof Match)[];

/** Checks a match from a user. Throws RuleError: a part that is passed over would queue more than was asked for. */
export function checkMatch(match: Match): CheckedMatch {
  const unknown = Object.keys(match).find((part) => !PARTS.includes(part));
  if (unknown !== undefined)
    throw new RuleError(`a match has no part "${unknown}": it takes ${PARTS.join(", ")}`);
  if (match.hook !== "input") throw new RuleError(`hook "${String(match.hook)}": it takes "input"`);
  const protocol = typeof match.protocol === "string" ? PROTOCOLS[match.protocol] : match.protocol;
  if (protocol === undefined && match.protocol !== undefined) {
    throw new RuleError(`protocol "${match.protocol}": it takes "tcp", "udp" or an IP protocol number`);
  }
  if (protocol !== undefined && !(Number.isInteger(protocol) && protocol >= 0 && protocol <= 255)) {
    throw new RuleError(`protocol ${protocol}: IP protocol numbers are 0 to 255`);
  }
  const { destinationPort } = match;
  if (destinationPort !== undefined) {
    if (!(Number.isInteger(destinationPort) && destinationPort >= 0 && destinationPort <= 65_535)) {
      throw new RuleError(`destinationPort ${destinationPort}: ports are 0 to 65,535`);
    }
    if (protocol === undefined || !PROTOCOLS_WITH_PORTS.includes(protocol)) {
      throw new RuleError('destinationPort needs a protocol that has ports, such as "udp"');
    }
  }
  return { protocol, destinationPort };
}
