import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOST_IS_LITTLE_ENDIAN } from "../src/abi.js";
import { DecodeError } from "../src/errors.js";
import { type PcapRecord, PcapWriter, readPcap } from "../src/pcap/index.js";
import {
  joined,
  messageBytes,
  openMemorySocket,
  PROTOCOL,
  rejection,
  takeAll,
  until,
} from "./memory-socket.js";

/** A stream that keeps what is written; it can be told to take nothing, or to fail. */
class Sink extends Writable {
  readonly chunks: Uint8Array[] = [];
  blocked = false;
  failure: Error | undefined;
  #waiting: (() => void) | undefined;

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    const take = (): void => {
      // A stream hands out Buffers, whose slice is a view.
      this.chunks.push(Uint8Array.from(chunk));
      callback(this.failure);
    };
    if (this.blocked) this.#waiting = take;
    else take();
  }

  unblock(): void {
    this.blocked = false;
    this.#waiting?.();
  }

  get bytes(): Uint8Array {
    return joined(...this.chunks);
  }
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pcap-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Sends a message without an answer, and has the kernel send one and multicast another. */
async function exchange(): Promise<void> {
  const { socket, transport } = await openMemorySocket();
  socket.compose(0x0301, 0, 4).uint32(7);
  socket.commit();
  socket.flush();
  transport.deliver(messageBytes({ type: 50 }));
  transport.deliver(messageBytes({ type: 51 }), { group: 3 });
  for (const message of takeAll(socket)) message.release();
  await socket.close();
}

/** Numbers as the host stores them. */
function host16(...values: number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(values).buffer);
}
function host32(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

const FILE_HEADER = joined(host32(0xa1b23c4d), host16(2, 4), host32(0, 0, 262_144, 253));

interface RecordShape {
  readonly packetType?: number;
  readonly hardware?: number;
  readonly protocol?: number;
  readonly length?: number;
  readonly originalLength?: number;
}

/** A record put together by the specification, without the code under test. */
function record(bytes: Uint8Array, shape: RecordShape = {}): Uint8Array {
  const { packetType = 0, hardware = 824, protocol = 0, length = 16 + bytes.length } = shape;
  const cooked = Uint8Array.of(
    packetType >> 8,
    packetType & 255,
    hardware >> 8,
    hardware & 255,
    ...new Uint8Array(10),
    protocol >> 8,
    protocol & 255,
  );
  return joined(host32(1_700_000_000, 123_456_789, length, shape.originalLength ?? length), cooked, bytes);
}

function decodeError(file: Uint8Array): DecodeError {
  try {
    for (const _ of readPcap(file));
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
  throw new Error("the capture was read");
}

describe("PcapWriter", () => {
  test("writes the header of a nanosecond capture of netlink", async () => {
    const sink = new Sink();
    await new PcapWriter(sink).close();
    expect(sink.bytes).toEqual(FILE_HEADER);
  });

  test("writes each record as the specification has it: the time, both lengths, the cooked header, the messages", async () => {
    const sink = new Sink();
    const capture = new PcapWriter(sink);
    const before = BigInt(Date.now() - 1000) * 1_000_000n;
    await exchange();
    await capture.close();
    const [, sent, received, multicast] = sink.chunks;
    const portId = [...readPcap(sink.bytes)][0]?.bytes.slice(12, 16) ?? new Uint8Array(4);
    const message = joined(host32(20), host16(0x0301, 1), host32(0), portId, host32(7));
    expect(sent?.slice(8)).toEqual(
      joined(
        host32(36, 36),
        Uint8Array.of(0, 4, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PROTOCOL),
        message,
      ),
    );
    const unicast = Uint8Array.of(0, 0, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PROTOCOL);
    expect(received?.slice(8)).toEqual(joined(host32(32, 32), unicast, messageBytes({ type: 50 })));
    expect(multicast?.slice(16, 18)).toEqual(Uint8Array.of(0, 2));
    const [{ timestamp } = { timestamp: 0n }] = readPcap(sink.bytes);
    expect(timestamp).toBeGreaterThan(before);
    expect(timestamp).toBeLessThanOrEqual(BigInt(Date.now() + 1000) * 1_000_000n);
  });

  test("writes a file that only its owner may read, complete when close resolves", async () => {
    const path = join(folder, "file.pcap");
    const capture = PcapWriter.open(path);
    await exchange();
    await capture.close();
    expect(
      [...readPcap(readFileSync(path))].map(({ direction, multicast }) => [direction, multicast]),
    ).toEqual([
      ["sent", false],
      ["received", false],
      ["received", true],
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(capture.captured).toBe(3);
    expect(capture.dropped).toBe(0);
  });

  test("captures the protocols that are asked for", async () => {
    const wanted = new PcapWriter(new Sink(), { protocols: [1, PROTOCOL] });
    const others = new PcapWriter(new Sink(), { protocols: [1] });
    await exchange();
    await Promise.all([wanted.close(), others.close()]);
    expect([wanted.captured, others.captured]).toEqual([3, 0]);
  });

  test("captures nothing after close", async () => {
    const sink = new Sink();
    const capture = new PcapWriter(sink);
    const closed = capture.close();
    await exchange();
    await closed;
    expect(sink.bytes).toEqual(FILE_HEADER);
    expect(capture.dropped).toBe(0);
  });

  test("drops and counts what exceeds the bound while the stream takes nothing, and then goes on", async () => {
    const sink = new Sink();
    sink.blocked = true;
    // The file header waits, then there is room for one of the records: 52, 48 and 48 bytes.
    const capture = new PcapWriter(sink, { bufferLimit: 24 + 60 });
    await exchange();
    expect([capture.captured, capture.dropped]).toEqual([1, 2]);
    sink.unblock();
    await until(() => sink.writableLength === 0);
    await exchange();
    await capture.close();
    expect(capture.captured).toBeGreaterThan(1);
    expect([...readPcap(sink.bytes)]).toHaveLength(capture.captured);
  });

  test("rejects its close with the error of a write, and drops what came after it", async () => {
    const sink = new Sink();
    sink.failure = new Error("no space left");
    const capture = new PcapWriter(sink);
    await until(() => sink.errored !== null);
    await exchange();
    expect(await rejection(capture.close())).toBe(sink.failure);
    expect(capture.dropped).toBe(3);
  });

  test("rejects its close with an error that comes only then", async () => {
    const sink = new Sink();
    const capture = new PcapWriter(sink);
    await until(() => sink.writableLength === 0);
    sink.failure = new Error("no space left");
    await exchange();
    expect(await rejection(capture.close())).toBe(sink.failure);
  });

  test("throws where the file cannot be made", () => {
    expect(() => PcapWriter.open(join(folder, "missing", "file.pcap"))).toThrow(/ENOENT/);
  });

  test("gives the same promise for every close", async () => {
    const capture = new PcapWriter(new Sink());
    expect(capture.close()).toBe(capture.close());
    await capture.close();
  });

  test("cuts off what is larger than a record can be, and tells", async () => {
    const sink = new Sink();
    const capture = new PcapWriter(sink);
    const { socket } = await openMemorySocket();
    socket.compose(1, 0, 300_000);
    const writer = socket.compose(1, 0, 300_000);
    for (let word = 0; word < 75_000; word++) writer.uint32(word);
    socket.commit();
    await socket.close();
    await capture.close();
    const [read] = readPcap(sink.bytes);
    expect([read?.bytes.length, read?.originalLength]).toEqual([262_144 - 16, 300_016]);
  });
});

describe("readPcap", () => {
  test("reads what the specification describes", () => {
    const bytes = messageBytes({ type: 16 });
    const file = joined(
      FILE_HEADER,
      record(bytes, { packetType: 4, protocol: 16 }),
      record(new Uint8Array(0)),
    );
    const [first, second, ...more] = readPcap(file);
    expect(first).toEqual({
      protocol: 16,
      direction: "sent",
      multicast: false,
      timestamp: 1_700_000_000_123_456_789n,
      bytes,
      originalLength: 16,
    });
    expect(second?.bytes).toHaveLength(0);
    expect(more).toEqual([]);
  });

  test("reads microseconds as well", () => {
    const file = joined(host32(0xa1b2c3d4), FILE_HEADER.subarray(4), record(new Uint8Array(0)));
    expect([...readPcap(file)][0]?.timestamp).toBe(1_700_000_000_000_000_000n + 123_456_789_000n);
  });

  test.each([
    [0, "received", false],
    [2, "received", true],
    [4, "sent", false],
    [6, "received", false],
    [7, "sent", false],
  ])("takes packet type %i for %s", (packetType, direction, multicast) => {
    const [read] = readPcap(joined(FILE_HEADER, record(new Uint8Array(0), { packetType })));
    expect(read).toMatchObject({ direction, multicast });
  });

  test("tells what a capture cut off", () => {
    const [read] = readPcap(joined(FILE_HEADER, record(new Uint8Array(20), { originalLength: 116 })));
    expect([read?.bytes.length, read?.originalLength]).toEqual([20, 100]);
  });

  test("throws DecodeError where the file is none, with the place", () => {
    expect(decodeError(new Uint8Array(23)).offset).toBe(23);
    expect(decodeError(new Uint8Array(24)).message).toContain("no pcap file");
    const other = FILE_HEADER.slice();
    new DataView(other.buffer).setUint32(0, 0xa1b23c4d, !HOST_IS_LITTLE_ENDIAN);
    expect(decodeError(other).message).toContain("other byte order");
    const ethernet = joined(FILE_HEADER.subarray(0, 20), host32(1));
    expect(decodeError(ethernet)).toMatchObject({
      offset: 20,
      message: expect.stringContaining("link type 1"),
    });
  });

  test("yields the records before a broken one, then throws DecodeError with the place", () => {
    const good = joined(FILE_HEADER, record(new Uint8Array(4)));
    const seen: PcapRecord[] = [];
    const read = (file: Uint8Array): void => {
      for (const one of readPcap(file)) seen.push(one);
    };
    expect(() => read(joined(good, record(new Uint8Array(4)).subarray(0, 35)))).toThrow(DecodeError);
    expect(seen).toHaveLength(1);
    expect(decodeError(joined(good, new Uint8Array(15))).offset).toBe(good.length);
    expect(decodeError(joined(good, record(new Uint8Array(0), { length: 15 }))).offset).toBe(good.length);
    expect(decodeError(joined(good, record(new Uint8Array(0), { length: 0xffff_ffff }))).offset).toBe(
      good.length,
    );
    expect(decodeError(joined(good, record(new Uint8Array(0), { hardware: 1 }))).offset).toBe(
      good.length + 18,
    );
  });

  test("hostile files are read or refused with DecodeError, and no byte is yielded twice", () => {
    const words = fc.oneof(
      fc.constantFrom(0, 15, 16, 17, 40, 0xffff_ffff),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    );
    const hostile = fc.tuple(
      fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.option(words)), { maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 3 }),
      fc.nat(300),
    );
    fc.assert(
      fc.property(hostile, ([records, scribbles, cut]) => {
        const parts = records.map(([bytes, length]) => record(bytes, length === null ? {} : { length }));
        const file = joined(FILE_HEADER, ...parts);
        for (const [offset, value] of scribbles) if (offset < file.length) file[offset] = value;
        let total = 0;
        try {
          for (const { bytes, originalLength } of readPcap(
            file.subarray(0, file.length - Math.min(cut >> 3, file.length)),
          )) {
            total += bytes.length;
            expect(originalLength).toBeGreaterThanOrEqual(bytes.length);
          }
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          expect(error.offset).toBeLessThanOrEqual(file.length);
        }
        expect(total).toBeLessThanOrEqual(file.length);
      }),
      { numRuns: 2000 },
    );
  });

  test("what was written is read back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), async (payloads) => {
        const sink = new Sink();
        const capture = new PcapWriter(sink);
        const { socket, transport } = await openMemorySocket();
        const messages = payloads.map((payload) => messageBytes({ payload }));
        for (const message of messages) transport.deliver(message);
        for (const message of takeAll(socket)) message.release();
        await socket.close();
        await capture.close();
        expect([...readPcap(sink.bytes)].map(({ bytes }) => bytes)).toEqual(messages);
      }),
      { numRuns: 30 },
    );
  });
});
