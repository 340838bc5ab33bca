// Plain `vitest` in this folder runs what needs no kernel: the other tests change a network, and get one of their own from `npm run test:kernel`.
export { default } from "../../tools/vitest.unit.mjs";
