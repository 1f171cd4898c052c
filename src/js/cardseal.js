// Calls between JavaScript and the WebAssembly module: what wasm-bindgen's own glue does, for one function and one version of
// it, in half the bytes. Texts are written straight into the module's memory, which wipes them; no copy stays here.

import { fill } from "./random.js";

const decoder = new TextDecoder("utf-8", { __proto__: null, ignoreBOM: true });
const encoder = new TextEncoder();
let wasm;
let memory;

/** A part of the module's memory. When that grows, what was made of the smaller one has no length. */
function bytes(start, length) {
  if (!memory?.length) memory = new Uint8Array(wasm.memory.buffer);
  return memory.subarray(start >>> 0, (start >>> 0) + length);
}
const text = (start, length) => decoder.decode(bytes(start, length));

/** What the module calls. wasm-bindgen adds a hash to each name. */
const IMPORTS = {
  __proto__: null,
  fill: (start, length) => fill(bytes(start, length)),
  // The module keeps no value of JavaScript's.
  init_externref_table() {},
  __wbindgen_throw(start, length) {
    throw new Error(text(start, length));
  },
};

export function start(module) {
  if (wasm) return;
  const imports = { __proto__: null };
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= { __proto__: null };
    imports[from][name] = IMPORTS[Object.keys(IMPORTS).find((known) => name.includes(known))];
  }
  wasm = new WebAssembly.Instance(module, imports).exports;
  wasm.__wbindgen_start();
}

/** See src/boundary.rs. */
export function call(input) {
  // Three bytes a character are enough; what is too much is given back.
  const most = 3 * input.length;
  let at = wasm.__wbindgen_malloc(most, 1);
  const { written } = encoder.encodeInto(input, bytes(at, most));
  at = wasm.__wbindgen_realloc(at, most, written, 1);
  const [start, length] = wasm.call(at, written);
  const output = text(start, length);
  wasm.__wbindgen_free(start, length, 1);
  return output;
}
