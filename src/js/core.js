// Calling into the WebAssembly module: one function that takes and gives text (src/boundary.rs).

import { call as run, start } from "./cardseal.js";
import { failure } from "./error.js";
import * as load from "./load.js";
import { CODES, PROBLEMS } from "./words.js";

let ready;

/** Makes `load` for one way of finding the module. */
export const loader = (standard, integrity) =>
  load.loader(standard, async (source) => {
    start(source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source));
    ready = true;
  }, integrity);

export function loaded() {
  if (!ready) throw failure("not_loaded");
}

const at = (table, index) => Object.keys(table)[parseInt(index)];
const list = (text) => text.split(",").slice(0, -1);

/** Calls with the parts of the text, gives those of the result, or throws. */
export function call(parts) {
  loaded();
  const answer = run(parts.join("\0")).split("\0");
  if (answer[0][0] !== "\x01") return answer;
  const found = problems(answer[2]);
  throw failure(at(CODES, answer[0].slice(1)), answer[1] || undefined, { problems: found.length ? found : undefined });
}

export const problems = (text) =>
  list(text).map((index) => problem(at(PROBLEMS, index.replace("~", "")), index[0] === "~" ? "warning" : "error"));

export const problem = (code, severity = "error") => ({ field: code.split("_")[0], code, severity, message: PROBLEMS[code] });

export const brands = list;
