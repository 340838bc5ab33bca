export type { MessageSource } from "@nlring/ring-core";
export {
  type ConformanceCase,
  conformanceCases,
  fakeStage,
  missingRequirements,
  type Requirement,
  type Stage,
  type StagePeer,
  type StageSocketOptions,
} from "./conformance/index.js";
export type { AcknowledgementDetails, FailureDetails } from "./fake-answer.js";
export type { FakeDumpOptions } from "./fake-dump.js";
export { FakeGenericKernel, type GenericRequest } from "./fake-generic-kernel.js";
export { FakeKernel, type FakeKernelOptions, type MulticastSource } from "./fake-kernel.js";
export { FakePeer } from "./fake-peer.js";
export type { KernelRequest } from "./fake-request.js";
export { FakeRouteKernel } from "./fake-route-kernel.js";
export type { FakeSocket, FakeSocketOptions } from "./memory-socket.js";
export { MemoryTransport, type SendHandler } from "./memory-transport.js";
export {
  type FamilyHandler,
  type FamilyHandlers,
  Refusal,
  type RequestDetails,
  ServedFamily,
  type ServedFamilyOptions,
} from "./served-family.js";
