export type { NativeAddon, NativeRingGeometry, NativeSocket } from "./binding.js";
export { type LoadAttempt, loadNative, NativeLoadError } from "./load.js";
