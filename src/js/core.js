// Loading the WebAssembly module and calling into it.

import init, * as wasm from "./cardseal.js";
import { CardsealError } from "./error.js";

let loading;
let ready = false;

/** Makes `load` for one way of finding the module. */
export function loader(standard) {
  return function load(source) {
    loading ??= (async () => {
      try {
        await init({ module_or_path: source ?? (await standard()) });
        ready = true;
      } catch (cause) {
        loading = undefined;
        throw new CardsealError({ code: "load_failed", message: reason(cause), cause });
      }
    })();
    return loading;
  };
}

function reason(cause) {
  const text = String(cause?.message ?? cause);
  const start = "the WebAssembly module could not be loaded";
  if (typeof WebAssembly === "undefined") return `${start}: this browser has no WebAssembly, or it is switched off`;
  if (/unsafe-eval|content security policy/i.test(text)) {
    return `${start}: the page's Content-Security-Policy needs 'wasm-unsafe-eval' in script-src`;
  }
  if (cause instanceof TypeError && /fetch|network|load/i.test(text)) {
    return `${start}: cardseal_bg.wasm could not be fetched; serve it beside the module, and allow its origin in connect-src`;
  }
  if (/magic|expected|HTML|MIME|content.type/i.test(text)) {
    return `${start}: what was served as cardseal_bg.wasm is not that file; check the path, and that its type is application/wasm`;
  }
  return start;
}

/** Calls into the module, `work` being handed its exports, and turns what it throws into an exception. */
export function call(work, platform) {
  if (!ready) throw new CardsealError({ code: "not_loaded", message: "call and await load() before using the module" });
  try {
    return work(wasm);
  } catch (thrown) {
    if (typeof thrown?.code === "string") throw new CardsealError({ platform, ...thrown });
    throw thrown;
  }
}
