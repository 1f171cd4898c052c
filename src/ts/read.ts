// Reading what a page or a server handed over. Only own members are read, each once: what stands on a prototype,
// `Object.prototype` above all, was not meant for us.

import { type_invalid } from './codes.js';
import { failure } from './failure.js';

/** The own members of an object, which inherits nothing. */
export type Members<Name extends string> = { readonly [K in Name]?: unknown };

/** These members of an object. One that cannot be read has the wrong type. */
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

/** A text, or nothing where something else stands. */
export const textOf = (value: unknown): string | undefined => (isText(value) ? value : undefined);

/** Whether it is a text of this form: `RegExp.test` alone would make a text of whatever it is given. */
export const fits = (value: unknown, form: RegExp): value is string => isText(value) && form.test(value);

/** An object without a prototype, for what would read members that are missing here from one. */
export const plain = <T extends object>(value: T): T => Object.assign(Object.create(null), value);
