// With the module inside this file, for bundlers that cannot handle a .wasm file, for Node, and for single files.

import * as glue from './cardseal.js';
import bytes from './cardseal_bg.wasm.js';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal);
export * from './all.js';
