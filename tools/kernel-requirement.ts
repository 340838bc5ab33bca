/** What `requireKernel` needs of vitest's test context. */
export interface SkippableContext {
  skip(note: string): never;
}

/**
 * Goes on where `available`; else skips the test and tells why. With KERNEL_TESTS=required, as on machines that are known to have
 * everything, the test fails instead: a suite that skips itself proves nothing.
 *
 * @param reason what is missing, as in "extended ACK came with Linux 4.12"
 */
export function requireKernel(context: SkippableContext, available: boolean, reason: string): void {
  if (available) return;
  if (process.env["KERNEL_TESTS"] === "required") {
    throw new Error(`KERNEL_TESTS=required, and this kernel or sandbox lacks something: ${reason}`);
  }
  context.skip(reason);
}

/**
 * Goes on where the kernel has an option that is a choice of whoever builds it; else skips the test and names the option, also with
 * KERNEL_TESTS=required: no sandbox can bring it. What such a test shows is shown over recorded bytes as well.
 *
 * @param option as in "CONFIG_NETFILTER_NETLINK_GLUE_CT"
 */
export function skipWithoutKernelOption(context: SkippableContext, available: boolean, option: string): void {
  if (!available) context.skip(`this kernel is built without ${option}`);
}
