export type { MessageSource } from "@nlring/ring-core";
export { FakeKernel, type FakeKernelOptions, type KernelRequest } from "./fake-kernel.js";
export type { FakeSocket, FakeSocketOptions } from "./memory-socket.js";
export { MemoryTransport, type SendHandler } from "./memory-transport.js";
