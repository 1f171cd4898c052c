// For Node and what is bundled for it: the module is inside, so nothing is read from disk.
export * from "./inline.js";
