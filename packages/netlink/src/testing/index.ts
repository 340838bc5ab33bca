export { FakeKernel, type KernelRequest } from "./fake-kernel.js";
export { MemoryTransport, type SendHandler } from "./memory-transport.js";
