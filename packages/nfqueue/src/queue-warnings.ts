import type { QueueConfiguration } from "./configuration.js";
import type { LossReport } from "./loss-report.js";

/** What a waiting packet of 1,400 bytes is charged in the receive buffer, and one of few bytes. */
const PACKET_CHARGE = 2304;
const SMALL_PACKET_CHARGE = 832;
/** Up to that copy range, packets are charged as small ones. */
const SMALL_PACKET = 128;

/** Why the receive buffer is too small for the queue, in figures; undefined where it is not. */
export function receiveBufferWarning(
  receiveBuffer: number,
  { copyRange, queueMaxLength }: QueueConfiguration,
): string | undefined {
  const charge = copyRange <= SMALL_PACKET ? SMALL_PACKET_CHARGE : PACKET_CHARGE;
  const holds = Math.floor(receiveBuffer / charge);
  if (holds >= queueMaxLength) return undefined;
  const figure = (value: number): string => value.toLocaleString("en");
  return (
    `the receive buffer of ${figure(receiveBuffer)} bytes holds some ${figure(holds)} packets, charged ${figure(charge)} bytes each, ` +
    `and the queue ${figure(queueMaxLength)}: what comes beyond that is lost. Raise net.core.rmem_max to ` +
    `${figure(Math.ceil((queueMaxLength * charge) / 2))} with receiveBuffer ${figure(queueMaxLength * charge)}, or lower queueMaxLength`
  );
}

const warned = new Set<string>();

/** Warns where the receive buffer that came holds fewer packets than the queue: once in the same figures. */
export function warnOfReceiveBuffer(receiveBuffer: number, configuration: QueueConfiguration): void {
  const warning = receiveBufferWarning(receiveBuffer, configuration);
  if (warning === undefined || warned.has(warning)) return;
  warned.add(warning);
  process.emitWarning(warning, { code: "NLRING_RECEIVE_BUFFER" });
}

/** Warns of a failed handler, where nobody listens for it. */
export function warnOfHandlerError(error: unknown): void {
  process.emitWarning(
    `a packet handler failed; its packet got the default verdict, and further failures are counted in statistics.handlerErrors. ` +
      `Listen to "handlerError" to see each. The failure: ${error instanceof Error ? error.stack : String(error)}`,
    { code: "NLRING_HANDLER_ERROR" },
  );
}

/** Warns of a loss, where nobody listens for it. */
export function warnOfLoss(queue: number, loss: LossReport): void {
  const figures = Object.entries(loss).flatMap(([name, count]) => (count === 0 ? [] : [`${name} ${count}`]));
  process.emitWarning(
    `queue ${queue} lost packets or verdicts (${figures.join(", ")}); further losses are counted in its statistics. ` +
      `Listen to "loss" to hear of all`,
    { code: "NLRING_LOSS" },
  );
}
