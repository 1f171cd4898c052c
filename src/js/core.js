// Calling into the WebAssembly module: one function that takes and gives JSON (src/boundary.rs).

import { Core, initSync } from "./cardseal.js";
import { CardsealError } from "./error.js";
import * as load from "./load.js";

let common;

/** Makes `load` for one way of finding the module. */
export const loader = (standard, integrity) =>
  load.loader(standard, async (source) => {
    initSync({ module: source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source) });
    common = new Core();
  }, integrity);

/** A part of the module for one object, to be opened for a platform. */
export function part() {
  loaded();
  return new Core();
}

function loaded() {
  if (!common) throw new CardsealError({ code: "not_loaded", message: "call and await load() before using the module" });
}

/** What JSON would silently leave out or change is sent as what is never accepted, so that it is refused by name. */
const honest = (_, value) =>
  /bigint|function|symbol/.test(typeof value) || (typeof value === "number" && !Number.isFinite(value)) ? [] : value;

/** Calls, and turns the description of an error into an exception. */
export function call(name, now, args, core = common, platform) {
  loaded();
  let answer;
  try {
    answer = JSON.stringify([name, Math.floor(now), ...args], honest);
  } catch {
    answer = "0";
  }
  answer = JSON.parse(core.call(answer));
  if (Array.isArray(answer)) return answer[0];
  throw new CardsealError({ platform, ...answer });
}

export { fields } from "./fields.js";
