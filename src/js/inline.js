// The module is inside this file: for bundlers that cannot handle a .wasm file, for Node and for single files.
import bytes from "./cardseal_bg.wasm.js";
import { loader } from "./core.js";
import { cardseal } from "./integrity.js";

export const load = loader(bytes, cardseal);
export * from "./api.js";
