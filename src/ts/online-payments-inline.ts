// Online Payments alone, with its module inside this file.

import * as glue from './cardseal_online_payments.js';
import bytes from './cardseal_online_payments_bg.wasm.js';
import { cardseal_online_payments } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal_online_payments);
export { checkField, maskField, OnlinePayments } from './client-online-payments.js';
export * from './common.js';
export type * from './types.js';
