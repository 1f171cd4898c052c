// Reads what a page or a server passes in. Only own members are read, each once; members of a prototype, above all of
// `Object.prototype`, are ignored.

import { type_invalid } from './codes.js';
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
