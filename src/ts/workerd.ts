// For workerd, which cannot compile modules at run time: the bundler provides a compiled one.

import * as glue from './cardseal.js';
import module from './cardseal_bg.wasm';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(
  () => glue,
  () => module,
  cardseal,
);
export * from './all.js';
