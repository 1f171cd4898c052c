// For browsers and bundlers: the module lies beside this file.

import { fallback } from './fallback.js';
import { cardseal } from './integrity.js';
import { loader } from './load.js';

/**
 * Loads the WebAssembly module. You may call it several times: all calls share the first one, and after a failure the
 * next call tries again. Rejects with `load_failed`.
 *
 * Whatever is fetched, from the default address or from yours, must have the SHA-384 of this version's module. A
 * `Response`, bytes and a compiled module are used as they are.
 *
 * Without WebAssembly, the same module as JavaScript is imported instead, unless you pass `{ fallback: false }`. Only
 * an import map can check its hash.
 */
export const load = /* @__PURE__ */ loader(
  () => import('./cardseal.js'),
  () => new URL('./cardseal_bg.wasm', import.meta.url),
  cardseal,
  fallback,
);
export * from './all.js';
