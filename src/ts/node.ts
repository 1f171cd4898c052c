// For Node and what is bundled for it: the module is inside, so nothing is read from disk. Until `load` is called, nothing
// is asked of the runtime that a test environment may lack.

import bytes from './cardseal_bg.wasm.js';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => import('./cardseal.js'), bytes, cardseal);
export * from './all.js';
