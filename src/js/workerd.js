// For workerd, which compiles no module at run time: the bundler hands over a compiled one.
import module from "./cardseal_bg.wasm";
import { loader } from "./core.js";

export const load = loader(() => module);
export * from "./api.js";
