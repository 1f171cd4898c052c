// Worldline Online Payments.

import { device } from "./device.js";
import { CardsealError } from "./error.js";
import { encoded, jwe } from "./jwe.js";
import { PlatformClient, keyed } from "./platform.js";
import { checkField, shortYear } from "./product.js";

/** The platform's names of a card's fields, and ours. */
const FIELDS = { cardNumber: "number", cardholderName: "holder", expiryDate: "expiry", cvv: "cvc" };

/** Our code of what a product's validator refuses. */
function problem(id, failed) {
  const field = FIELDS[id];
  const kind =
    { required: "missing", luhn: "check_digit", expirationDate: "past", length: { holder: "too_long", expiry: "malformed" }[field] ?? "length" }[failed] ??
    { holder: "characters", expiry: "malformed" }[field] ?? "not_digits";
  return { field, code: `${field}_${kind}`, severity: "error", message: "the payment product does not take this" };
}

export class OnlinePayments extends PlatformClient {
  #device;
  #now;
  #held = new Map();

  constructor(options) {
    super("online_payments", options);
    this.#device = options?.device;
    this.#now = options?.now;
  }

  publicKeyRequest(session) {
    return this.#query("publicKey", session);
  }

  iinDetailsRequest(session, number, context) {
    return this.#query("iinDetails", session, number, context);
  }

  productsRequest(session, context) {
    return this.#query("products", session, null, context);
  }

  productRequest(session, id, context) {
    return this.#query("product", session, id, context);
  }

  async publicKey(session, options) {
    return this.#ask(this.publicKeyRequest(session), "readPublicKey", options);
  }

  async iinDetails(session, number, context, options) {
    const request = this.iinDetailsRequest(session, number, context);
    if (!request) return { status: "not_enough_digits", paymentProductId: null, countryCode: null, cardType: null, coBrands: [] };
    return this.#ask(request, "readIinDetails", options);
  }

  async products(session, context, options) {
    return (await this.#ask(this.productsRequest(session, context), "readProduct", options)).paymentProducts ?? [];
  }

  async product(session, id, context, options) {
    return this.#ask(this.productRequest(session, id, context), "readProduct", options);
  }

  /** `encryptedCustomerInput`, for a server of one's own. */
  async encrypt(session, card, options = {}) {
    return (await this.#encrypt(session, card, options)).input;
  }

  tokenizeRequest(session, card, options = {}) {
    return this.#handOver("/v1/tokens", session, card, { ...options, kind: "tokenize" });
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, await this.tokenizeRequest(session, card, options), options);
  }

  async payRequest(session, card, options = {}) {
    const request = await this.#handOver("/v1/payments", session, card, { ...options, kind: "payment" });
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
  confirmPaymentRequest(session, { RETURNMAC }, options = {}) {
    return keyed(this.handOver("/v1/payments", session, { raw: { RETURNMAC } }), options);
  }

  async confirmPayment(session, returned, options = {}) {
    return redirected(await this.confirmedPayment(this.confirmPaymentRequest(session, returned, options), options));
  }

  free() {
    this.#held.clear();
    super.free();
  }

  #query(what, session, subject, context) {
    const { browserData } = this.#device ?? device();
    const screenSize = browserData?.innerWidth && `${browserData.innerWidth}x${browserData.innerHeight}`;
    const meta = encoded({ screenSize, platformIdentifier: globalThis.navigator?.userAgent, sdkIdentifier: "Cardseal", sdkCreator: "Cardseal" });
    return this.request(`${what}Request`, session, subject, { context, meta });
  }

  /** Asks once: what the platform said of the same session, product or first digits is kept. */
  async #ask(request, reader, options) {
    const name = JSON.stringify(request);
    if (!this.#held.has(name)) {
      const { status, body } = await this.send(request, options ?? {}, false);
      this.#held.set(name, this.call(reader, status, body) ?? body);
    }
    return this.#held.get(name);
  }

  async #encrypt(session, card, { product, paymentProductId = product?.id, context, kind, tokenize, ...options }) {
    const fields = product?.fields ?? [];
    const about = { kind, tokenize, device: JSON.stringify(this.#device ?? device()), shortYear: shortYear(fields.find(({ id }) => id === "expiryDate")) };
    const payload = () => this.request("payload", session, card, { ...about, paymentProductId });
    let text = payload();
    if (!text) {
      const found = await this.iinDetails(session, card.number, context, options);
      if (found.status !== "supported") {
        throw new CardsealError({ code: "platform_rejected", message: "the platform does not take this card", platform: "online_payments", platformCode: found.status });
      }
      paymentProductId = found.paymentProductId;
      text = payload();
    }
    const { paymentValues } = JSON.parse(text);
    const problems = fields.filter(({ id }) => Object.hasOwn(FIELDS, id)).flatMap((field) =>
      checkField(field, paymentValues.find(({ key }) => key === field.id).value, { now: this.#now }).map((failed) => problem(field.id, failed)));
    if (problems.length) throw new CardsealError({ code: "card_invalid", message: "the card details are not valid", platform: "online_payments", problems });
    return { input: await jwe(await this.publicKey(session, options), text), paymentProductId };
  }

  async #handOver(path, session, card, options) {
    const request = this.handOver(path, session, { raw: null });
    const { input, paymentProductId } = await this.#encrypt(session, card, options);
    request.body = JSON.stringify({ session: session.id, encrypted_customer_input: input, payment_product_id: paymentProductId });
    return request;
  }
}

/** Where the customer has to go now, for 3-D Secure. */
function redirected(outcome) {
  const { url } = outcome.raw?.redirect ?? {};
  return { ...outcome, redirect: /^https?:/.test(url) ? { url } : null };
}
