// Worldline Acquiring alone, with its module inside this file.

import * as glue from './cardseal_worldline_acquiring.js';
import bytes from './cardseal_worldline_acquiring_bg.wasm.js';
import { cardseal_worldline_acquiring } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal_worldline_acquiring);
export { WorldlineAcquiring } from './client-worldline-acquiring.js';
export * from './common.js';
export type * from './types.js';
