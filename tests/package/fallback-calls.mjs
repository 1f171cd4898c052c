// Calls of the package, told as plain values, so that two processes can make the same: the one with WebAssembly and, when
// this file is run, the one without. It answers the calls that stand on its standard input.

import process from 'node:process';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

/** `now` becomes a clock, and `answer` what `fetch` gives: no `Response`, for which Node needs WebAssembly. */
function prepared(options) {
  if (options === null || typeof options !== 'object') return options;
  const { now, answer, ...others } = options;
  return {
    ...others,
    ...(now === undefined ? {} : { now: () => now }),
    ...(answer === undefined
      ? {}
      : {
          fetch: async () => ({
            status: answer.status,
            ok: answer.status < 300,
            headers: new Map(),
            text: async () => JSON.stringify(answer.body),
          }),
        }),
  };
}

/** What comes of each call: `{ value }` or `{ error }`. */
export async function perform(cardseal, calls) {
  const results = [];
  for (const { of, options, name, args } of calls) {
    try {
      const object = of ? new cardseal[of](...(options === undefined ? [] : [prepared(options)])) : cardseal;
      const member = name in object ? object[name] : undefined;
      const value = typeof member === 'function' ? await member.apply(object, (args ?? []).map(prepared)) : member;
      results.push({ value: value === undefined ? 'nothing' : value });
    } catch (error) {
      results.push({
        error: { ...error, name: error.name, message: error.message, stack: undefined, cause: undefined },
      });
    }
  }
  return JSON.parse(JSON.stringify(results));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  delete globalThis.WebAssembly;
  const cardseal = await import('../../pkg/index.js');
  await cardseal.load();
  process.stdout.write(JSON.stringify(await perform(cardseal, JSON.parse(await text(process.stdin)))));
}
