// Online Payments alone, for browsers and bundlers: its module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal_online_payments } from './integrity.js';
import { loader } from './load.js';

/** Loads the module of Online Payments. See `load` of `cardseal`. */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal_online_payments.js'),
  () => new URL('./cardseal_online_payments_bg.wasm', import.meta.url),
  cardseal_online_payments,
  fallback,
);
export { checkField, maskField, OnlinePayments } from './client-online-payments.js';
export * from './common.js';
export type * from './types.js';
