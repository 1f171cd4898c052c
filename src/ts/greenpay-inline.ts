// GreenPay alone, with its module inside this file.

import * as glue from './cardseal_greenpay.js';
import bytes from './cardseal_greenpay_bg.wasm.js';
import { cardseal_greenpay } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal_greenpay);
export { GreenPay } from './client-greenpay.js';
export * from './common.js';
export type * from './types.js';
