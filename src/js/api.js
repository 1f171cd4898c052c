// The public functions and classes over the WebAssembly module. What is here is what only JavaScript can do:
// loading, sending, and turning plain error objects into exceptions.

import init, * as wasm from "./cardseal.js";
import { CardsealError } from "./error.js";
import { readPayment, readToken, send } from "./send.js";

let loading;
let ready = false;

/** Makes `load` for one way of finding the module. */
export function loader(standard) {
  return function load(source) {
    loading ??= (async () => {
      try {
        await init({ module_or_path: source ?? (await standard()) });
        ready = true;
      } catch (cause) {
        loading = undefined;
        throw new CardsealError({ code: "load_failed", message: reason(cause), cause });
      }
    })();
    return loading;
  };
}

function reason(cause) {
  const text = String(cause?.message ?? cause);
  const start = "the WebAssembly module could not be loaded";
  if (typeof WebAssembly === "undefined") return `${start}: this browser has no WebAssembly, or it is switched off`;
  if (/unsafe-eval|content security policy/i.test(text)) {
    return `${start}: the page's Content-Security-Policy needs 'wasm-unsafe-eval' in script-src`;
  }
  if (cause instanceof TypeError && /fetch|network|load/i.test(text)) {
    return `${start}: cardseal_bg.wasm could not be fetched; serve it beside the module, and allow its origin in connect-src`;
  }
  if (/magic|expected|HTML|MIME|content.type/i.test(text)) {
    return `${start}: what was served as cardseal_bg.wasm is not that file; check the path, and that its type is application/wasm`;
  }
  return start;
}

/** Calls into the module and turns what it throws into an exception. */
function call(work, platform) {
  if (!ready) throw new CardsealError({ code: "not_loaded", message: "call and await load() before using the module" });
  try {
    return work();
  } catch (thrown) {
    if (typeof thrown?.code === "string") throw new CardsealError({ platform, ...thrown });
    throw thrown;
  }
}

export const validateCard = (card, { now = Date.now, ...options } = {}) =>
  call(() => wasm.validateCard(card, options, now()));
export const candidateBrands = (number) => call(() => wasm.candidateBrands(number));
export const formatCardNumber = (text, caret) => call(() => wasm.formatCardNumber(text, caret));
export const formatExpiry = (text, caret) => call(() => wasm.formatExpiry(text, caret));
export const formatSecurityCode = (text, caret, number) => call(() => wasm.formatSecurityCode(text, caret, number));
export const formatCardNumberInput = (input) => call(() => wasm.formatCardNumberInput(input));
export const formatExpiryInput = (input) => call(() => wasm.formatExpiryInput(input));
export const formatSecurityCodeInput = (input, number) => call(() => wasm.formatSecurityCodeInput(input, number));

const JSON_HEADERS = { accept: "application/json", "content-type": "application/json" };

export function openSessionRequest({ server = "", platform, kind, mode, customer, token, amount, currency, description } = {}) {
  return {
    method: "POST",
    url: `${server.replace(/\/+$/, "")}/v1/sessions`,
    headers: { ...JSON_HEADERS },
    body: JSON.stringify({ platform, kind, mode, customer, token, amount, currency, description }),
  };
}

export async function openSession(options = {}) {
  const { body } = await send(openSessionRequest(options), { ...options, own: true });
  // From here on the times are this machine's: a shopper's clock may be hours off.
  const now = Date.now();
  return {
    ...body,
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + 1000 * body.expires_in).toISOString(),
  };
}

const greenpay = (work) => call(work, "greenpay");

export class GreenPay {
  #core;
  #now;
  #fetch;
  #server;

  constructor({ now = Date.now, fetch, ...options } = {}) {
    this.#core = greenpay(() => new wasm.GreenPayCore(options));
    this.#now = now;
    this.#fetch = fetch;
    this.#server = options.server ?? "";
  }

  get warnings() {
    const { bits, isShort } = this.#core;
    const message = `the RSA key has ${bits} bits; 2048 are recommended`;
    return isShort ? [{ code: "key_below_2048_bits", bits, message }] : [];
  }

  pack(input, options = {}) {
    return greenpay(() => this.#core.pack(input, options, this.#now()));
  }

  tokenizeRequest(session, card, options = {}) {
    return greenpay(() => this.#core.tokenizeRequest(session, card, options, this.#now()));
  }

  async tokenize(session, card, options = {}) {
    return this.#token(session, this.tokenizeRequest(session, card, options), options);
  }

  updateTokenRequest(session, card, options = {}) {
    return greenpay(() => this.#core.updateTokenRequest(session, card, options, this.#now()));
  }

  async updateToken(session, card, options = {}) {
    return this.#token(session, this.updateTokenRequest(session, card, options), options);
  }

  payRequest(session, card, options = {}) {
    return greenpay(() => this.#core.payRequest(session, card, options, this.#now()));
  }

  async pay(session, card, options = {}) {
    const request = this.payRequest(session, card, options);
    if (session.mode === "relay") return readPayment(await this.#send(request, options, true));
    const { status, body } = await this.#send(request, options, false);
    return { ...greenpay(() => this.#core.readPayment(status, body)), raw: body };
  }

  confirmTokenRequest(session, token) {
    return this.#handOver("/v1/tokens", session, token);
  }

  async confirmToken(session, token, options = {}) {
    return readToken(await this.#send(this.confirmTokenRequest(session, token), options, true));
  }

  confirmPaymentRequest(session, outcome, { idempotencyKey } = {}) {
    const request = this.#handOver("/v1/payments", session, outcome);
    if (idempotencyKey !== undefined) request.headers["idempotency-key"] = idempotencyKey;
    return request;
  }

  async confirmPayment(session, outcome, options = {}) {
    return readPayment(await this.#send(this.confirmPaymentRequest(session, outcome, options), options, true));
  }

  free() {
    this.#core.free();
  }

  #handOver(path, session, { raw }) {
    return {
      method: "POST",
      url: `${this.#server.replace(/\/+$/, "")}${path}`,
      headers: { ...JSON_HEADERS },
      body: JSON.stringify({ session: session.id, answer: raw }),
    };
  }

  async #token(session, request, options) {
    if (session.mode === "relay") return readToken(await this.#send(request, options, true));
    const { status, body } = await this.#send(request, options, false);
    return { ...greenpay(() => this.#core.readToken(status, body)), raw: body };
  }

  #send(request, options, own) {
    return send(request, { ...options, own, fetch: this.#fetch });
  }
}

export { CardsealError };
