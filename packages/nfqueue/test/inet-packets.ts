/** Packets put together field by field, and checksums counted byte by byte: nothing here is shared with what is tested. */

export interface PacketDescription {
  readonly version: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly hopLimit: number;
  readonly trafficClass: number;
  /** IPv4 options, whole words. */
  readonly ipOptions: Uint8Array;
  /** IPv6 extension headers as [protocol, body without its next-header field]. */
  readonly extensions: readonly (readonly [number, Uint8Array])[];
  readonly transport: Transport;
  /** What follows the packet, as of a frame of the least length. */
  readonly padding: Uint8Array;
}

export type Transport =
  | {
      readonly kind: "tcp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly sequence: number;
      readonly acknowledgement: number;
      readonly flags: number;
      readonly window: number;
      readonly urgentPointer: number;
      /** Whole words. */
      readonly options: Uint8Array;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: "udp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: "icmp";
      readonly type: number;
      readonly code: number;
      readonly rest: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "other"; readonly protocol: number; readonly payload: Uint8Array };

const big16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
const big32 = (value: number): number[] => [...big16(value >>> 16), ...big16(value & 0xffff)];

/** RFC 1071, the slow way: every carry is added at once. */
export function slowChecksum(octets: readonly number[]): number {
  let sum = 0;
  for (const [at, octet] of octets.entries()) {
    sum += at % 2 === 0 ? octet * 256 : octet;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

/** What a checksum over a segment with its pseudo header comes to: 0 where the one in it is right. */
export function slowTransportChecksum(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  segment: readonly number[],
): number {
  const lengthAndProtocol =
    source.length === 4
      ? [0, protocol, ...big16(segment.length)]
      : [...big32(segment.length), 0, 0, 0, protocol];
  return slowChecksum([...source, ...destination, ...lengthAndProtocol, ...segment]);
}

export function protocolOf({ version, transport }: PacketDescription): number {
  switch (transport.kind) {
    case "tcp":
      return 6;
    case "udp":
      return 17;
    case "icmp":
      return version === 4 ? 1 : 58;
    case "other":
      return transport.protocol;
  }
}

function segmentOf(transport: Transport): { segment: number[]; checksumAt: number | undefined } {
  switch (transport.kind) {
    case "tcp": {
      const dataOffset = (20 + transport.options.length) / 4;
      const segment = [
        ...big16(transport.sourcePort),
        ...big16(transport.destinationPort),
        ...big32(transport.sequence),
        ...big32(transport.acknowledgement),
        ...big16((dataOffset << 12) | transport.flags),
        ...big16(transport.window),
        ...[0, 0],
        ...big16(transport.urgentPointer),
        ...transport.options,
        ...transport.payload,
      ];
      return { segment, checksumAt: 16 };
    }
    case "udp": {
      const ports = [...big16(transport.sourcePort), ...big16(transport.destinationPort)];
      const segment = [...ports, ...big16(8 + transport.payload.length), 0, 0, ...transport.payload];
      return { segment, checksumAt: 6 };
    }
    case "icmp": {
      const segment = [transport.type, transport.code, 0, 0, ...big32(transport.rest), ...transport.payload];
      return { segment, checksumAt: 2 };
    }
    case "other":
      return { segment: [...transport.payload], checksumAt: undefined };
  }
}

/** A packet with all its checksums right. */
export function build(description: PacketDescription): Uint8Array {
  const { version, source, destination, hopLimit, trafficClass, extensions } = description;
  const protocol = protocolOf(description);
  const { segment, checksumAt } = segmentOf(description.transport);
  if (checksumAt !== undefined) {
    const checksum =
      version === 4 && protocol === 1
        ? slowChecksum(segment)
        : slowTransportChecksum(source, destination, protocol, segment);
    const [high = 0, low = 0] = big16(protocol === 17 && checksum === 0 ? 0xffff : checksum);
    segment[checksumAt] = high;
    segment[checksumAt + 1] = low;
  }
  const chain = extensions.flatMap(([, body], at) => [extensions[at + 1]?.[0] ?? protocol, ...body]);
  const content = [...chain, ...segment];
  const first = extensions[0]?.[0] ?? protocol;
  if (version === 6) {
    const start = [...big32(((6 << 28) | (trafficClass << 20) | 0x12345) >>> 0), ...big16(content.length)];
    const header = [...start, first, hopLimit, ...source, ...destination];
    return Uint8Array.from([...header, ...content, ...description.padding]);
  }
  const headerLength = 20 + description.ipOptions.length;
  const header = [
    ...[0x40 | (headerLength / 4), trafficClass],
    ...big16(headerLength + content.length),
    ...big16(0xbeef),
    ...big16(0x4000),
    ...[hopLimit, first, 0, 0],
    ...source,
    ...destination,
    ...description.ipOptions,
  ];
  const [high = 0, low = 0] = big16(slowChecksum(header));
  header[10] = high;
  header[11] = low;
  return Uint8Array.from([...header, ...content, ...description.padding]);
}

const NOTHING = new Uint8Array(0);
const SOURCES = { 4: [192, 0, 2, 1], 6: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] };
const DESTINATIONS = { 4: [198, 51, 100, 7], 6: [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9] };

/** A packet between two addresses of the documentation, such as the tests of single behaviours need. */
export function packetOf(
  version: 4 | 6,
  transport: Transport,
  changes: Partial<PacketDescription> = {},
): Uint8Array {
  return build({
    version,
    source: Uint8Array.from(SOURCES[version]),
    destination: Uint8Array.from(DESTINATIONS[version]),
    hopLimit: 64,
    trafficClass: 0,
    ipOptions: NOTHING,
    extensions: [],
    padding: NOTHING,
    transport,
    ...changes,
  });
}

export function udp(payload: Uint8Array, sourcePort = 5353, destinationPort = 53): Transport {
  return { kind: "udp", sourcePort, destinationPort, payload };
}

export function tcp(changes: Partial<Extract<Transport, { kind: "tcp" }>> = {}): Transport {
  return {
    kind: "tcp",
    sourcePort: 40_000,
    destinationPort: 443,
    sequence: 0x8000_0001,
    acknowledgement: 0xffff_fffe,
    flags: 0x018,
    window: 512,
    urgentPointer: 0,
    options: NOTHING,
    payload: NOTHING,
    ...changes,
  };
}
