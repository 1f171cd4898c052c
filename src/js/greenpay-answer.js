// What GreenPay's checkout host answered, as typed results. HTTP status and body status both count. The rules of
// src/platforms/greenpay/answer.rs, by which the server reads the same answers.

import { failure } from "./error.js";
import { mask } from "./mask.js";
import { cardToken, outcome, unreadable } from "./send.js";
import { fits, isObject } from "./value.js";

/** Stable codes of the platform's English texts, found anywhere in them, whatever their case. */
const TEXTS = Object.entries({
  "bank entity doesn't exist": "terminal_unknown",
  "merchant doesn't exist": "merchant_unknown",
  invalid_pan: "invalid_pan",
  // The platform's own wording for a card that it could not decrypt.
  "session not exists or is wrong": "not_decryptable",
  "session not found": "session_not_found",
  "invalid card token": "invalid_card_token",
  "invalid token": "invalid_session_token",
  "invalid input syntax for uuid": "invalid_uuid",
  "transaction not found": "transaction_not_found",
  "not ready for reversion": "too_late",
});

/** Our words for the bank's codes; every other is `declined`. */
const REASONS = {
  __proto__: null,
  refer_to_issuer: "01 201", invalid_merchant: "03 203", card_lost_or_stolen: "04 41 43 241", do_not_honor: "05 205",
  invalid_transaction: "12 212 30 19", invalid_amount: "13", invalid_card: "14", bank_not_supported: "31",
  insufficient_funds: "51 251", expired_card: "54", wrong_pin: "55 255", not_permitted: "58 62 63 65 78 278",
  invalid_terminal: "89", issuer_unavailable: "91", system_error: "96 296", timed_out_and_reversed: "899", fraud_suspected: "996",
};

/** A text or a whole number, as text; the platform prints some fields as either. */
const loose = (value) => (typeof value === "string" || Number.isSafeInteger(value) ? `${value}` : undefined);

/** Everything readable in one entry of `errors`. */
const entry = (value) =>
  (value && typeof value === "object" ? Object.values(value).map(entry).filter(Boolean).join(" ") : loose(value) ?? "");
const texts = ({ errors }) =>
  (Array.isArray(errors) ? errors : isObject(errors) || typeof errors === "string" ? [errors] : []).map(entry).join("; ");

const platformCode = (text) => TEXTS.find(([part]) => text.toLowerCase().includes(part))?.[1];
const brand = (value) => (fits(loose(value), /^(?!nd$)[a-z -]{1,32}$/i) ? loose(value).toLowerCase() : null);
const digits = (value, form) => (fits(loose(value), form) ? loose(value) : null);

/** `YYMM`. */
function expiry(value) {
  const [, year, month] = /^(\d\d)(0[1-9]|1[0-2])$/.exec(loose(value)) ?? [];
  return year ? { month: +month, year: 2000 + +year } : null;
}

function refusal(http, answer) {
  const text = texts(answer);
  const known = platformCode(text);
  const code =
    !known && http > 501 && http < 505 ? "platform_unavailable"
    : !text && http >= 200 && http < 300 ? "answer_malformed"
    : "platform_rejected";
  const { status } = answer;
  return failure(code, undefined, {
    status: status >= 0 && status < 65536 && Number.isInteger(status) ? status : http, platformCode: known,
    platformMessage: mask(text),
  });
}

/** The answer, if it has the shape of one: its `status` and the id beside it are scalars, its `result` is an object. */
function shaped(http, answer, id) {
  if (!isObject(answer) || loose(answer.status) === undefined) throw unreadable(http);
  if ((answer[id] ?? null) !== null && loose(answer[id]) === undefined) throw unreadable(http);
  if ((answer.result ?? null) !== null && !isObject(answer.result)) throw unreadable(http);
  return { __proto__: null, ...answer, result: answer.result ?? undefined };
}

/** base64 of JavaScript to that of a JWK. */
const url = (text) => text.replace(/[+/=]/g, (char) => ({ __proto__: null, "+": "-", "/": "_" })[char] ?? "");

/**
 * RSASSA-PKCS1-v1_5 with SHA-256 over two fields, by the browser's own cryptography; without any, nothing is verified. It
 * covers those fields and nothing else, neither a token nor an amount.
 */
async function verified({ n, e }, { status, _signature }, id, names) {
  const hex = loose(_signature);
  if (hex && loose(id) !== undefined && /^([\da-f]{2})+$/i.test(hex) && globalThis.crypto?.subtle) {
    const algorithm = { __proto__: null, name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const signature = Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
    const key = await crypto.subtle.importKey(
      "jwk", { __proto__: null, kty: "RSA", n: url(n), e: url(e) }, algorithm, false, ["verify"],
    ).catch(() => null);
    for (const name of key ? names : []) {
      const signed = new TextEncoder().encode(`status:${loose(status)},${name}:${loose(id)}`);
      if (await crypto.subtle.verify(algorithm, key, signature, signed)) return { verified: true, signedFields: ["status", name] };
    }
  }
  return { verified: false, signedFields: [] };
}

/** The answer of `/tokenize` and `/tokenize/update`. */
export async function readToken({ status: http, body, raw }, key, strict) {
  const answer = shaped(http, body, "requestId");
  const { status, result, requestId } = answer;
  const token = loose(result?.token);
  if (!(http >= 200 && http < 300 && fits(loose(status), /^20[01]$/) && token)) throw refusal(http, answer);
  const signature = await verified(key, answer, requestId, ["requestId"]);
  if (strict && !signature.verified) throw failure("signature_invalid", undefined, { status: http });
  const named = (value) => (loose(value) === undefined ? null : mask(loose(value)));
  const read = {
    brand: brand(answer.brand), bin: digits(result.bin, /^\d{6,8}$/), last4: digits(result.last_digits, /^\d{4}$/),
    expiry: expiry(answer.expiration_date), holder: named(answer.cardHolder), nickname: named(answer.nickname),
  };
  return cardToken("greenpay", token, read, raw, undefined, signature);
}

/** The answer of `/kount` and `/`; what cannot be read says nothing. A decline is no error. */
export async function readPayment({ status: http, body, raw }, key) {
  let answer;
  try {
    answer = shaped(http, body, "orderId");
    if (!["boolean", "undefined"].includes(typeof (answer.result?.success ?? undefined))) throw unreadable(http);
  } catch {
    return outcome("greenpay", null, "unknown", {}, raw);
  }
  const { result, orderId } = answer;
  const signature = await verified(key, answer, orderId, ["orderId", "orderReference"]);
  const code = loose(result?.resp_code) || undefined;
  const authorization = loose(answer.authorization) || undefined;
  const fine = http >= 200 && http < 300 && answer.status === 200;
  // Whoever reads "declined" or "refused" charges again, so both are said only where nothing speaks for an approval: not
  // the bank, not the body's status, not an authorization.
  const approval = result?.success === true || code === "00" || authorization;
  let status = "unknown";
  if (fine && result?.success !== false && (!code || code === "00")) status = "approved";
  else if (answer.status !== 200 && !approval) {
    if (code) status = "declined";
    else if (platformCode(texts(answer))) throw refusal(http, answer);
  }
  const words = result?.reserved_private4;
  const decline = status === "declined" && {
    code: code.length > 8 ? null : mask(code),
    reason: Object.keys(REASONS).find((reason) => REASONS[reason].split(" ").includes(code)) ?? "declined",
    message: mask(loose(words) ?? texts(answer)),
  };
  const read = {
    orderReference: loose(orderId), authorization: authorization && mask(authorization), brand: brand(answer.brand),
    last4: digits(answer.last4, /^\d{4}$/), decline: decline || null, signature,
  };
  return outcome("greenpay", null, status, read, raw);
}
