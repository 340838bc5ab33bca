export {
  type ConformanceCase,
  missingRequirements,
  type Requirement,
  type Stage,
  type StagePeer,
  type StageSocketOptions,
} from "./case.js";
export { conformanceCases } from "./cases.js";
export { fakeStage } from "./fake-stage.js";
