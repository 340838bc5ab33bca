let asked = false;

/**
 * Starts the printer where the environment variable NLRING_DEBUG asks for it, when the first socket of this thread is opened. The promise
 * resolves when it runs; undefined where there is nothing to wait for.
 */
export function startPrinterWhereAsked(): Promise<void> | undefined {
  if (asked) return undefined;
  asked = true;
  const selection = process.env["NLRING_DEBUG"];
  return selection === undefined || selection === "" ? undefined : start(selection);
}

/** The printer, with all the names it knows, is loaded only where somebody wants it. */
async function start(selection: string): Promise<void> {
  const { startPrinter } = await import("./diagnostics-printer.js");
  startPrinter(selection, (text) => void process.stderr.write(text));
}
