// What a page may hand over, looked at before it is used. Each throws an error that names the option or field.

import { failure } from "./error.js";

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** In place of an object that is missing. `{}` has whatever another script has put on `Object.prototype`. */
export const NOTHING = Object.freeze({ __proto__: null });

/**
 * These members of an object, each read once, and only its own: what stands on a prototype, `Object.prototype` above
 * all, was not meant for us. A member that cannot be read has the wrong type.
 */
export function members(object, ...names) {
  const found = { __proto__: null };
  if (object === null || typeof object !== "object") return found;
  for (const name of names) {
    try {
      if (Object.hasOwn(object, name)) found[name] = object[name];
    } catch {
      throw failure("type_invalid", name);
    }
  }
  return found;
}

/** All that the objects of a copy inherit: without any text, an object in the place of a text would throw. */
const BASE = Object.freeze({ __proto__: null, [Symbol.toPrimitive]: () => "[object Object]" });

/** What is JSON as a copy whose objects inherit nothing else, so that what is missing in it is missing. */
export function bare(value, field) {
  try {
    return copied(value, 20);
  } catch {
    throw failure("type_invalid", field);
  }
}

/** Deeper than any platform's JSON nothing is read; a page's object may hold itself. */
function copied(value, depth) {
  if (value === null || typeof value !== "object") return value;
  if (!depth) return undefined;
  if (Array.isArray(value)) return Array.from(value, (item) => copied(item, depth - 1));
  const copy = { __proto__: BASE };
  for (const name of Object.keys(value)) copy[name] = copied(value[name], depth - 1);
  return copy;
}

/** Whether it is a text of this form: `RegExp.test` alone would make a text of whatever it is given. */
export const fits = (value, form) => typeof value === "string" && form.test(value);

/** A text that may be missing. */
export function text(value, field) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw failure("type_invalid", field);
  return value;
}

/** A yes or no that may be missing. */
export function flag(value, field) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw failure("type_invalid", field);
  return value;
}

/** One of several words; the first where it is missing. */
export function choice(value, field, ...words) {
  value = text(value, field) ?? words[0];
  if (!words.includes(value)) throw failure("option_invalid", field);
  return value;
}

/** An option of 1 to 255 visible ASCII characters. */
export function visible(value, field) {
  value = text(value, field);
  if (value !== undefined && !/^[!-~]{1,255}$/.test(value)) throw failure("option_invalid", field);
  return value;
}

/** An id that is safe in a header, a path and a log. */
export function id(value, field, code = "session_malformed") {
  if (!fits(value, /^[\w-]{1,80}$/)) throw failure(code, field);
  return value;
}

/** Where a platform is, by a name or by its base URL, if the page says so. */
export function place(environment, bases, name = "base") {
  if (isObject(environment)) return baseUrl(text(members(environment, name)[name], name) ?? "", "environment");
  if (environment === undefined || environment === null) return undefined;
  return bases[choice(environment, "environment", ...Object.keys(bases))];
}

/** The origin of this machine, at any port. */
export const LOOPBACK = /^https?:\/\/(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d*)?(\/|$)/;

/** A base URL: `https`, or `http` to this machine, without query or fragment; relative ones where allowed. */
export function baseUrl(value, field, code = "option_invalid", relative = false) {
  const [, scheme] = /^(https?:\/\/|)[^\0- "?#@\\]*$/.exec(value) ?? [];
  const fine =
    scheme === "https://" ? isUrl(value)
    : scheme ? LOOPBACK.test(value) && isUrl(value)
    : relative && scheme === "" && /^(\/(?!\/)|$)/.test(value);
  if (!fine) throw failure(code, field);
  return value.replace(/\/+$/, "");
}

function isUrl(value) {
  try {
    return !!new URL(value);
  } catch {
    return false;
  }
}
