// For Node: the module is read from disk.
import { readFile } from "node:fs/promises";
import { loader } from "./core.js";

export const load = loader(() => readFile(new URL("./cardseal_bg.wasm", import.meta.url)));
export * from "./api.js";
