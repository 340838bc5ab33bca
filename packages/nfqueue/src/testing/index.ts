export {
  type FakePacket,
  FakeQueueKernel,
  type FakeQueueKernelOptions,
} from "./fake-queue-kernel.js";
export type { FakeChanges, FakeVerdict } from "./fake-verdict.js";
