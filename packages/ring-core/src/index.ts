export { FRAME_ALIGNMENT, FRAME_HEADER_LENGTH, FrameHeader, FrameStatus, type RingGeometry } from "./abi.js";
export { GeometryError, RingError, type RingErrorCode } from "./errors.js";
export {
  checkGeometry,
  frameOffset,
  type GeometryViolation,
  planRing,
  type RingPlan,
  ringLength,
} from "./geometry.js";
export { type MessageSource, RxFiller, TxDrainer } from "./kernel-side.js";
export { RxRing } from "./rx-ring.js";
export { TxRing } from "./tx-ring.js";
