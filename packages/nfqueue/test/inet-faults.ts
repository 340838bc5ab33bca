import { DatagramEditError } from "../src/inet/index.js";
import { slowChecksum, slowTransportChecksum } from "./inet-packets.js";

/** Which checksums and lengths of a packet are wrong, by a count that shares nothing with the library. */
export function faultsOf(packet: Uint8Array): string[] {
  const faults: string[] = [];
  const word = (at: number): number => ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
  const version = (packet[0] ?? 0) >> 4;
  let at = version === 4 ? ((packet[0] ?? 0) & 0xf) * 4 : 40;
  let protocol = packet[version === 4 ? 9 : 6] ?? 0;
  if (version === 4) {
    if (slowChecksum([...packet.subarray(0, at)]) !== 0) faults.push("header checksum");
    if (word(2) !== packet.length) faults.push("total length");
  } else if (word(4) !== packet.length - 40) faults.push("payload length");
  while (version === 6 && [0, 43, 44, 60].includes(protocol)) {
    const length = protocol === 44 ? 8 : ((packet[at + 1] ?? 0) + 1) * 8;
    protocol = packet[at] ?? 0;
    at += length;
  }
  const segment = [...packet.subarray(at)];
  const [source, destination] =
    version === 4
      ? [packet.subarray(12, 16), packet.subarray(16, 20)]
      : [packet.subarray(8, 24), packet.subarray(24, 40)];
  if (protocol === 17 && word(at + 4) !== segment.length) faults.push("UDP length");
  if (protocol === 17 && word(at + 6) === 0) faults.push("no UDP checksum");
  if ([6, 17, 58].includes(protocol)) {
    if (slowTransportChecksum(source, destination, protocol, segment) !== 0) faults.push("checksum");
  } else if (version === 4 && protocol === 1 && slowChecksum(segment) !== 0) faults.push("ICMP checksum");
  return faults;
}

/** The code that a rewrite is refused with; another error as it is, and undefined for none. */
export function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error instanceof DatagramEditError ? error.code : error;
  }
  return undefined;
}
