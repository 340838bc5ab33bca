export { type FakePacket, FakeQueueKernel, type FakeVerdict } from "./fake-queue-kernel.js";
