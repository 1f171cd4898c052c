// For pages and bundlers that cannot serve a .wasm file: the module is inside this one.
import base64 from "./cardseal_bg.wasm.js";
import { loader } from "./core.js";

export const load = loader(() => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
export * from "./api.js";
