// What a page may hand over, looked at before it is used. Each throws an error that names the option or field.

import { failure } from "./error.js";

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

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
export function place(environment, bases) {
  if (isObject(environment)) return baseUrl(text(environment.base, "base") ?? "", "environment");
  return environment === undefined || environment === null ? undefined : bases[choice(environment, "environment", ...Object.keys(bases))];
}

/** A base URL: `https`, or `http` to this machine, without query or fragment; relative ones where allowed. */
export function baseUrl(value, field, code = "option_invalid", relative = false) {
  const [, scheme] = /^(https?:\/\/|)[^\0- ?#@\\]*$/.exec(value) ?? [];
  const fine =
    scheme === "https://" ? value.length > 8
    : scheme ? /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:[^/]*)?(\/|$)/.test(value)
    : relative && scheme === "" && /^(\/(?!\/)|$)/.test(value);
  if (!fine) throw failure(code, field);
  return value.replace(/\/+$/, "");
}
