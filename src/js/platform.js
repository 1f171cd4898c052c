// What the classes of all platforms have in common.

import { call, fields, part } from "./core.js";
import { CardsealError } from "./error.js";
import { JSON_HEADERS, at, readPayment, readToken, send } from "./send.js";

const wrong = (field, message) => new CardsealError({ code: "type_invalid", message, field });

/** A request that happens once, however often it is sent with this key. */
export function keyed(request, { idempotencyKey }) {
  if (idempotencyKey !== undefined) request.headers["idempotency-key"] = idempotencyKey;
  return request;
}

/** A session whose times are numbers. */
function dated(session) {
  if (!session || typeof session !== "object") return session;
  const time = (value) => (typeof value === "string" ? Date.parse(value) : typeof value === "number" ? Math.floor(value) : value);
  return { ...session, created_at: time(session.created_at), expires_at: time(session.expires_at) };
}

/** One platform: its part of the module, a clock, a way to send, and the merchant's server. */
export class PlatformClient {
  #platform;
  #now;
  #fetch;
  #server;
  #core;

  constructor(platform, given) {
    const { now = Date.now, fetch, ...options } = given ?? {};
    this.#platform = platform;
    this.#now = now;
    this.#fetch = fetch;
    this.#server = options.server ?? "";
    this.#core = part();
    try {
      this.facts = this.call("open", platform, options);
    } catch (error) {
      // Nobody gets this object, and the garbage collector may come late.
      this.free();
      throw error;
    }
  }

  confirmTokenRequest(session, token) {
    return this.handOver("/v1/tokens", session, token);
  }

  async confirmToken(session, token, options = {}) {
    return readToken(await this.send(this.confirmTokenRequest(session, token), options, true));
  }

  free() {
    this.#core?.free();
    this.#core = undefined;
  }

  /** Calls into this platform's part of the module. */
  call(name, ...args) {
    if (!this.#core) throw wrong("this", "the object has been freed");
    return call(name, this.#now(), args, this.#core, this.#platform);
  }

  /** Makes the request that hands over a card. */
  request(name, session, card, options) {
    return this.call(name, dated(session), fields(card), options);
  }

  /** Sends; `own` is a call to the merchant's server. */
  send(request, options, own) {
    return send(request, { ...options, own, fetch: this.#fetch });
  }

  /** The platform's answer, for the merchant's server. */
  handOver(path, session, given) {
    if (typeof session?.id !== "string") throw wrong("session", "only a session of the Cardseal server takes an answer");
    if (given?.raw === undefined) throw wrong("raw", "there is no answer of the platform to hand over");
    const { raw } = given;
    return {
      method: "POST",
      url: at(this.#server, path),
      headers: { ...JSON_HEADERS },
      body: JSON.stringify({ session: session.id, answer: raw }),
    };
  }

  /** Sends what makes a token; relayed, the server answers, else the platform. */
  async token(session, request, options) {
    if (session.mode === "relay") return readToken(await this.send(request, options, true));
    const { status, body } = await this.send(request, options, false);
    return { ...this.call("readToken", status, body), raw: body };
  }

  /** Sends what makes a payment. */
  async payment(session, request, options) {
    const relayed = session.mode === "relay";
    let answer;
    try {
      answer = await this.send(request, options, relayed);
    } catch (error) {
      // What became of the payment is unknown: the same card must not be sent again before somebody has asked.
      if (["request_timeout", "network_failed", "request_aborted"].includes(error.code)) error.retryable = false;
      throw error;
    }
    if (relayed) return readPayment(answer);
    return { ...this.call("readPayment", answer.status, answer.body), raw: answer.body };
  }

  /** Hands over what a payment came to. */
  async confirmedPayment(request, options) {
    return readPayment(await this.send(request, options, true));
  }
}
