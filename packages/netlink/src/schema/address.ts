import type { MessageWriter } from "../message/message-writer.js";
import { Fault, shown } from "./fault.js";
import { formatIpv4, formatIpv6, parseIpAddress } from "./ip-text.js";
import { PayloadType } from "./payload-type.js";

const OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) =>
  octet.toString(16).padStart(2, "0"),
);
const MAC_ADDRESS = /^[0-9a-f]{2}(?::[0-9a-f]{2})*$/i;

class MacAddressType extends PayloadType<string> {
  read(view: DataView, offset: number, length: number): string {
    if (length === 0) return "";
    let text = OCTETS[view.getUint8(offset)] ?? "";
    for (let at = offset + 1; at < offset + length; at++) text += `:${OCTETS[view.getUint8(at)]}`;
    return text;
  }

  write(writer: MessageWriter, value: unknown): void {
    if (value === "") return;
    if (typeof value !== "string" || !MAC_ADDRESS.test(value)) {
      throw new Fault(`a link-layer address such as "02:00:00:00:00:01" is needed, not ${shown(value)}`);
    }
    for (const octet of value.split(":")) writer.uint8(Number.parseInt(octet, 16));
  }
}

/** A link-layer address of any length as text: "02:00:5e:10:00:01". */
export const macAddress: PayloadType<string> = new MacAddressType(undefined);

class IpAddressType extends PayloadType<string> {
  read(view: DataView, offset: number, length: number): string {
    if (length === 4) return formatIpv4(view, offset);
    if (length === 16) return formatIpv6(view, offset);
    throw new Fault(`an address of ${length} bytes: IPv4 has 4 and IPv6 has 16`);
  }

  write(writer: MessageWriter, value: unknown): void {
    const address = typeof value === "string" ? parseIpAddress(value) : undefined;
    if (address === undefined) throw new Fault(`an IPv4 or IPv6 address is needed, not ${shown(value)}`);
    writer.bytes(address);
  }
}

/** An IPv4 address (4 bytes) or IPv6 address (16 bytes) as text, IPv6 in the form of RFC 5952. */
export const ipAddress: PayloadType<string> = new IpAddressType(undefined);
