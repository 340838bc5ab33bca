import type { ConformanceCase } from "./case.js";
import { dumpCases } from "./dump-cases.js";
import { errorCases } from "./error-cases.js";
import { eventCases } from "./event-cases.js";
import { forgeryCases } from "./forgery-cases.js";
import { interruptionCases } from "./interruption-cases.js";
import { messageCases } from "./message-cases.js";
import { requestCases } from "./request-cases.js";
import { seamCases } from "./seam-cases.js";
import { settlingCases } from "./settling-cases.js";
import { watchCases } from "./watch-cases.js";

/** Every named behaviour of sockets over a transport. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...messageCases,
  ...requestCases,
  ...forgeryCases,
  ...errorCases,
  ...dumpCases,
  ...interruptionCases,
  ...eventCases,
  ...watchCases,
  ...seamCases,
  ...settlingCases,
];
