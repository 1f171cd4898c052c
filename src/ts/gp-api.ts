// GP API alone, for browsers and bundlers: its module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal_gp_api } from './integrity.js';
import { loader } from './load.js';

/** Loads the module of GP API. See `load` of `cardseal`. */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal_gp_api.js'),
  () => new URL('./cardseal_gp_api_bg.wasm', import.meta.url),
  cardseal_gp_api,
  fallback,
);
export { GpApi } from './client-gp-api.js';
export * from './common.js';
export type * from './types.js';
