// What the classes of all platforms have in common.

import { loaded } from "./core.js";
import { CardsealError } from "./error.js";
import { JSON_HEADERS, at, readPayment, readToken, send } from "./send.js";
import { baseUrl, members, text } from "./value.js";

const wrong = (field, message) => new CardsealError({ code: "type_invalid", message, field });

/** A request that happens once, however often it is sent with this key. */
export function keyed(request, options) {
  const { idempotencyKey } = members(options, "idempotencyKey");
  if (idempotencyKey !== undefined) request.headers["idempotency-key"] = idempotencyKey;
  return request;
}

export const post = (url, body, headers) => ({ method: "POST", url, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) });

/**
 * The answer to what charges. Without one it is unknown what became of the payment: the same must not be sent again before
 * somebody has asked.
 */
export const once = (sent) => sent.catch((error) => {
  if (["request_timeout", "network_failed", "request_aborted"].includes(error.code)) error.retryable = false;
  throw error;
});

/** One platform: a clock, a way to send, and the merchant's server. */
export class PlatformClient {
  #platform;
  #now;
  #fetch;
  #server;
  #freed;

  constructor(platform, given) {
    const { now = Date.now, fetch, server } = members(given, "now", "fetch", "server");
    loaded();
    this.#platform = platform;
    this.#now = now;
    this.#fetch = fetch;
    this.#server = this.named(() => baseUrl(text(server, "server") ?? "", "server", undefined, true));
  }

  confirmTokenRequest(session, token) {
    return this.handOver("/v1/tokens", session, token);
  }

  async confirmToken(session, token, options = {}) {
    return readToken(await this.send(this.confirmTokenRequest(session, token), options, true));
  }

  free() {
    this.#freed = true;
  }

  /** Does `work` with the time; the platform is named in what it throws. */
  named(work) {
    const name = (error) => {
      if (error instanceof CardsealError && !Object.hasOwn(error, "platform")) error.platform = this.#platform;
      throw error;
    };
    if (this.#freed) throw wrong("this", "the object has been freed");
    try {
      const done = work(this.#now());
      return done instanceof Promise ? done.catch(name) : done;
    } catch (error) {
      return name(error);
    }
  }

  /** Sends; `own` is a call to the merchant's server, `parse` what reads JSON in place of `JSON.parse`. */
  send(request, options, own, parse) {
    return send(request, { __proto__: null, ...members(options, "signal", "timeoutMs"), own, fetch: this.#fetch, parse });
  }

  /** A request to the merchant's server. */
  own(path, body) {
    return post(at(this.#server, path), body);
  }

  /** The platform's answer, for the merchant's server. */
  handOver(path, session, given) {
    const { id } = members(session, "id");
    const { raw } = members(given, "raw");
    if (typeof id !== "string") throw wrong("session", "only a session of the Cardseal server takes an answer");
    if (raw === undefined) throw wrong("raw", "there is no answer of the platform to hand over");
    return this.own(path, { session: id, answer: raw });
  }

  /** Sends what makes a token; relayed, the server answers, else the platform, whose answer `read` reads. */
  async token(session, request, options, read) {
    const relayed = members(session, "mode").mode === "relay";
    const answer = await this.send(request, options, relayed);
    return relayed ? readToken(answer) : this.named(() => read(answer));
  }

  /** Sends what makes a payment. */
  async payment(session, request, options, read) {
    const relayed = members(session, "mode").mode === "relay";
    const answer = await once(this.send(request, options, relayed));
    return relayed ? readPayment(answer) : this.named(() => read(answer));
  }

  /** Hands over what a payment came to. */
  async confirmedPayment(request, options) {
    return readPayment(await this.send(request, options, true));
  }
}

