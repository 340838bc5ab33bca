import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { loadNative, type NativeAddon, type NativeRingGeometry, type NativeSocket } from "../dist/index.js";

/** The built addon, as users load it. */
export const native: NativeAddon = loadNative();

export const NETLINK_ROUTE = 0;
export const NETLINK_USERSOCK = 2;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
export const SOL_SOCKET = 1;
export const SOL_NETLINK = 270;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;

export const EAGAIN = 11;
export const EBADF = 9;
export const EFAULT = 14;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ENODATA = 61;
export const EMSGSIZE = 90;
export const EOPNOTSUPP = 95;
export const ENOBUFS = 105;

export const FRAME = { unused: 0, reserved: 1, valid: 2, copy: 3, skip: 4 } as const;
const FRAME_HEADER = 24;
const MESSAGE_HEADER = 16;

// What this machine's kernel counts in: netlink is in host byte order.
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A ring of one block. */
export function geometry(frameSize: number, frameCount: number): NativeRingGeometry {
  return { blockSize: frameSize * frameCount, blockCount: 1, frameSize, frameCount };
}

/** The bytes that a geometry maps. */
export function byteLength({ blockSize, blockCount }: NativeRingGeometry): number {
  return blockSize * blockCount;
}

/** One ring of a mapping, read and written as an application does. */
export class RingView {
  readonly geometry: NativeRingGeometry;
  readonly #memory: ArrayBuffer;
  readonly #view: DataView;
  readonly #offset: number;

  constructor(memory: ArrayBuffer, shape: NativeRingGeometry, offset = 0) {
    this.geometry = shape;
    this.#memory = memory;
    this.#view = new DataView(memory);
    this.#offset = offset;
  }

  at(frame: number): number {
    const { blockSize, frameSize } = this.geometry;
    const perBlock = Math.floor(blockSize / frameSize);
    return this.#offset + Math.floor(frame / perBlock) * blockSize + (frame % perBlock) * frameSize;
  }

  status(frame: number): number {
    return this.#view.getUint32(this.at(frame), littleEndian);
  }

  setStatus(frame: number, status: number): void {
    this.#view.setUint32(this.at(frame), status, littleEndian);
  }

  statuses(): number[] {
    return Array.from({ length: this.geometry.frameCount }, (_, frame) => this.status(frame));
  }

  header(frame: number): { length: number; group: number; pid: number; uid: number; gid: number } {
    const word = (offset: number): number => this.#view.getUint32(this.at(frame) + offset, littleEndian);
    return { length: word(4), group: word(8), pid: word(12), uid: word(16), gid: word(20) };
  }

  /** The bytes of a frame: by default as many as its header tells. */
  payload(frame: number, length: number = this.header(frame).length): Uint8Array {
    return new Uint8Array(this.#memory, this.at(frame) + FRAME_HEADER, length);
  }

  /** Writes a message and hands the frame over; a wrong length may be claimed. */
  put(frame: number, message: Uint8Array, length: number = message.length): void {
    this.payload(frame, message.length).set(message);
    this.#view.setUint32(this.at(frame) + 4, length, littleEndian);
    this.setStatus(frame, FRAME.valid);
  }
}

export interface MappedSocket {
  readonly socket: NativeSocket;
  readonly port: number;
  readonly memory: ArrayBuffer;
  readonly rx: RingView;
  readonly tx: RingView;
}

/** A bound socket with a user ring. */
export function mapped(
  protocol: number,
  shape: NativeRingGeometry = geometry(4096, 16),
  txShape: NativeRingGeometry = shape,
): MappedSocket {
  const socket = new native.Socket(protocol);
  const memory = socket.mapUserRing(shape, txShape);
  const rx = new RingView(memory, shape);
  const tx = new RingView(memory, txShape, byteLength(shape));
  return { socket, port: socket.bind(0, 0), memory, rx, tx };
}

/** A netlink message. */
export function message(type: number, flags: number, sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, flags, littleEndian);
  view.setUint32(8, sequence, littleEndian);
  bytes.set(payload, MESSAGE_HEADER);
  return bytes;
}

/** Asks for all interfaces (struct ifinfomsg is 16 bytes). */
export function linkDump(sequence: number): Uint8Array {
  return message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence, new Uint8Array(16));
}

/** A request that the kernel does nothing about but acknowledge (NLMSG_NOOP, a control type). */
export function acknowledged(sequence: number): Uint8Array {
  return message(1, NLM_F_REQUEST | NLM_F_ACK, sequence, new Uint8Array(0));
}

export interface ReceivedMessage {
  readonly type: number;
  readonly sequence: number;
  /** The error of an NLMSG_ERROR, 0 for an acknowledgement. */
  readonly error: number;
}

/** The messages that lie one behind the other in what was received. */
export function messagesIn(bytes: Uint8Array): ReceivedMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: ReceivedMessage[] = [];
  let offset = 0;
  while (offset + MESSAGE_HEADER <= bytes.length) {
    const length = view.getUint32(offset, littleEndian);
    if (length < MESSAGE_HEADER || offset + length > bytes.length)
      throw new Error(`a message of ${length} bytes at ${offset}`);
    const type = view.getUint16(offset + 4, littleEndian);
    const error = type === NLMSG_ERROR ? view.getInt32(offset + MESSAGE_HEADER, littleEndian) : 0;
    found.push({ type, sequence: view.getUint32(offset + 8, littleEndian), error });
    offset += (length + 3) & ~3;
  }
  return found;
}

/** Bytes that differ at each place, so that a swapped or cut part shows. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 17 + seed) & 0xff);
}

/** The error that `action` throws, with whatever fields it has. */
export function thrownBy(action: () => unknown): Error & Record<string, unknown> {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return Object.assign(error);
    throw new Error(`no error was thrown but ${String(error)}`);
  }
  throw new Error("nothing was thrown");
}

/** Resolves at the socket's next call of the reader, and pauses it there. Calls onReadable, so once for a socket. */
export function nextReadable(socket: NativeSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.onReadable(() => {
      socket.pause();
      resolve();
    });
    socket.resume();
  });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

export interface FixtureOptions {
  /** A command that runs the fixture, with its arguments. */
  readonly behind?: readonly string[];
  /** Options of Node. */
  readonly node?: readonly string[];
  /** Open file that the fixture gets as its descriptor 3. */
  readonly descriptor?: number;
  readonly onOutput?: (text: string) => void;
}

/** Runs a fixture in a process of its own until it ends. */
export function runFixture(
  name: string,
  args: readonly string[],
  { behind = [], node = [], descriptor, onOutput }: FixtureOptions = {},
): Promise<Ended> {
  const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  const [command = "", ...rest] = [...behind, process.execPath, ...node, path, ...args];
  const inherited = descriptor === undefined ? [] : [descriptor];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe", ...inherited] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) throw new Error("the fixture's output is not piped");
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
      onOutput?.(text);
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, output });
    });
  });
}
