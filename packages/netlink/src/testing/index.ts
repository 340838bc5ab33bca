export type { MessageSource } from "@nlring/ring-core";
export { FakeGenericKernel, type GenericRequest } from "./fake-generic-kernel.js";
export { FakeKernel, type FakeKernelOptions, type KernelRequest } from "./fake-kernel.js";
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
