// Worldline Acquiring. The platform gives a page nothing to encrypt with, so the card is sealed to the merchant's own key.

import { validCard } from "./card.js";
import { failure } from "./error.js";
import { PlatformClient, keyed } from "./platform.js";
import { onCurve, seal } from "./seal.js";
import { moment, opened, ownSession } from "./session.js";
import { NOTHING, fits, id, isObject, members, visible } from "./value.js";

export class WorldlineAcquiring extends PlatformClient {
  constructor(options) {
    super("worldline_acquiring", options);
  }

  /** JWE compact, for a server of one's own. */
  async seal(session, card, options) {
    return this.#seal(members(session, "kind").kind === "tokenize" ? "tokenize" : "payment", session, card, options);
  }

  tokenizeRequest(session, card) {
    return this.#handOver("/v1/tokens", "tokenize", session, card);
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, await this.tokenizeRequest(session, card), options);
  }

  async payRequest(session, card, options = {}) {
    return keyed(await this.#handOver("/v1/payments", "payment", session, card, options), options);
  }

  async pay(session, card, options = {}) {
    return this.payment(session, await this.payRequest(session, card, options), options);
  }

  async #handOver(path, kind, session, card, options) {
    const sealed = await this.#seal(kind, session, card, options);
    return this.own(path, { session: members(session, "id").id, sealed });
  }

  async #seal(kind, session, card, options) {
    return this.named((now) => {
      session = opened(session);
      const own = ownSession(session, "worldline_acquiring", kind, now);
      if (!own?.relay) throw failure("session_malformed", "mode");
      const key = sealingKey(session.seal);
      const network_token = networkToken(members(options, "networkToken").networkToken);
      const { number, month, year, cvc, holder } = validCard("worldline_acquiring", false, card, now, !!network_token);
      const payload = { number, expiry: { month, year }, cvc: cvc || undefined, holder: holder || undefined, network_token };
      // The server's own clock is the one that counts.
      const ends = moment(session, "server_expires_at") ?? moment(session, "expires_at");
      return seal(key, id(own.id, "id"), Math.floor(ends / 1000), JSON.stringify(payload));
    });
  }
}

/** The member `seal` of a session: one algorithm, and no choice. */
function sealingKey(given) {
  const { kid, alg, enc, key } = isObject(given) ? given : NOTHING;
  const { kty, crv, x, y } = isObject(key) ? key : NOTHING;
  const known = `${[alg, enc, kty, crv]}` === "ECDH-ES,A256GCM,EC,P-256" && [x, y].every((value) => fits(value, /^[\w-]{43}$/));
  if (!known || typeof kid !== "string" || !onCurve(x, y)) throw failure("session_malformed", "seal");
  return { kid, x, y };
}

/** What comes with the token of a card network. */
function networkToken(given) {
  if (given === undefined || given === null) return undefined;
  const names = ["cryptogram", "eci", "requestorId"];
  given = members(given, ...names);
  const [cryptogram, eci, requestor_id] = names.map((name) => visible(given[name], name));
  if (!cryptogram) throw failure("option_invalid", "cryptogram");
  return { cryptogram, eci, requestor_id };
}
