/** IP addresses as text: RFC 5952 for IPv6, and what RFC 4291 (2.2) allows of it when read. */

/** Octets as text, and behind a dot: adding strings that are there halved the time of formatting numbers into a template. */
const DECIMAL: readonly string[] = Array.from({ length: 256 }, (_, octet) => String(octet));
const DOT_DECIMAL: readonly string[] = DECIMAL.map((octet) => `.${octet}`);
const GROUPS = 8;

export function formatIpv4(view: DataView, offset: number): string {
  let text = DECIMAL[view.getUint8(offset)] ?? "";
  text += DOT_DECIMAL[view.getUint8(offset + 1)];
  text += DOT_DECIMAL[view.getUint8(offset + 2)];
  return text + DOT_DECIMAL[view.getUint8(offset + 3)];
}

export function formatIpv6(view: DataView, offset: number): string {
  if (isMappedIpv4(view, offset)) return `::ffff:${formatIpv4(view, offset + 12)}`;
  // The first of the longest runs of two or more zero groups is left out.
  let runStart = -1;
  let runLength = 1;
  for (let group = 0; group < GROUPS; group++) {
    let end = group;
    while (end < GROUPS && view.getUint16(offset + end * 2) === 0) end++;
    if (end - group > runLength) {
      runStart = group;
      runLength = end - group;
    }
    if (end > group) group = end;
  }
  let text = "";
  for (let group = 0; group < GROUPS; group++) {
    if (group === runStart) {
      text += "::";
      group += runLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith("::")) text += ":";
    text += view.getUint16(offset + group * 2).toString(16);
  }
  return text;
}

function isMappedIpv4(view: DataView, offset: number): boolean {
  return (
    view.getUint32(offset) === 0 &&
    view.getUint32(offset + 4) === 0 &&
    view.getUint32(offset + 8) === 0x0000_ffff
  );
}

/** The 4 or 16 bytes of an address, or undefined where the text is none. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  const octets = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  return octets === undefined ? undefined : Uint8Array.from(octets);
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  // No leading zeros, which some read as octal.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const octets = parts.map(Number);
  return octets.every((octet) => octet <= 255) ? octets : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = [parseGroups(halves[0]), parseGroups(halves[1])];
  if (head === undefined || tail === undefined) return undefined;
  // Only the end may be written as IPv4.
  if (halves.length === 2 && halves[0]?.includes(".")) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The octets of groups between colons; none for no text. */
function parseGroups(text: string | undefined): number[] | undefined {
  if (text === undefined || text === "") return [];
  const octets: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (index === groups.length - 1 && group.includes(".")) {
      const ipv4 = parseIpv4(group);
      if (ipv4 === undefined) return undefined;
      octets.push(...ipv4);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
    }
  }
  return octets;
}
