// Cards on their way into the module.

import { brands, call, problems } from "./core.js";
import { failure } from "./error.js";
import { fields } from "./fields.js";
import { choice, flag, isObject, text } from "./value.js";

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
  const [found, wrong, number, month, year, cvc, holder, nickname] = call(["check", part(platform), (stored ? 1 : 0) + (codeless ? 2 : 0), ...parts(card, now)]);
  return { brands: brands(found), problems: problems(wrong), card: number && { number, month: +month, year: +year, cvc, holder, nickname } };
}

export function validateCard(card, options) {
  const { now = Date.now, platform, kind, cvcOptional } = options ?? {};
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

const place = (caret) => (Number.isSafeInteger(caret) && caret >= 0 ? `=${caret}` : "");
function formatted([text, caret, found], branded) {
  return { text, caret: +caret, ...(branded && { brands: brands(found) }) };
}

export const formatCardNumber = (value, caret) => formatted(call(["number", place(caret), given(value, "text")]), true);
export const formatExpiry = (value, caret) => formatted(call(["expiry", place(caret), given(value, "text")]));
export const formatSecurityCode = (value, caret, number) =>
  formatted(call(["code", place(caret), given(text(number, "number") ?? "", "number"), given(value, "text")]));
