// Runs in the worker and carries out the calls of worker.ts, including their requests. It is one file with the module
// inside, so that its response can have the only Content-Security-Policy that allows WebAssembly.

import { type_invalid } from './codes.js';
import type { CardsealError } from './error.js';
import { failure } from './failure.js';
import * as cardseal from './inline.js';
import type { Message, Reply } from './worker.js';

type Callable = Record<string, unknown>;

/** The exports by name. */
const exported: Callable = cardseal;
const objects = new Map<number, object>();
const aborts = new Map<number, AbortController>();
const answer = (reply: Reply): void => self.postMessage(reply);

self.onmessage = async ({ data }: MessageEvent<Message>) => {
  const [id] = data;
  try {
    answer([id, await run(data)]);
  } catch (error) {
    const thrown = error as CardsealError;
    answer([id, undefined, { ...thrown, message: thrown.message }]);
  }
};

async function run([id, target, name, args, signalAt = -1]: Message): Promise<unknown> {
  if (name === 'new') {
    // An exception of the constructor is thrown by the first call.
    const [kind, options] = args as [string, unknown];
    try {
      const Class = exported[kind] as new (options: unknown) => object;
      objects.set(target, new Class(options));
    } catch (error) {
      objects.set(target, error as Error);
    }
    return undefined;
  }
  if (name === 'abort') return aborts.get(target)?.abort();
  const object = target ? objects.get(target) : cardseal;
  // What was freed says so itself, as long as the page can call it.
  if (id === 0 && name === 'free') objects.delete(target);
  if (object instanceof Error && name !== 'free') throw object;
  if (!object) {
    if (name === 'free') return undefined;
    throw failure(type_invalid, { message: 'the object has been freed', field: 'this' });
  }
  if (signalAt >= 0) {
    const controller = new AbortController();
    aborts.set(id, controller);
    Object.assign(args[signalAt] as object, { signal: controller.signal });
  }
  try {
    const found = (object as Callable)[name];
    return await (typeof found === 'function' ? found.apply(object, args) : found);
  } finally {
    aborts.delete(id);
  }
}
