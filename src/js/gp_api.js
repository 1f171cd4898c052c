// Global Payments GP API. This platform has no encryption in the page: the card goes as clear JSON over TLS, authorised by
// a short-lived token that may do nothing else. Every request is therefore as sensitive as the card itself.

import { two, validCard } from "./card.js";
import { failure } from "./error.js";
import { mask } from "./mask.js";
import { PlatformClient, post } from "./platform.js";
import { hex, random } from "./random.js";
import { cardToken, unreadable } from "./send.js";
import { BOIPA, GP_API } from "./hosts.js";
import { access, opened, ownSession } from "./session.js";
import { NOTHING, fits, flag, isObject, members, place, text } from "./value.js";

/** The official library's value, whose request this is, byte for byte: the platform names no other that it takes. */
const HEADERS = { "x-gp-version": "2021-03-22", "x-gp-library": "javascript;version=5.0.1" };

export class GpApi extends PlatformClient {
  #base;

  constructor(options) {
    super("gp_api", options);
    this.#base = this.named(() => place(members(options, "environment").environment, GP_API));
  }

  tokenizeRequest(session, card, options = {}) {
    return this.named((now) => {
      session = opened(session);
      const given = members(options, "reference", "useNetworkToken");
      // A token of the caller's own backend is taken, too; its age is the platform's to judge.
      ownSession(session, "gp_api", "tokenize", now);
      const { base, authorization } = access(session, this.#base, [...Object.values(GP_API), BOIPA]);
      const reference = text(given.reference, "reference") ?? text(session.reference, "reference") ?? guid();
      const account_name = text(session.account_name, "account_name");
      const usage_mode = flag(given.useNetworkToken, "useNetworkToken") ? "USE_NETWORK_TOKEN" : "SINGLE";
      const { number, cvc, month, year, holder } = validCard("gp_api", true, card, now);
      const body = {
        reference, usage_mode, account_name,
        card: { number, cvv: cvc, expiry_month: two(month), expiry_year: two(year) },
        name: holder || undefined,
      };
      return post(`${base}/payment-methods`, body, { authorization, ...HEADERS });
    });
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, this.tokenizeRequest(session, card, options), options, readToken);
  }
}

/** A random one, as the official library sends where the page has none. */
const guid = () => hex(random(16)).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.*)$/, "$1-$2-4$3-8$4-$5");

/** Of an object that may be missing these members, each of which must be a text where it is there. */
function texts(value, status, ...names) {
  if (value === undefined || value === null) return NOTHING;
  if (!isObject(value)) throw unreadable(status);
  return Object.fromEntries(names.map((name) => {
    if (!["string", "undefined"].includes(typeof (value[name] ?? undefined))) throw unreadable(status);
    return [name, value[name] ?? undefined];
  }));
}

/** As the official library has it, the JSON decides and not the status; both count here, so that an error is no card. */
function readToken({ status, body, raw }) {
  if (!isObject(body)) throw unreadable(status);
  if (!(status >= 200 && status < 300) || (body.error_code ?? null) !== null) throw readError(status, body);
  const method = texts(body, status, "id", "status", "name");
  const card = texts(body.card, status, "masked_number_last4", "number_last4", "brand", "expiry_month", "expiry_year");
  const { result_code = "SUCCESS" } = texts(body.action, status, "result_code");
  if (!fits(method.id, /^PMT_[\w-]{1,76}$/) || (method.status ?? "ACTIVE") !== "ACTIVE" || !/^(SUCCESS|00)$/.test(result_code)) {
    throw failure("answer_malformed", undefined, { status });
  }
  const [, last4] = /^[Xx*]*(\d{4})$/.exec(card.masked_number_last4 ?? card.number_last4) ?? [];
  const [, month] = /^\+?0*([1-9]|1[0-2])$/.exec(card.expiry_month) ?? [];
  const [, year] = /^\+?(\d{1,4})$/.exec(card.expiry_year) ?? [];
  const read = {
    brand: card.brand ? mask(card.brand).toLowerCase() : null,
    last4,
    expiry: month && year ? { month: +month, year: +year < 100 ? 2000 + +year : +year } : null,
    holder: method.name ? mask(method.name) : null,
  };
  // Good for one use; the server makes a lasting token of it.
  return cardToken("gp_api", method.id, read, raw);
}

/** A token that is no longer good is a session that has expired. */
function readError(status, body) {
  const { error_code, detailed_error_code, detailed_error_description } = texts(
    body, status, "error_code", "detailed_error_code", "detailed_error_description",
  );
  const said = detailed_error_code || error_code;
  const code =
    fits(detailed_error_code, /^4000[12]$/) ? "session_expired"
    : status >= 500 ? "platform_unavailable"
    : said === undefined ? "answer_malformed"
    : "platform_rejected";
  const platformCode = fits(said, /^\w{0,40}$/) ? mask(said) : undefined;
  return failure(code, undefined, { status, platformCode, platformMessage: mask(detailed_error_description) });
}
