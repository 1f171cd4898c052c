// Worldline Acquiring alone, for browsers and bundlers: its module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal_worldline_acquiring } from './integrity.js';
import { loader } from './load.js';

/** Loads the module of Worldline Acquiring. See `load` of `cardseal`. */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal_worldline_acquiring.js'),
  () => new URL('./cardseal_worldline_acquiring_bg.wasm', import.meta.url),
  cardseal_worldline_acquiring,
  fallback,
);
export { WorldlineAcquiring } from './client-worldline-acquiring.js';
export * from './common.js';
export type * from './types.js';
