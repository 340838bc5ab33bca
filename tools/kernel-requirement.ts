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
