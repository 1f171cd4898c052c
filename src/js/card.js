// Cards on their way into the module.

import { brands, call, loaded, problems } from "./core.js";
import { failure } from "./error.js";
import { fields } from "./fields.js";
import { choice, flag, isObject, members, text } from "./value.js";

/** A text as a part of a call. The module is told of half a surrogate pair, which no encoding can carry. */
function part(value) {
  if (value === undefined) return "";
  if (/\p{Surrogate}/u.test(value)) return "!";
  // Both are characters that no field may hold.
  return `=${value.replaceAll("\0", "\x01")}`;
}

/** Month and year of an object, as text; a number is written the same way. */
function date(expiry) {
  if (!isObject(expiry)) return text(expiry, "expiry");
  const digits = (value, width) => {
    if (Number.isInteger(value) && value >= 0 && value < 10_000) return `${value}`.padStart(width, "0");
    if (Number.isFinite(value)) return "?";
    return text(value, "expiry")?.slice(0, 8) ?? "";
  };
  const whole = `${digits(expiry.month, 1)}/${digits(expiry.year, 2)}`;
  return whole === "/" ? undefined : whole;
}

/** The parts of a call for a card, with the page's clock. */
export function parts(card, now) {
  card = fields(card);
  if (!isObject(card)) throw failure("type_invalid", "card");
  const [number, cvc, holder, nickname] = ["number", "cvc", "holder", "nickname"].map((name) => text(card[name], name));
  if (!Number.isFinite(now)) throw failure("type_invalid", "now");
  return [Math.max(0, Math.floor(now)), ...[number, date(card.expiry), cvc, holder, nickname].map(part)];
}

/** Checks a card by a platform's rules; `stored` says that it is to be kept, `codeless` that it may lack its security code. */
function check(platform, stored, card, now, codeless) {
  const [found, wrong, number, month, year, cvc, holder, nickname] = call([
    "check", part(platform), (stored ? 1 : 0) + (codeless ? 2 : 0), ...parts(card, now),
  ]);
  return {
    brands: brands(found), problems: problems(wrong),
    card: number && { number, month: +month, year: +year, cvc, holder, nickname },
  };
}

export function validateCard(card, options) {
  const { now = Date.now, platform, kind, cvcOptional } = members(options, "now", "platform", "kind", "cvcOptional");
  const stored = choice(kind, "kind", "tokenize", "update", "payment") !== "payment";
  const { brands, problems, card: valid } = check(text(platform, "platform"), stored, card, now(), flag(cvcOptional, "cvcOptional"));
  return { valid: !!valid, brands, problems };
}

/** A card that may be sent, its fields as the platforms want them. */
export function validCard(platform, stored, card, now, codeless) {
  const { card: valid, problems } = check(platform, stored, card, now, codeless);
  if (!valid) throw failure("card_invalid", undefined, { problems });
  return valid;
}

/** Two digits. */
export const two = (number) => `${number % 100}`.padStart(2, "0");

export const candidateBrands = (number) => brands(call(["brands", given(number, "number")])[0]);

/** A text that must be there, as a part without a mark. */
function given(value, field) {
  if (typeof value !== "string") throw failure("type_invalid", field);
  return value.replaceAll("\0", "\x01");
}

// Live formatting: each takes the text after a keystroke and where the caret is in it, and gives the text to show and where
// the caret belongs: behind the same digit as before.

/** The digits of a text, at most so many, and how many of them stand before the caret; without one, all. */
function typed(text, caret, most) {
  const digits = (part) => part.replace(/\D/g, "").slice(0, most);
  return [digits(text), digits(text.slice(0, Number.isSafeInteger(caret) && caret >= 0 ? caret : undefined)).length];
}

function grouped(digits, before, breaks, separator) {
  // A break stands before a digit, not behind the last one.
  const inserted = (count) => separator.length * breaks.filter((at) => at < count).length;
  const text = [...digits].map((digit, at) => (breaks.includes(at) ? separator + digit : digit)).join("");
  return { text, caret: before + inserted(before) };
}

/** Longest number (ISO/IEC 7812). */
const MOST_DIGITS = 19;

/** The number in the groups that stand on the card. */
export function formatCardNumber(value, caret) {
  const [digits, before] = typed(given(value, "text"), caret, MOST_DIGITS);
  const brands = candidateBrands(digits);
  const short = brands[0] === "amex" || (brands[0] === "diners" && digits.length < 15);
  return { ...grouped(digits, before, short ? [4, 10] : [4, 8, 12, 16], " "), brands };
}

/** `MM / YY`, or `MM / YYYY` where four digits of the year were given. */
export function formatExpiry(value, caret) {
  loaded();
  let [digits, before] = typed(given(value, "text"), caret, 6);
  // A single digit followed by a separator, or that no month begins with, is a month.
  if (/^\s*[1-9]\s*[/.-]/.test(value) || /^[2-9]/.test(digits)) {
    digits = `0${digits}`;
    before += before > 0;
  }
  digits = digits.slice(0, /^..20/.test(digits) ? 6 : 4);
  return grouped(digits, Math.min(before, digits.length), [2], " / ");
}

/** Digits only, no more than the longest code of the candidate brands: American Express has four, the others three. */
export function formatSecurityCode(value, caret, number) {
  const brands = candidateBrands(typed(given(text(number, "number") ?? "", "number"), 0, MOST_DIGITS)[0]);
  const most = brands.length && !brands.includes("amex") ? 3 : 4;
  return grouped(...typed(given(value, "text"), caret, most), [], "");
}
