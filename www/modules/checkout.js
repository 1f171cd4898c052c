// What happens between a press on Pay and a receipt, without a word about how it looks.

import { platformOf } from './platforms.js';
import { chargeRequest, token as readToken, ServerError, send } from './server.js';
import { codesOf } from './words.js';

const SESSION_GONE = new Set([
  'session_expired',
  'session_used',
  'session_not_found',
  'invalid_session_token',
  'sealed_expired',
  'sealed_key_unknown',
]);
// After these nobody can say from here whether money moved.
const IN_DOUBT = new Set([
  'server_unreachable',
  'network_failed',
  'request_timeout',
  'answer_malformed',
  'module_failed',
  'internal',
  'record_unreadable',
  'platform_answer_invalid',
  'signature_invalid',
]);
// These mean that a request was not looked at. They say nothing of an earlier one with the same key.
const UNREAD = new Set([...IN_DOUBT, 'storage_unavailable', 'platform_busy', 'rate_limited']);
// After a failed session none is opened ahead for this long: not every key is a try.
const QUIET_MS = 20_000;
const SEND = { timeoutMs: 60_000 };

const isOwn = (url) => new URL(url, location.href).origin === location.origin;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const has = (set, error) => codesOf(error).some((code) => set.has(code));

/** The charge was asked for, but its answer did not arrive. `askAgain` repeats the same request with the same key. */
export class InDoubt extends Error {
  constructor(cause, askAgain) {
    super('the outcome of the payment is not known');
    this.name = 'InDoubt';
    this.cause = cause;
    this.askAgain = askAgain;
  }
}

/**
 * One payment that a person means to make. Its key is made once: however often the button is pressed or the
 * request repeated, the money moves once.
 */
export class Intent {
  key = crypto.randomUUID();
  token = null;
  /** `person` are the customer's own details where the platform wants them; `capture` is left out to be paid at once, or `later`. */
  constructor({ platform, amount, currency, description, customer, person, way, capture }) {
    Object.assign(this, { platform, amount, currency, description, customer, person, way, capture });
  }
}

export class Checkout {
  #cardseal;
  #onStep;
  #sessions = new Map();
  #clients = new Map();
  #sent = null;
  #failedAt = -Infinity;

  /** `onStep` is told in a word what is going on: `session`, `seal`, `verify`, `charge`, `confirm`, `renewed`. */
  constructor(cardseal, onStep) {
    this.#cardseal = cardseal;
    this.#onStep = onStep;
  }

  /** Opens a session while the person is still typing. A failure shows when the session is needed. */
  warmUp(options) {
    if (Date.now() - this.#failedAt > QUIET_MS)
      this.#open(options).catch(() => {
        this.#failedAt = Date.now();
      });
  }

  #open(options) {
    const name = JSON.stringify(options);
    if (!this.#sessions.has(name)) {
      const opening = this.#cardseal.openSession({ ...options, ...SEND });
      opening.catch(() => {
        if (this.#sessions.get(name) === opening) this.#sessions.delete(name);
      });
      this.#sessions.set(name, opening);
    }
    return this.#sessions.get(name);
  }

  /** Uses a session once, and another one if the first turns out to be too old. Only for what may be repeated. */
  async #withSession(options, use) {
    for (let renewed = false; ; renewed = true) {
      this.#onStep('session');
      const opening = this.#open(options);
      this.#sessions.delete(JSON.stringify(options));
      const session = await opening;
      const client = this.#client(session);
      try {
        this.#onStep('seal');
        return await use(session, client);
      } catch (error) {
        if (renewed || !has(SESSION_GONE, error)) throw error;
        this.#onStep('renewed');
      } finally {
        if (platformOf(session.platform).clientKey(session) === null) client.free();
      }
    }
  }

  #client(session) {
    const platform = platformOf(session.platform);
    const key = platform.clientKey(session);
    const name = `${platform.id}\n${key}`;
    if (key === null || !this.#clients.has(name)) {
      // The sealed request is kept: after a lost answer the very same one is asked again, not a new one. A request
      // with the card in clear is not kept; it can only make a token, which may be done anew. Nor is what is asked of
      // a platform before: no money moves with it.
      const keeping = (url, init) => {
        const asks =
          init.method === 'GET' ||
          platform.calls?.some(([pattern]) => pattern.test(new URL(url, location.href).pathname));
        if (!asks)
          this.#sent =
            platform.takesClearCard && !isOwn(url)
              ? null
              : {
                  method: init.method,
                  url: String(url),
                  headers: init.headers,
                  body: init.body,
                };
        return fetch(url, init);
      };
      const client = platform.client(this.#cardseal, session, { fetch: keeping });
      if (key === null) return client;
      this.#clients.set(name, client);
    }
    return this.#clients.get(name);
  }

  /** What is worth knowing about the shop's key. */
  get keyWarnings() {
    return [...this.#clients.values()].flatMap((client) => client.warnings ?? []);
  }

  /** Stores a card and gives the shop's token of it. */
  async store(card, { platform, way, customer, person }) {
    return this.#withSession({ platform, kind: 'tokenize', mode: way, customer }, async (session, client) => {
      const made = await client.tokenize(session, card, { ...SEND, person });
      return this.#handedOver(session, client, made);
    });
  }

  /** Puts another card in the place of a stored one. */
  async replace(card, { platform, token, way }) {
    const updated = await this.#withSession({ platform, kind: 'update', mode: way, token }, async (session, client) => {
      const made = await client.updateToken(session, card, SEND);
      return this.#handedOver(session, client, made);
    });
    return updated.id;
  }

  /** What the platform itself answered is for the shop's server to check and keep. */
  async #handedOver(session, client, made) {
    if (session.mode !== 'direct') return made;
    this.#onStep('verify');
    return client.confirmToken(session, made, SEND);
  }

  /** Stores the card, then charges what was stored, or the card again where what was stored charges nothing by itself. */
  async payAndSave(card, intent) {
    if (!intent.token) {
      const stored = await this.store(card, intent);
      intent.token = stored.id;
      if (stored.status === 'unconfirmed') await this.#confirmed(stored.id);
    }
    if (platformOf(intent.platform).cardAgain) return this.payOnce(card, intent);
    return this.charge(intent);
  }

  /** Charges a stored card. */
  async charge(intent) {
    this.#onStep('charge');
    const request = chargeRequest(intent, intent.key);
    try {
      return await settle(() => send(request));
    } catch (error) {
      // A refusal is final, so the next try is another payment and needs a key of its own.
      if (!(error instanceof InDoubt)) intent.key = crypto.randomUUID();
      throw error;
    }
  }

  /** Charges a card that was typed; the payment may refer to a stored one. */
  async payOnce(card, intent) {
    const { platform, amount, currency, description, customer, person, way, capture } = intent;
    const token = intent.token ?? undefined;
    const options = { platform, kind: 'payment', mode: way, amount, currency, capture, description, customer, token };
    return this.#withSession(options, async (session, client) => {
      this.#onStep('charge');
      this.#sent = null;
      let outcome;
      try {
        outcome = await client.pay(session, card, { ...SEND, person, idempotencyKey: intent.key });
      } catch (error) {
        // A browser sends a POST again by itself when a kept connection breaks. Straight at the platform the second
        // one finds the session used: that says nothing about the first, and another session could pay twice.
        const there = this.#sent && !isOwn(this.#sent.url);
        const used = there && error.code === 'platform_rejected' && has(SESSION_GONE, error);
        const sent = this.#sent;
        // What did not even go out moved no money.
        if (sent && (used || has(IN_DOUBT, error) || (there && error.code === 'platform_unavailable'))) {
          throw new InDoubt(error, there ? null : () => settle(() => send(sent), UNREAD));
        }
        intent.key = crypto.randomUUID();
        throw error;
      }
      if (way === 'direct' && outcome.raw && !outcome.id) {
        // The shop did not see this payment. If it cannot be told now, the platform's notification will tell it.
        const told = client.confirmPaymentRequest(session, outcome, { idempotencyKey: intent.key });
        const payment = await settle(() => send(told)).catch(() => null);
        if (payment) return payment;
      }
      return {
        id: outcome.id,
        platform,
        status: outcome.status,
        amount,
        currency,
        token: null,
        order_reference: outcome.orderReference,
        redirect: outcome.redirect,
        authorization: outcome.authorization,
        last4: outcome.last4,
        brand: outcome.brand,
        decline: outcome.decline,
      };
    });
  }

  /** Opens the platform's own page for a payment. It ends at `returnUrl`. */
  async openPage({ platform, amount, currency, description, customer }, returnUrl) {
    this.#onStep('session');
    const request = this.#cardseal.openSessionRequest({
      platform,
      kind: 'payment',
      mode: 'direct',
      amount,
      currency,
      description,
      customer,
    });
    // Where people come back to is the merchant's to say, so the package does not ask.
    return send({ ...request, body: JSON.stringify({ ...JSON.parse(request.body), return_url: returnUrl }) });
  }

  /** Opens the platform's own form for a card that is to be stored. */
  openFrame({ platform, customer }) {
    return this.#cardseal.openSession({ platform, kind: 'tokenize', mode: 'direct', customer, ...SEND });
  }

  /** The shop's token of the card that was typed there. */
  async confirmFrame(session) {
    this.#onStep('verify');
    const client = platformOf(session.platform).client(this.#cardseal, session, {});
    try {
      return await client.confirmToken(session, SEND);
    } finally {
      client.free();
    }
  }

  /** What came of the platform's own page. */
  async confirmPage({ platform, session, key, returned }) {
    this.#onStep('confirm');
    const client = platformOf(platform).client(this.#cardseal, { id: session }, {});
    const request = client.confirmPaymentRequest({ id: session }, returned, { idempotencyKey: key });
    client.free();
    return settle(() => send(request));
  }

  /** A card that came in directly is charged once the platform has confirmed it to the shop. */
  async #confirmed(id) {
    this.#onStep('confirm');
    for (let tries = 0; tries < 12; tries++) {
      if ((await readToken(id)).status !== 'unconfirmed') return;
      await pause(250 + 150 * tries);
    }
  }
}

/** Asks until there is a word: a second press elsewhere may hold the key for a moment. After `doubt` it is still not known. */
async function settle(ask, doubt = IN_DOUBT) {
  for (let tries = 0; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (error.code === 'idempotency_in_progress' && tries < 40) {
        await pause(500);
      } else if (error instanceof ServerError && has(doubt, error)) {
        throw new InDoubt(error, () => settle(ask, UNREAD));
      } else {
        throw error;
      }
    }
  }
}
