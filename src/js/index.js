// For browsers and bundlers: the module lies beside this file.
import { loader } from "./core.js";

export const load = loader(() => new URL("./cardseal_bg.wasm", import.meta.url));
export * from "./api.js";
