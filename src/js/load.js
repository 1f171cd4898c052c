// Getting hold of the WebAssembly module, and saying in words what stood in the way.

import { CardsealError } from "./error.js";

/**
 * Makes `load`. `standard()` says where the module is, `start(source)` instantiates bytes or a compiled module;
 * `integrity` is the hash of what may be fetched. Calls at the same time share one attempt; after a failed one the next
 * call tries again.
 */
export function loader(standard, start, integrity) {
  let loading;
  return (source) =>
    (loading ??= attempt(async () => start(await read((await source) ?? (await standard()), integrity)), reason).catch((error) => {
      loading = undefined;
      throw error;
    }));
}

/** Does `work`; what it throws becomes an exception with the words of `explain(message, broken CSP directives)`. */
export async function attempt(work, explain) {
  let broken = "";
  const note = (event) => (broken += event.effectiveDirective);
  const context = globalThis.document ?? globalThis;
  context.addEventListener?.("securitypolicyviolation", note);
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof CardsealError) throw cause;
    // The event may come after the exception.
    await new Promise((done) => setTimeout(done, 50));
    throw failed(explain(String(cause?.message ?? cause), broken), cause);
  } finally {
    context.removeEventListener?.("securitypolicyviolation", note);
  }
}

export const failed = (why, cause) => new CardsealError({ code: "load_failed", message: `could not load: ${why}`, cause });

/** Names what the Content-Security-Policy lacks; a worker has one of its own. */
export const policy = (what) => `the Content-Security-Policy of the ${globalThis.document ? "page" : "worker"} lacks ${what}`;

/** Whole bytes, not a stream: so small a module gains nothing from one, and so its MIME type does not matter. */
async function read(source, integrity) {
  // A URL has no length of its own, but may find one on a prototype.
  const isBytes = ArrayBuffer.isView(source) || /Buffer\]$/.test(Object.prototype.toString.call(source));
  if (isBytes || source instanceof WebAssembly.Module) return source;
  let response = source;
  let again;
  if (!(source instanceof Response)) {
    const { origin, pathname } = new URL(source instanceof Request ? source.url : source, globalThis.location?.href);
    response = await attempt(
      // Without the hash the browser says what stands in the way, and what is stale in its cache is replaced.
      () => fetch(source, { __proto__: null, integrity }).catch(() => (again = fetch(source, { __proto__: null, cache: "reload" }))),
      (_, broken) =>
        /connect/.test(broken) ? policy(`connect-src ${origin}`)
        : `${origin}${pathname} cannot be fetched${origin === globalThis.location?.origin ? "" : ": it needs Access-Control-Allow-Origin"}`,
    );
  }
  const type = response.headers.get("content-type");
  if (!response.ok || /html/.test(type)) {
    throw failed(
      `${response.url.split(/[?#]/)[0]} answered ${response.status} ${type}; put cardseal_bg.wasm there or import cardseal/inline`,
    );
  }
  return (again ? await fetch(source, { __proto__: null, integrity }) : response).arrayBuffer();
}

function reason(text) {
  if (!globalThis.WebAssembly) return "there is no WebAssembly here";
  if (/embedder/.test(text)) return "pass a compiled module";
  if (/unsafe-eval|CSP/.test(text)) return policy(`script-src 'wasm-unsafe-eval'${globalThis.document ? ", or use cardseal/worker" : ""}`);
  return "this is not the cardseal_bg.wasm of this version";
}
