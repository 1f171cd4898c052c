// For browsers and bundlers: the module lies beside this file.
import { loader } from "./core.js";
import { cardseal } from "./integrity.js";

export const load = loader(() => new URL("./cardseal_bg.wasm", import.meta.url), cardseal);
export * from "./api.js";
