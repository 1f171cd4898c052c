// GreenPay, generation 1.

import { parts } from "./card.js";
import { call } from "./core.js";
import { readPayment, readToken } from "./greenpay-answer.js";
import { failure } from "./error.js";
import { readKey, useKey } from "./key.js";
import { PlatformClient, keyed, post } from "./platform.js";
import { GREENPAY, sessionUrl } from "./hosts.js";
import { createdAt, fresh, member, opened, ownSession } from "./session.js";
import { choice, flag, id, members, place, text, visible } from "./value.js";

/** How long a session may be used, from the creation of its order. */
const SESSION_MS = 30 * 60_000;

export class GreenPay extends PlatformClient {
  #key;
  #checkout;
  #strict;

  constructor(options) {
    super("greenpay", options);
    const { publicKey, environment, signature } = this.named(() => members(options, "publicKey", "environment", "signature"));
    this.named(() => {
      this.#checkout = place(environment, GREENPAY, "checkout") ?? GREENPAY.sandbox;
      this.#strict = choice(signature, "signature", "required", "warn") === "required";
      this.#key = readKey(publicKey);
    });
  }

  get warnings() {
    const { bits } = this.#key;
    const message = `the RSA key has ${bits} bits; 2048 are recommended`;
    return bits < 2048 ? [{ code: "key_below_2048_bits", bits, message }] : [];
  }

  pack(input, options = {}) {
    return this.named((now) => {
      const { card, token, tokenize, kountSession } = members(input, "card", "token", "tokenize", "kountSession");
      const replaced = text(token, "token");
      const extras = {
        token: replaced !== undefined && id(replaced, "token"), tokenize: flag(tokenize, "tokenize"),
        kount: visible(kountSession, "kountSession"),
      };
      if (extras.token && (extras.kount !== undefined || extras.tokenize !== undefined)) throw failure("option_invalid", "token");
      return this.#pack(card, extras, options, now);
    });
  }

  tokenizeRequest(session, card, options = {}) {
    return this.#request("tokenize", session, card, options);
  }

  async tokenize(session, card, options = {}) {
    return this.#token(session, this.tokenizeRequest(session, card, options), options);
  }

  updateTokenRequest(session, card, options = {}) {
    return this.#request("update", session, card, options);
  }

  async updateToken(session, card, options = {}) {
    return this.#token(session, this.updateTokenRequest(session, card, options), options);
  }

  payRequest(session, card, options = {}) {
    return this.#request("payment", session, card, options);
  }

  async pay(session, card, options = {}) {
    return this.payment(session, this.payRequest(session, card, options), options, (answer) => readPayment(answer, this.#key));
  }

  confirmPaymentRequest(session, outcome, options = {}) {
    return keyed(this.handOver("/v1/payments", session, outcome), options);
  }

  async confirmPayment(session, outcome, options = {}) {
    return this.confirmedPayment(this.confirmPaymentRequest(session, outcome, options), options);
  }

  #token(session, request, options) {
    return this.token(session, request, options, (answer) => readToken(answer, this.#key, this.#strict));
  }

  /** Encrypts. Without `tokenize` and `kount` the card is to become a token, or to take the place of one. */
  #pack(card, extras, options, now) {
    const { token, tokenize, kount } = members(extras, "token", "tokenize", "kount");
    const counter = choice(members(options, "counter").counter, "counter", "byte", "integer", "block");
    const paid = !token && (tokenize !== undefined || kount !== undefined);
    const marked = (text) => (text ? `=${text}` : "");
    useKey(this.#key);
    // A byte of `lk` can be what stands between the parts.
    const [ld, ...lk] = call([
      "pack", counter, paid && !tokenize ? "" : 1, marked(token), paid ? `=${+!!tokenize}` : "", marked(kount),
      ...parts(card, now),
    ]);
    return { ld, lk: btoa(lk.join("\0")) };
  }

  #request(kind, session, card, options) {
    return this.named((now) => {
      session = opened(session);
      options = members(options, "kountSession", "tokenize", "token", "counter", "idempotencyKey");
      const target = this.#target(session, kind, options, now);
      const kount = kind === "payment" ? visible(options.kountSession, "kountSession") : undefined;
      const extras = kind === "payment" ? { kount, tokenize: flag(options.tokenize, "tokenize") ?? false } : {};
      if (kind === "update") {
        const token = text(options.token, "token") ?? text(session.card_token, "card_token");
        if (token === undefined) throw failure("option_invalid", "token");
        extras.token = id(token, "token");
      }
      return target(this.#pack(card, extras, options, now), kount);
    });
  }

  /** Recognises the session and checks its age, before anything is encrypted; what it returns makes the request. */
  #target(session, kind, options, now) {
    const own = ownSession(session, "greenpay", kind, now);
    const created = createdAt(session);
    if (created !== undefined) fresh(created + SESSION_MS, now);
    if (own?.relay) {
      const body = { session: id(own.id, "id") };
      const idempotencyKey = visible(options.idempotencyKey, "idempotencyKey");
      return (packed, kount) =>
        keyed(
          this.own(kind === "payment" ? "/v1/payments" : "/v1/tokens", { ...body, ...packed, kount: kount && true }),
          { idempotencyKey },
        );
    }
    const url = text(session.checkout_url, "checkout_url");
    const base = url === undefined ? this.#checkout : sessionUrl(url, "checkout_url", [this.#checkout, ...Object.values(GREENPAY)]);
    const [order, token] = ["session", "token"].map((name) => id(member(session, name), name));
    return (packed, kount) => {
      const path = { __proto__: null, tokenize: "/tokenize", update: "/tokenize/update" }[kind] ?? (kount ? "/kount" : "/");
      return post(base + path, { session: order, ...packed }, { "liszt-token": token });
    };
  }
}
