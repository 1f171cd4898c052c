// CCBill alone, with its module inside this file.

import * as glue from './cardseal_ccbill.js';
import bytes from './cardseal_ccbill_bg.wasm.js';
import { cardseal_ccbill } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal_ccbill);
export { CcBill, checkCustomer } from './client-ccbill.js';
export * from './common.js';
export type * from './types.js';
