// CCBill alone, for browsers and bundlers: its module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal_ccbill } from './integrity.js';
import { loader } from './load.js';

/** Loads the module of CCBill. See `load` of `cardseal`. */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal_ccbill.js'),
  () => new URL('./cardseal_ccbill_bg.wasm', import.meta.url),
  cardseal_ccbill,
  fallback,
);
export { CcBill, checkCustomer } from './client-ccbill.js';
export * from './common.js';
export type * from './types.js';
