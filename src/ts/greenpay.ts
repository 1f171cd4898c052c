// GreenPay alone, for browsers and bundlers: its module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal_greenpay } from './integrity.js';
import { loader } from './load.js';

/** Loads the module of GreenPay. See `load` of `cardseal`. */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal_greenpay.js'),
  () => new URL('./cardseal_greenpay_bg.wasm', import.meta.url),
  cardseal_greenpay,
  fallback,
);
export { GreenPay } from './client-greenpay.js';
export * from './common.js';
export type * from './types.js';
