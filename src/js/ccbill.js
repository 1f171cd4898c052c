// CCBill's RESTful Transaction API. This platform has no encryption in the page: the card goes as clear JSON over TLS,
// authorised by a token that may not charge. The request for a payment token is therefore as sensitive as the card itself.

import { two, validCard } from "./card.js";
import { problem } from "./core.js";
import { customerInfo } from "./customer.js";
import { failure } from "./error.js";
import { mask } from "./mask.js";
import { PlatformClient, keyed, once, post } from "./platform.js";
import { cardToken, readPayment, unreadable } from "./send.js";
import { CCBILL } from "./hosts.js";
import { access, opened, ownSession } from "./session.js";
import { NOTHING, bare, fits, flag, isObject, members, place, text } from "./value.js";

/** With it ids come as texts; without, it is not known as what. */
const ACCEPT = "application/vnd.mcn.transaction-service.api.v.2+json";
/** What hours and uses default to at the platform. */
const ENDLESS = 2147483647;

/** JSON whose long whole numbers become texts: as numbers they would lose their last digits. */
const exactly = (json) =>
  JSON.parse(json.replace(/"(?:[^"\\]|\\[^])*(?:"|$)|-?\d[\d.eE+-]*/g, (part) => (/^-?\d{16,}$/.test(part) ? `"${part}"` : part)));

/** A member that is a whole number. */
function whole(object, name, most, code = "session_malformed", least = 0) {
  const value = object[name];
  if (!Number.isInteger(value) || value < least || value > most) throw failure(code, name);
  return value;
}

export class CcBill extends PlatformClient {
  #base;

  constructor(options) {
    super("ccbill", options);
    this.#base = this.named(() => place(members(options, "environment").environment, CCBILL));
  }

  createPaymentTokenRequest(session, card, options = {}) {
    return this.named((now) => {
      session = opened(session);
      options = members(options, "threeDs", "verify", "timeToLive", "numberOfUse", "subscriptionId", "customer");
      const threeDs = flag(options.threeDs, "threeDs");
      const { base, headers, account } = this.#open(session, session.kind === "payment" ? "payment" : "tokenize", threeDs, now);
      const verify = flag(options.verify, "verify") ?? true;
      const { timeToLive = session.time_to_live, numberOfUse = session.valid_number_of_use } = options;
      const limits = { timeToLive, numberOfUse };
      const limit = (name) => limits[name] && whole(limits, name, ENDLESS, "option_invalid", 1);
      const body = { ...account, subscriptionId: 0 };
      const stored = text(options.subscriptionId, "subscriptionId");
      if (stored === undefined) {
        body.customerInfo = customerInfo(options.customer, text(session.ip_address, "ip_address"));
        const { number, cvc, month, year, holder } = validCard("ccbill", true, card, now, !verify);
        const nameOnCard = holder.normalize();
        if (!/^[\p{L} .'-]+$/u.test(nameOnCard)) throw failure("card_invalid", undefined, { problems: [problem("holder_characters")] });
        body.paymentInfo = { creditCardPaymentInfo: {
          cardNum: number, nameOnCard, expMonth: two(month), expYear: `${year}`, cvv2: verify ? cvc : undefined,
        } };
      } else if ((card ?? null) !== null || !/^[1-9]\d{0,17}$/.test(stored)) {
        throw failure("option_invalid", "subscriptionId");
      }
      body.timeToLive = limit("timeToLive");
      body.validNumberOfUse = limit("numberOfUse");
      const request = post(`${base}/payment-tokens/merchant-only${verify ? "-verify" : ""}`, body, headers);
      // Digit by digit: it is a number there, and none that JavaScript has. Nothing of the page's stands before it.
      if (stored) request.body = request.body.replace('"subscriptionId":0', `"subscriptionId":${stored}`);
      return request;
    });
  }

  async createPaymentToken(session, card, options = {}) {
    const answer = await this.send(this.createPaymentTokenRequest(session, card, options), options, false, exactly);
    return this.named(() => readToken(answer));
  }

  threeDsRequiredRequest(session, card) {
    return this.named((now) => {
      session = opened(session);
      const { base, headers, account } = this.#open(session, "payment", true, now);
      const currencyCode = whole(session, "currency_code", 999);
      const { number } = validCard("ccbill", false, card, now, true);
      const query = new URLSearchParams({ bin: number.slice(0, 6), last4: number.slice(-4), ...account, currencyCode });
      return { method: "GET", url: `${base}/payment-tokens/threeds-required?${query}`, headers };
    });
  }

  async threeDsRequired(session, card, options = {}) {
    const { status, body } = await this.send(this.threeDsRequiredRequest(session, card), options);
    return this.named(() => {
      if (status !== 200) throw readError(status, body);
      // A bare yes or no; an object in older versions.
      const required = members(body, "required").required ?? body;
      if (typeof required !== "boolean") throw unreadable(status);
      return required;
    });
  }

  confirmTokenRequest(session, token) {
    return this.named(() => super.confirmTokenRequest(session, { raw: handed(members(token, "raw").raw) }));
  }

  confirmPaymentRequest(session, token, options = {}) {
    return this.named(() => {
      // What the platform's script resolves to is taken, too: the token alone, or with what came of 3-D Secure.
      const given = members(token, "paymentToken", "raw", "threedsInformation");
      const paymentToken = handed(given.paymentToken ?? given.raw);
      const { threedsInformation } = members(options, "threedsInformation");
      const result = bare(threedsInformation ?? given.threedsInformation, "threedsInformation");
      session = isObject(session) ? opened(session) : NOTHING;
      const { client_accnum, client_subacc, client_subacc_3ds } = session;
      const sub = (result && client_subacc_3ds) ?? client_subacc;
      if (paymentToken.clientAccnum !== client_accnum || paymentToken.clientSubacc !== sub) throw failure("option_invalid", "threeDs");
      const said = isObject(result) ? result : NOTHING;
      const raw = result ? { paymentToken, threedsInformation: authentication(said, session) } : paymentToken;
      return keyed(this.handOver("/v1/payments", session, { raw }), options);
    });
  }

  /** The server charges when it gets this: a lost answer is a payment of which nothing is known. */
  async confirmPayment(session, token, options = {}) {
    return readPayment(await once(this.send(this.confirmPaymentRequest(session, token, options), options, true)));
  }

  /** Where to, with what right and for which account. With 3-D Secure there may be a sub account of its own. */
  #open(session, kind, threeDs, now) {
    // A token of the caller's own backend is taken, too; its age is the platform's to judge.
    ownSession(session, "ccbill", kind, now);
    const { base, authorization } = access(session, this.#base, Object.values(CCBILL));
    const { client_subacc_3ds: other } = session;
    const sub = threeDs && other !== undefined && other !== null ? "client_subacc_3ds" : "client_subacc";
    return {
      base, headers: { accept: ACCEPT, authorization },
      account: { clientAccnum: whole(session, "client_accnum", 999999), clientSubacc: whole(session, sub, 9999) },
    };
  }
}

/** What the server reads of a payment token, and nothing else. */
function handed(raw) {
  raw = members(raw, "paymentTokenId", "clientAccnum", "clientSubacc");
  const { paymentTokenId } = raw;
  const code = "answer_malformed";
  if (!fits(paymentTokenId, /^[a-zA-Z0-9]{1,64}$/)) throw failure(code, "paymentTokenId");
  return { paymentTokenId, clientAccnum: whole(raw, "clientAccnum", 999999, code), clientSubacc: whole(raw, "clientSubacc", 9999, code) };
}

function readToken({ status, body, raw }) {
  if (!isObject(body) || !(status >= 200 && status < 300) || (body.errorCode ?? null) !== null) throw readError(status, body);
  const { paymentTokenId } = handed(body);
  const { subscriptionId: id } = body;
  const subscriptionId = Number.isSafeInteger(id) ? `${id}` : (id ?? null);
  if (subscriptionId !== null && !fits(subscriptionId, /^\d{1,20}$/)) throw failure("answer_malformed", "subscriptionId", { status });
  return { ...cardToken("ccbill", paymentTokenId, {}, raw), subscriptionId };
}

/** The same number means different things under 400 and under 500: both are in the error. */
function readError(status, body) {
  if (status === 401) return failure("session_expired", undefined, { status });
  const { errorCode, generalMessage, errors } = isObject(body) ? body : NOTHING;
  const platformCode = /^\d{1,9}$/.test(errorCode) ? `${errorCode}` : undefined;
  if (!platformCode) return unreadable(status);
  // What no repeat of the same call repairs: an address or account that may not, failed logins, too much at once.
  const refused = status < 500 || /^1001(0[789]|1[01])$/.test(platformCode);
  // A word is kept, a number of three digits or more is not: it could be of the card.
  const said = [generalMessage, ...(Array.isArray(errors) ? errors : []).flatMap((error) => [error?.field, error?.message])];
  const words = said.filter((word) => typeof word === "string").join(" ").slice(0, 500);
  return failure(refused ? "platform_rejected" : "platform_unavailable", undefined, {
    status, platformCode, platformMessage: mask(words).replace(/\d{3,}/g, "***"),
  });
}

/** The texts of a result, with what each has at most. The first three are always there, of the next two threes one is. */
const RESULT =
  "eci2protocolVersion20clientTransactionId36dsTransId36acsTransId36authenticationValue36xid50cavv1024cavvAlgorithm28" +
  "cardToken256sdkTransId36authenticationType36";

/** What the platform's script says came of 3-D Secure: checked as the server does, and without anything else that is in it. */
function authentication(result, session) {
  const check = (fine, name) => {
    if (!fine) throw failure("answer_malformed", name);
  };
  const { status, success, error, protocolVersion } = result;
  check(fits(status, /^\w$/), "status");
  check(/^(true|false)$/.test(success), "success");
  // Declined by the server, whatever else there is.
  if (`${success}` === "false" || error || !/[YA]/.test(status)) return { status, success: false };
  const read = { status, success: true };
  const three = /^1\./.test(protocolVersion) ? 2 : 1;
  [...RESULT.matchAll(/(\D+)(\d+)/g)].forEach(([, name, most], at) => {
    const value = result[name] ?? "";
    check(fits(value, /^[!-~]*$/) && value.length <= most && (value || (at > 2 && Math.floor(at / 3) !== three)), name);
    if (value) read[name] = value;
  });
  for (const [name, value] of Object.entries({ amount: session.amount, currency: session.currency_code })) {
    read[name] = `${result[name]}`;
    check(/^\d{1,12}(\.\d+)?$/.test(read[name]) && +read[name] === +value, name);
  }
  return read;
}
