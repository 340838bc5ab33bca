export { FakeKernel, type FakeKernelOptions, type KernelRequest } from "./fake-kernel.js";
export type { FakeSocket } from "./memory-socket.js";
export { MemoryTransport, type SendHandler } from "./memory-transport.js";
