export { FRAME_ALIGNMENT, FRAME_HEADER_LENGTH, FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
export { broadcast } from "./broadcast.js";
export { GeometryError, RingError, type RingErrorCode } from "./errors.js";
export {
  checkGeometry,
  frameOffset,
  type GeometryViolation,
  planRing,
  type RingPlan,
  readRingRequest,
  ringLength,
  writeRingRequest,
} from "./geometry.js";
export type { MessageBuild } from "./kernel-build.js";
export type { KernelDialect } from "./kernel-rx-ring.js";
export { type MessageSource, RxFiller, TxDrainer } from "./kernel-side.js";
export { KernelSocket, type KernelSocketOptions, type PollBits, type QueuedCopy } from "./kernel-socket.js";
export { RxRing, type RxRingOptions } from "./rx-ring.js";
export { TxRing } from "./tx-ring.js";
