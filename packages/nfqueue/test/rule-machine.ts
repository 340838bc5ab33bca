/** The kernel's side of nftables' expressions, as far as rules of ours have them: what a rule does with one packet. */
import type { Expression, Load } from "../src/rules/expressions.js";

export interface Device {
  readonly index: number;
  readonly name: string;
}

/** What of a packet rules can ask for. Addresses are numbers of 32 or 128 bits. */
export interface PlainPacket {
  readonly family: "ip" | "ip6";
  readonly source: bigint;
  readonly destination: bigint;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly input: Device;
  readonly output: Device;
  readonly mark: number;
  readonly conntrackMark: number;
  readonly conntrackState: "new" | "established" | "related" | "invalid" | "untracked";
}

const STATE_BITS = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 };

/** Runs a rule; true where it reaches its queue. */
export function runRule(expressions: readonly Expression[], packet: PlainPacket): boolean {
  let register = new Uint8Array(16);
  for (const expression of expressions) {
    switch (expression.name) {
      case "meta":
      case "ct":
      case "payload":
        register = new Uint8Array(16);
        register.set(load(expression, packet));
        break;
      case "bitwise":
        register = register.map((byte, at) => byte & (expression.mask[at] ?? 0));
        break;
      case "cmp":
        if ((compare(register, expression.value) === 0) === expression.negated) return false;
        break;
      case "range": {
        const inside = compare(register, expression.from) >= 0 && compare(register, expression.to) <= 0;
        if (inside === expression.negated) return false;
        break;
      }
      case "counter":
        break;
      case "queue":
        return true;
    }
  }
  return false;
}

function load(expression: Load, packet: PlainPacket): Uint8Array {
  if (expression.name === "payload") {
    const { base, offset, length } = expression;
    const header = base === 1 ? networkHeader(packet) : transportHeader(packet);
    return header.slice(offset, offset + length);
  }
  if (expression.name === "ct") {
    if (expression.key === 0) return hostOrder(STATE_BITS[packet.conntrackState]);
    if (expression.key === 3) return hostOrder(packet.conntrackMark);
  } else {
    switch (expression.key) {
      case 3:
        return hostOrder(packet.mark);
      case 4:
        return hostOrder(packet.input.index);
      case 5:
        return hostOrder(packet.output.index);
      case 6:
        return new TextEncoder().encode(packet.input.name);
      case 7:
        return new TextEncoder().encode(packet.output.name);
      case 15:
        return Uint8Array.of(packet.family === "ip" ? 2 : 10);
      case 16:
        return Uint8Array.of(packet.protocol);
    }
  }
  throw new Error(`no rule of ours loads ${expression.name} ${expression.key}`);
}

function networkHeader({ family, source, destination }: PlainPacket): Uint8Array {
  const header = new Uint8Array(40);
  const [at, width] = family === "ip" ? [12, 4] : [8, 16];
  for (let byte = 0; byte < width; byte++) {
    const shift = BigInt((width - 1 - byte) * 8);
    header[at + byte] = Number((source >> shift) & 0xffn);
    header[at + width + byte] = Number((destination >> shift) & 0xffn);
  }
  return header;
}

function transportHeader({ sourcePort, destinationPort }: PlainPacket): Uint8Array {
  return Uint8Array.of(sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255);
}

function hostOrder(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** As memcmp does, over the bytes of the value. */
function compare(register: Uint8Array, value: Uint8Array): number {
  for (const [at, byte] of value.entries()) {
    const difference = (register[at] ?? 0) - byte;
    if (difference !== 0) return difference;
  }
  return 0;
}
