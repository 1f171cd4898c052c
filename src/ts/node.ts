// For Node, and for bundles for it: the module is inside, so nothing is read from disk. Nothing that a test
// environment may lack is used before `load` is called.

import bytes from './cardseal_bg.wasm.js';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => import('./cardseal.js'), bytes, cardseal);
export * from './all.js';
