// Reads what a page or a server passes in. Only own members are read, each once; members of a prototype, above all of
// `Object.prototype`, are ignored.

import { option_invalid, type_invalid } from './codes.js';
import { failure } from './failure.js';

/** The own members of an object, without a prototype. */
export type Members<Name extends string> = { readonly [K in Name]?: unknown };

/** Reads these members of an object. A member that cannot be read has the wrong type. */
export function members<Name extends string>(object: unknown, ...names: Name[]): Members<Name> {
  const found: Record<string, unknown> = Object.create(null);
  if (object !== null && typeof object === 'object') {
    for (const name of names) {
      try {
        if (Object.hasOwn(object, name)) found[name] = (object as Record<string, unknown>)[name];
      } catch {
        throw failure(type_invalid, { field: name });
      }
    }
  }
  return found as Members<Name>;
}

export const isObject = (value: unknown): value is object =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

export const isText = (value: unknown): value is string => typeof value === 'string';

/** Returns a string, or undefined for other types. */
export const textOf = (value: unknown): string | undefined => (isText(value) ? value : undefined);

/** Whether a value is a string that matches. `RegExp.test` alone would convert other types. */
export const fits = (value: unknown, form: RegExp): value is string => isText(value) && form.test(value);

/** Copies an object without its prototype, for APIs that would read missing members from it. */
export const plain = <T extends object>(value: T): T => Object.assign(Object.create(null), value);

/** The options of every call that sends something. */
export const SENDING = ['signal', 'timeoutMs'];

/** The known name that was probably meant: of about the same length, with most pairs of letters in common. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const common = (one: string): number =>
    Math.abs(one.length - name.length) > 2
      ? 0
      : [...one].filter((_, at) => name.includes(one.slice(at, at + 2))).length;
  const [best] = [...known].sort((one, other) => common(other) - common(one));
  return best && common(best) > name.length / 2 ? best : undefined;
}

/**
 * Does `work` with the options, and then refuses an option that nothing read and that is not in `also`: its name is
 * misspelt, or another platform's.
 */
export function onlyKnown<Options, Result>(
  options: Options,
  work: (options: Options) => Result,
  ...also: string[]
): Result {
  if (!isObject(options)) return work(options);
  const known = [...also];
  const tracked = new Proxy(
    options,
    plain<ProxyHandler<Options & object>>({
      getOwnPropertyDescriptor(target, name) {
        known.push(name as string);
        return Object.getOwnPropertyDescriptor(target, name);
      },
    }),
  );
  const check = <Value>(value: Value): Value => {
    for (const [name, given] of Object.entries(options)) {
      // Names of what every object has are ignored everywhere.
      if (given === undefined || known.includes(name) || name in {}) continue;
      // A name that is none may be anything, also a card.
      const field = /^\D{1,40}$/.test(name) ? name : 'options';
      throw failure(option_invalid, {
        field,
        message: `there is no option ${field}; nearest: ${nearest(field, known) ?? 'none'}; known: ${known.join(', ')}`,
      });
    }
    return value;
  };
  const result = work(tracked);
  return result instanceof Promise ? (result.then(check) as Result) : check(result);
}
