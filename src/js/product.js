// Fields of a form as the platform describes them: how a value is shown, and what it has to fulfil.

import { NOTHING, bare, isObject, members } from "./value.js";

/** What a field says of one thing, as a copy without prototypes. */
function described(field, name) {
  const about = bare(members(field, name)[name], "field");
  return isObject(about) ? about : NOTHING;
}

/** What a mask makes of a typed text: what is shown, the value in it, and where the caret belongs. */
export function maskField(field, text, caret = text.length) {
  const { mask } = described(field, "displayHints");
  if (!mask) return { text, value: text, caret };
  let [shown, value, next, inside, at] = ["", "", 0];
  for (const part of mask.split(/({{|}})/)) {
    if (part === "{{" || part === "}}") inside = part === "{{";
    else for (const slot of part) {
      // A stored number has letters in the place of digits.
      while (inside && next < text.length && slot === "9" && !/[\dX]/.test(text[next])) next += 1;
      if (next >= text.length) break;
      if (inside) {
        if (next >= caret) at ??= shown.length;
        value += text[next];
        shown += text[next];
        next += 1;
      } else {
        shown += slot;
        // Decoration that is there already.
        if (text[next] === slot) next += 1;
      }
    }
  }
  return { text: shown, value, caret: at ?? shown.length };
}

/** A pattern that is none here, such as one of another language, is left to the platform. */
function matches(pattern, value) {
  try {
    return new RegExp(pattern).test(value);
  } catch {
    return true;
  }
}

export function luhn(value) {
  const digits = [...value.replace(/[\s-]/g, "")].reverse();
  const sum = digits.reduce((total, digit, index) => total + (index % 2 ? (2 * digit > 9 ? 2 * digit - 9 : 2 * digit) : +digit), 0);
  return digits.length > 1 && sum % 10 === 0;
}

/** From this month to 25 years from now. */
function expiration(value, { now }) {
  const month = new Date(now());
  const [, typed, year] = /^(\d\d)(\d{2,4})$/.exec(value) ?? [];
  const given = 12 * (year < 100 ? 2000 + +year : +year) + +typed - 1;
  const ahead = given - (12 * month.getFullYear() + month.getMonth());
  return typed > 0 && typed < 13 && ahead >= 0 && ahead <= 300;
}

function iban(value) {
  const text = value.replace(/\s/g, "").toUpperCase();
  if (!/^[A-Z]{2}\d\d[A-Z\d]{11,30}$/.test(text)) return false;
  const digits = (text.slice(4) + text.slice(0, 4)).replace(/[A-Z]/g, (letter) => parseInt(letter, 36));
  return BigInt(digits) % 97n === 1n;
}

const CHECKS = {
  luhn,
  iban,
  expirationDate: expiration,
  length: ({ length }, { minLength = 0, maxLength = Infinity }) => length >= minLength && length <= maxLength,
  range: (value, { minValue = -Infinity, maxValue = Infinity }) => value !== "" && +value >= minValue && +value <= maxValue,
  regularExpression: (value, { regularExpression }) => matches(regularExpression, value),
  emailAddress: (value) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value),
  fixedList: (value, { allowedValues = [] }) => allowedValues.includes(value),
  termsAndConditions: (value) => value === "true",
};

/** Names of what an unmasked value does not fulfil. What a later version of the platform asks is left to the platform. */
export function checkField(field, value = "", options) {
  const { now = Date.now } = members(options, "now");
  const { isRequired, validators } = described(field, "dataRestrictions");
  if (!value) return isRequired ? ["required"] : [];
  const fails = (name) => !CHECKS[name](value, { __proto__: null, ...validators[name], now });
  return Object.keys(validators ?? NOTHING).filter((name) => Object.hasOwn(CHECKS, name) && validators[name] && fails(name));
}

/** Whether a product has the year of the expiry date with two digits. */
export function shortYear(field) {
  const { mask } = described(field, "displayHints");
  const { regularExpression } = described(described(field, "dataRestrictions").validators, "regularExpression");
  return mask ? mask.replace(/[^9]/g, "").length === 4 : regularExpression !== undefined && !matches(regularExpression, "122030");
}
