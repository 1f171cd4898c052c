// Loads the WebAssembly module, and explains failures.

import { load_failed } from './codes.js';
import { CardsealError } from './error.js';
import { failure } from './failure.js';
import { watchCompositions } from './form.js';
import { type Module, provide } from './module.js';
import { policy, watchPolicy } from './policy.js';
import { members, plain } from './read.js';

/** What you can pass to {@link load} if it should not find its module automatically. */
export type LoadSource = string | URL | Request | Response | PromiseLike<Response> | BufferSource | WebAssembly.Module;

/** The glue from wasm-bindgen: the module's exports, and the functions that start it. */
export interface Glue {
  default(source: { module_or_path: WebAssembly.Module }): Promise<unknown>;
}

/** What `cardseal_fallback.js` exports: the module as JavaScript. */
export interface Fallback {
  default(own: { CardsealError: typeof CardsealError }): Promise<unknown>;
}

/** Options of {@link load}. */
export interface LoadOptions {
  /**
   * What to do without WebAssembly. `false` uses no fallback, and `load` rejects. A function that imports
   * `cardseal/cardseal_fallback.js` provides the fallback to an entry that does not include it.
   */
  fallback: false | (() => PromiseLike<Fallback>);
  /** The module itself, or where it is. */
  source?: LoadSource | PromiseLike<LoadSource>;
}

/**
 * Creates `load`. `glue` imports the module's glue, `standard` returns the module's default location, `integrity` is the
 * module's hash, and `fallback` imports the module for engines without WebAssembly. Concurrent calls share one attempt;
 * after a failure, the next call tries again.
 */
export function loader(
  glue: () => Glue | Promise<Glue>,
  standard: () => LoadSource,
  integrity: string,
  fallback?: LoadOptions['fallback'],
): (source?: LoadSource | PromiseLike<LoadSource> | LoadOptions) => Promise<void> {
  let loading: Promise<void> | undefined;
  return (given) => {
    watchCompositions();
    const options = members(given, 'fallback', 'source') as Partial<LoadOptions>;
    const source = options.fallback === undefined ? (given as LoadSource) : options.source;
    loading ??= attempt(async () => {
      if (globalThis.WebAssembly) {
        try {
          // In parallel.
          const [module, exports] = await Promise.all([compiled((await source) ?? standard(), integrity), glue()]);
          return await start(exports, { module_or_path: module });
        } catch (error) {
          if (await compiles()) throw error;
        }
      }
      return start(await withoutWebAssembly(options.fallback ?? fallback), { CardsealError });
    }, reason).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}

async function start<With>(exports: { default(own: With): Promise<unknown> }, own: With): Promise<void> {
  await exports.default(own);
  provide(exports as Partial<Module>);
}

/** Whether WebAssembly works. If only the page's policy forbids it, the answer is yes, and the page gets an error. */
async function compiles(): Promise<boolean> {
  try {
    // The smallest valid module.
    await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    return true;
  } catch (error) {
    return FORBIDDEN.test(messageOf(error));
  }
}

const FORBIDDEN = /unsafe-eval|CSP|embedder/;
const NO_WEBASSEMBLY = 'there is no WebAssembly here';

async function withoutWebAssembly(fallback: LoadOptions['fallback'] | undefined): Promise<Fallback> {
  if (fallback)
    return attempt(
      async () => fallback(),
      () => `${NO_WEBASSEMBLY}, and cardseal_fallback.js cannot be loaded`,
    );
  throw failed(fallback === false ? NO_WEBASSEMBLY : `${NO_WEBASSEMBLY}; cardseal/fetch has a fallback`);
}

/** Does `work`. Its exceptions get the message from `explain(message, violated CSP directives)`. */
export async function attempt<T>(
  work: () => Promise<T>,
  explain: (text: string, broken: string) => string,
): Promise<T> {
  const watch = watchPolicy();
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof CardsealError) throw cause;
    throw failed(explain(messageOf(cause), await watch.broken()), cause);
  } finally {
    watch.end();
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const failed = (why: string, cause?: unknown): CardsealError =>
  failure(load_failed, { message: `could not load: ${why}`, cause });

const isBytes = (source: unknown): source is BufferSource =>
  // Not by `byteLength`, which a URL could have from a prototype.
  ArrayBuffer.isView(source) || /Buffer\]$/.test(Object.prototype.toString.call(source));

async function compiled(source: LoadSource, integrity: string): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  return WebAssembly.compile(
    isBytes(source) ? source : await fetched(source as string | URL | Request | Response, integrity),
  );
}

/** Fetches the whole module. Streaming would gain nothing for a small module, and would require its MIME type. */
async function fetched(source: string | URL | Request | Response, integrity: string): Promise<ArrayBuffer> {
  let response: Response;
  let stale = false;
  if (source instanceof Response) {
    response = source;
  } else {
    const { origin, pathname } = new URL(source instanceof Request ? source.url : source, globalThis.location?.href);
    response = await attempt(
      () =>
        fetch(source, plain({ integrity })).catch(() => {
          // Without the hash, the browser explains the failure, and a stale file in its cache is replaced.
          stale = true;
          return fetch(source, plain({ cache: 'reload' as const }));
        }),
      (_, broken) => {
        if (/connect/.test(broken)) return policy(`connect-src ${origin}`);
        const foreign = origin === globalThis.location?.origin ? '' : ': it needs Access-Control-Allow-Origin';
        return `${origin}${pathname} cannot be fetched${foreign}`;
      },
    );
  }
  const type = response.headers.get('content-type');
  if (!response.ok || /html/.test(type ?? '')) {
    const [address] = response.url.split(/[?#]/);
    throw failed(
      `${address} answered ${response.status} ${type}; put cardseal_bg.wasm there or import cardseal/inline`,
    );
  }
  return (stale ? await fetch(source as string, plain({ integrity })) : response).arrayBuffer();
}

function reason(text: string): string {
  // Some test environments have only a page's globals.
  const lacking = ['TextDecoder', 'TextEncoder'].find((name) => !(name in globalThis));
  if (lacking) return `there is no ${lacking} here`;
  if (/embedder/.test(text)) return 'pass a compiled module';
  if (/unsafe-eval|CSP/.test(text)) {
    return policy(`script-src 'wasm-unsafe-eval'${globalThis.document ? ', or use cardseal/worker' : ''}`);
  }
  return 'this is not the cardseal_bg.wasm of this version';
}
