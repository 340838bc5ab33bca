import { startPrinterWhereAsked } from "../diagnostics/debug-variable.js";
import { TransportError } from "../errors.js";
import type { Transport, TransportProvider, TransportRequest } from "./transport.js";

/** Which transport a socket uses: the best there is, one by name, or one that a provider such as a FakeKernel makes. */
export type TransportChoice = "auto" | "kernel-ring" | "user-ring" | TransportProvider;

/** Opens the transport that was asked for; `auto` is the kernel's ring where it can be had, else the user ring. */
export async function openTransport(request: TransportRequest, choice: TransportChoice): Promise<Transport> {
  const printer = startPrinterWhereAsked();
  if (printer !== undefined) await printer;
  if (typeof choice === "object") return choice.open(request);
  if (choice !== "auto" && choice !== "kernel-ring" && choice !== "user-ring") {
    throw new TransportError(
      `unknown transport "${String(choice)}": use "auto", "kernel-ring" or "user-ring"`,
    );
  }
  // Loaded on first use: who only reads and writes messages, or uses the memory transport, needs no native code.
  const { openNativeTransport } = await import("./native-transport.js");
  return openNativeTransport(request, choice);
}
