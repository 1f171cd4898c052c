// For browsers and bundlers: the module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

/**
 * Loads the WebAssembly module. Idempotent: later and simultaneous calls share the first one; after a failure the next call
 * tries again. Rejects with `load_failed`.
 *
 * What is fetched, from the default address or from yours, must have the SHA-384 of this version's module. A Response,
 * bytes and a compiled module are taken as they are.
 *
 * Where there is no WebAssembly, the same module as JavaScript takes its place, unless `{ fallback: false }` is given. It is
 * imported, with no hash but that of an import map.
 */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal.js'),
  () => new URL('./cardseal_bg.wasm', import.meta.url),
  cardseal,
  fallback,
);
export * from './all.js';
