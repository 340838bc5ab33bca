import { planRing } from "@nlring/ring-core";
import type { SocketOptions } from "../socket-options.js";
import type { TransportRequest } from "./transport.js";

/** 32 KiB is the largest chunk in which the kernel hands out a dump; a larger message comes by copy. */
const RX_FRAME_SIZE = 32_768 + 24;
const RX_FRAME_COUNT = 64;
/** A mapped kernel's dump chunks fit 4 KiB, and the ring is all the room that messages have. */
const MAPPED_FRAME_SIZE = 4096;
const MAPPED_FRAME_COUNT = 256;
/** The kernel's rings are its own memory, taken for good; what does not fit a frame comes by copy. */
const LARGEST_MAPPED_FRAME = 16_384;
const TX_FRAME_SIZE = 32_768;
const TX_FRAME_COUNT = 8;

/** What a transport is opened with, by the options of a socket. Throws GeometryError for a ring that cannot be. */
export function transportRequest(protocol: number, options: SocketOptions): TransportRequest {
  const { ring } = options;
  return {
    protocol,
    rx: planRing({
      frameSize: ring?.frameSize ?? RX_FRAME_SIZE,
      frameCount: ring?.frameCount ?? RX_FRAME_COUNT,
    }),
    tx: planRing({ frameSize: TX_FRAME_SIZE, frameCount: TX_FRAME_COUNT }),
    mappedRx: {
      frameSize:
        ring?.mapped?.frameSize ?? Math.min(ring?.frameSize ?? MAPPED_FRAME_SIZE, LARGEST_MAPPED_FRAME),
      frameCount: ring?.mapped?.frameCount ?? ring?.frameCount ?? MAPPED_FRAME_COUNT,
    },
    ordered: options.ordered ?? false,
    namespace: options.namespace,
    descriptor: options.descriptor,
    allNamespaces: options.allNamespaces ?? false,
    kernelOnly: options.kernelOnly ?? false,
    filter: options.filter,
  };
}
