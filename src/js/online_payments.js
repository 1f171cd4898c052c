// Worldline Online Payments.

import { two, validCard } from "./card.js";
import { device } from "./device.js";
import { CardsealError, failure } from "./error.js";
import { encoded, jwe } from "./jwe.js";
import { readKey } from "./key.js";
import { mask } from "./mask.js";
import { PlatformClient, keyed } from "./platform.js";
import { checkField, shortYear } from "./product.js";
import { hex, random } from "./random.js";
import { JSON_HEADERS } from "./send.js";
import { ONLINE_PAYMENTS, sessionUrl } from "./hosts.js";
import { member, opened, ownSession } from "./session.js";
import { LOOPBACK, NOTHING, bare, fits, flag, id, isObject, members, place, text } from "./value.js";

/** The platform's names of a card's fields, and ours. */
const FIELDS = { __proto__: null, cardNumber: "number", cardholderName: "holder", expiryDate: "expiry", cvv: "cvc" };

/** Our code of what a product's validator refuses. */
function problem(id, failed) {
  const field = FIELDS[id];
  const kind =
    {
      __proto__: null, required: "missing", luhn: "check_digit", expirationDate: "past",
      length: { __proto__: null, holder: "too_long", expiry: "malformed" }[field] ?? "length",
    }[failed] ??
    { __proto__: null, holder: "characters", expiry: "malformed" }[field] ?? "not_digits";
  return { field, code: `${field}_${kind}`, severity: "error", message: "the payment product does not take this" };
}

export class OnlinePayments extends PlatformClient {
  #device;
  #hosts;
  #now;
  #held = new Map();

  constructor(options) {
    super("online_payments", options);
    const { device, environment, now } = this.named(() => members(options, "device", "environment", "now"));
    const chosen = this.named(() => place(environment, ONLINE_PAYMENTS));
    this.#hosts = chosen ? [chosen].flat() : Object.values(ONLINE_PAYMENTS).flat();
    this.#device = this.named(() => bare(device, "device"));
    this.#now = now;
  }

  publicKeyRequest(session) {
    return this.#query(session, "/crypto/publickey");
  }

  iinDetailsRequest(session, number, context) {
    if (typeof number !== "string") throw failure("type_invalid", "number", { platform: "online_payments" });
    // As much of a number as the platform looks up, and no more of it leaves the page.
    const typed = number.replace(/[\s\-\u2010-\u2015\u2212\u200b]/g, "");
    const bin = /^\d{6,}$/.test(typed) ? typed.slice(0, typed.length < 8 ? 6 : 8) : undefined;
    if (!bin) return null;
    return this.#query(session, "/services/getIINdetails", context, ({ countryCode, currencyCode, amount, isRecurring }) => ({
      bin,
      paymentContext: countryCode && {
        countryCode, amountOfMoney: currencyCode && amount !== undefined ? { amount, currencyCode } : undefined,
        isRecurring,
      },
    }));
  }

  productsRequest(session, context) {
    return this.#query(session, "/products?hide=fields&", context ?? {});
  }

  productRequest(session, id, context) {
    return this.#query(session, `/products/${product(id)}?`, context ?? {});
  }

  async publicKey(session, options) {
    return this.#ask(this.publicKeyRequest(session), readPublicKey, options);
  }

  async iinDetails(session, number, context, options) {
    const request = this.iinDetailsRequest(session, number, context);
    if (!request) return { status: "not_enough_digits", paymentProductId: null, countryCode: null, cardType: null, coBrands: [] };
    return this.#ask(request, readIinDetails, options);
  }

  async products(session, context, options) {
    const answer = await this.#ask(this.productsRequest(session, context), whole, options);
    return members(answer, "paymentProducts").paymentProducts ?? [];
  }

  async product(session, id, context, options) {
    return this.#ask(this.productRequest(session, id, context), whole, options);
  }

  /** `encryptedCustomerInput`, for a server of one's own. */
  async encrypt(session, card, options = {}) {
    const { kind } = this.named(() => members(options, "kind"));
    return (await this.#encrypt(session, card, options, kind)).input;
  }

  tokenizeRequest(session, card, options = {}) {
    return this.#handOver("/v1/tokens", session, card, options, "tokenize");
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, await this.tokenizeRequest(session, card, options), options);
  }

  async payRequest(session, card, options = {}) {
    const request = await this.#handOver("/v1/payments", session, card, options, "payment");
    return keyed(request, options);
  }

  async pay(session, card, options = {}) {
    return redirected(await this.payment(session, await this.payRequest(session, card, options), options));
  }

  /** After the platform's form in a frame: there is nothing to hand over, the server asks the platform. */
  confirmTokenRequest(session) {
    return this.handOver("/v1/tokens", session, { raw: {} });
  }

  async confirmToken(session, options = {}) {
    return super.confirmToken(session, undefined, options);
  }

  /** After the platform's page. */
  confirmPaymentRequest(session, returned, options = {}) {
    return this.named(() => {
      const RETURNMAC = text(members(returned, "RETURNMAC").RETURNMAC, "RETURNMAC");
      if (!RETURNMAC) throw failure("answer_malformed", "RETURNMAC");
      return keyed(this.handOver("/v1/payments", session, { raw: { RETURNMAC } }), options);
    });
  }

  async confirmPayment(session, returned, options = {}) {
    return redirected(await this.confirmedPayment(this.confirmPaymentRequest(session, returned, options), options));
  }

  free() {
    this.#held.clear();
    super.free();
  }

  /** A call to the client API. What is bought stands in the address, or in the body that `body` makes of it. */
  #query(session, path, context, body) {
    return this.named(() => {
      const { base, own } = clientSession(opened(session), this.#hosts);
      const bought = purchase(context);
      const browserData = members(this.#device ?? device(), "browserData").browserData;
      const screenSize = browserData?.innerWidth && `${browserData.innerWidth}x${browserData.innerHeight}`;
      const meta = encoded({
        screenSize, platformIdentifier: globalThis.navigator?.userAgent, sdkIdentifier: "Cardseal", sdkCreator: "Cardseal",
      });
      const headers = { ...JSON_HEADERS, authorization: `GCS v1Client:${own}`, "x-gcs-clientmetainfo": meta };
      if (body) return { method: "POST", url: base + path, headers, body: JSON.stringify(body(bought)) };
      const { isRecurring, ...rest } = bought;
      const known = Object.entries({ isRecurring, ...rest }).filter(([, value]) => value !== undefined);
      return { method: "GET", url: base + path + (path.endsWith("y") ? "" : new URLSearchParams(known)), headers };
    });
  }

  /** Asks once: what the platform said of the same session, product or first digits is kept. */
  async #ask(request, read, options) {
    const name = JSON.stringify(request);
    if (!this.#held.has(name)) {
      const { status, body, raw } = await this.send(request, options, false);
      this.#held.set(name, this.named(() => read(status, body, raw)));
    }
    return this.#held.get(name);
  }

  /** The text that is encrypted, in the order of the platform's own client: it holds the card in clear. */
  #payload(session, card, { kind, tokenize, shortYear, paymentProductId }) {
    return this.named((now) => {
      session = opened(session);
      kind = text(kind, "kind") ?? (typeof session.kind === "string" ? session.kind : "payment");
      if (kind !== "tokenize" && kind !== "payment") throw failure("option_invalid", "kind");
      // A session of the caller's own backend is taken, too; its age is the platform's to judge.
      ownSession(session, "online_payments", kind, now);
      const { own } = clientSession(session, this.#hosts);
      tokenize = flag(tokenize, "tokenize") ?? false;
      const { number, holder, month, year, cvc } = validCard("online_payments", true, card, now);
      // Session and card are fine, and the page has to ask for the product.
      if (paymentProductId === undefined || paymentProductId === null) return undefined;
      const id = product(paymentProductId);
      const collected = this.#device ?? device();
      if (!isObject(collected)) throw failure("type_invalid", "device");
      const values = { cardNumber: number, cardholderName: holder, expiryDate: two(month) + (shortYear ? two(year) : year), cvv: cvc };
      const paymentValues = Object.entries(values).map(([key, value]) => ({ key, value }));
      if (kind === "tokenize") paymentValues.push({ key: "paymentProductId", value: id });
      return {
        clientSessionId: own, nonce: hex(random(16)), paymentProductId: id,
        tokenize: kind === "payment" ? tokenize : undefined, collectedDeviceInformation: collected, paymentValues,
      };
    });
  }

  async #encrypt(session, card, given, kind) {
    const names = ["product", "paymentProductId", "context", "tokenize", "signal", "timeoutMs"];
    const options = this.named(() => members(given, ...names));
    const { context, tokenize } = options;
    const product = this.named(() => bare(options.product, "product"));
    let { paymentProductId = product?.id } = options;
    const fields = [product?.fields].flat().filter(isObject);
    const about = { kind, tokenize, shortYear: shortYear(fields.find(({ id }) => id === "expiryDate")) };
    let payload = this.#payload(session, card, { ...about, paymentProductId });
    if (!payload) {
      const found = await this.iinDetails(session, members(card, "number").number, context, options);
      if (found.status !== "supported") {
        throw new CardsealError({
          code: "platform_rejected", message: "the platform does not take this card", platform: "online_payments",
          platformCode: found.status,
        });
      }
      paymentProductId = found.paymentProductId;
      payload = this.#payload(session, card, { ...about, paymentProductId });
    }
    const { paymentValues } = payload;
    const problems = fields.filter(({ id }) => Object.hasOwn(FIELDS, id)).flatMap((field) =>
      checkField(field, paymentValues.find(({ key }) => key === field.id).value, { now: this.#now }).map(
        (failed) => problem(field.id, failed),
      ));
    if (problems.length) throw new CardsealError({
      code: "card_invalid", message: "the card details are not valid", platform: "online_payments", problems,
    });
    return { input: await jwe(await this.publicKey(session, options), JSON.stringify(payload)), paymentProductId };
  }

  async #handOver(path, session, card, options, kind) {
    const request = this.handOver(path, session, { raw: null });
    const { input, paymentProductId } = await this.#encrypt(session, card, options, kind);
    request.body = JSON.stringify({
      session: members(session, "id").id, encrypted_customer_input: input, payment_product_id: paymentProductId,
    });
    return request;
  }
}

/** Where the customer has to go now, for 3-D Secure. */
function redirected(outcome) {
  const { url } = members(members(outcome.raw, "redirect").redirect, "url");
  return { ...outcome, redirect: fits(url, /^https:\/\//) || fits(url, LOOPBACK) ? { url } : null };
}

function product(value) {
  if (!(Number.isSafeInteger(value) && value > 0)) throw failure("option_invalid", "paymentProductId");
  return value;
}

/** Of a session at the client API its id, and the base of every address. */
function clientSession(session, hosts) {
  const [own, customer] = ["clientSessionId", "customerId"].map((name) => id(member(session, name), name));
  const api = sessionUrl(member(session, "clientApiUrl"), "clientApiUrl", hosts, "session_malformed");
  // The platform's own client takes no other path, and adds this one where there is none.
  const [, path] = /^\w+:\/\/[^/"]+(\/client)?$/.exec(api) ?? [null, ""];
  if (path === "") throw failure("session_malformed", "clientApiUrl");
  return { own, base: `${api}${path ? "" : "/client"}/v1/${customer}` };
}

/** What is bought, as far as it decides which products are offered. */
function purchase(context) {
  const { countryCode, amount, currencyCode, isRecurring } = members(context, "countryCode", "amount", "currencyCode", "isRecurring");
  const letters = (value, name, form) => {
    value = text(value, name);
    if (value !== undefined && !form.test(value)) throw failure("option_invalid", name);
    return value;
  };
  const none = amount === undefined || amount === null;
  if (!none && !(Number.isSafeInteger(amount) && amount >= 0)) throw failure("option_invalid", "amount");
  return {
    isRecurring: flag(isRecurring, "isRecurring") ?? false,
    countryCode: letters(countryCode, "countryCode", /^[A-Z]{2}$/),
    amount: none ? undefined : amount,
    currencyCode: letters(currencyCode, "currencyCode", /^[A-Z]{3}$/),
  };
}

const readable = (value) => (isObject(value) ? value : NOTHING);
const word = (value) => (typeof value === "string" ? value : undefined);

/** An answer of the client API that is no success, or one that cannot be read. */
function readError(status, body) {
  const error = readable(isObject(body) && Array.isArray(body.errors) ? [...body.errors].shift() : undefined);
  // `code` is the older of the two; some errors have it alone.
  const [code, old, name] = ["errorCode", "code", "id"].map((key) => word(error[key]));
  const said = code ?? old ?? name;
  const ours =
    status >= 500 ? "platform_unavailable"
    : status === 403 && old === "9008" ? "session_expired"
    : status >= 400 && said !== undefined ? "platform_rejected"
    : "answer_malformed";
  return failure(ours, undefined, {
    status, platformCode: fits(said, /^\w{0,60}$/) ? mask(said) : undefined, platformMessage: mask(word(error.message)),
  });
}

/** The answer, if it is a success. */
function success(status, body) {
  if (!(status >= 200 && status < 300 && isObject(body))) throw readError(status, body);
  return body;
}

/** The same with the platform's own objects, for the page. */
const whole = (status, body, raw) => success(status, body) && raw;

function readPublicKey(status, body) {
  const { keyId, publicKey } = success(status, body);
  const malformed = (field) => failure("answer_malformed", field, { status });
  if (!fits(keyId, /^[\w-]{1,80}$/)) throw malformed("keyId");
  try {
    // The platform's keys have 2048 bits; none above 8192 is read at all.
    if (readKey(word(publicKey)).bits >= 2048) return { keyId, publicKey };
  } catch {
    // No key.
  }
  throw malformed("publicKey");
}

/** Only that the card is not known is an answer; every other error is one. */
function readIinDetails(status, body) {
  const unknown = status === 404 && readError(status, body).code === "platform_rejected";
  const answer = unknown ? NOTHING : success(status, body);
  const number = (value) => (Number.isSafeInteger(value) ? value : null);
  const paymentProductId = number(answer.paymentProductId);
  if (!unknown && paymentProductId === null) throw failure("answer_malformed", "paymentProductId", { status });
  const allowed = ({ isAllowedInContext }) => isAllowedInContext !== false;
  return {
    status: unknown ? "unknown" : allowed(answer) ? "supported" : "existing_but_not_allowed",
    paymentProductId,
    countryCode: word(answer.countryCode) ?? null,
    cardType: word(answer.cardType) ?? null,
    coBrands: (Array.isArray(answer.coBrands) ? answer.coBrands : []).map((brand) => ({
      paymentProductId: number(readable(brand).paymentProductId), isAllowedInContext: allowed(readable(brand)),
    })),
  };
}
