// What happens between a press on Pay and a receipt, without a word about how it looks.

import { noteCard } from './keeping.js';
import { platformOf } from './platforms.js';
import { chargeRequest, token as readToken, ServerError, send } from './server.js';
import { codesOf } from './words.js';

const SESSION_GONE = new Set(['session_expired', 'session_used', 'session_not_found', 'invalid_session_token']);
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
const UNREAD = new Set([...IN_DOUBT, 'storage_unavailable', 'outbox_full', 'platform_busy', 'rate_limited']);
const SEND = { timeoutMs: 60_000 };

const isOwn = (url) => new URL(url, location.href).origin === location.origin;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const has = (set, error) => codesOf(error).some((code) => set.has(code));

/** The charge was asked for, but its answer did not arrive. `askAgain` repeats the same request with the same key; the form does it itself where it `needsCard`. */
export class InDoubt extends Error {
  constructor(cause, askAgain, needsCard = false) {
    super('the outcome of the payment is not known');
    this.name = 'InDoubt';
    this.cause = cause;
    this.askAgain = askAgain;
    this.needsCard = needsCard;
  }
}

/**
 * One payment that a person means to make. Its key is made once: however often the button is pressed or the
 * request repeated, the money moves once.
 */
export class Intent {
  key = crypto.randomUUID();
  token = null;
  /**
   * `capture` is left out to be paid at once, or `later`; `keeps` says whether the card is saved if it is paid with, and
   * `saved` are the tokens of those that are.
   */
  constructor({ platform, amount, currency, description, order, customer, way, capture, keeps = false, saved = [] }) {
    Object.assign(this, { platform, amount, currency, description, order, customer, way, capture, keeps, saved });
  }
}

export class Checkout {
  #cardseal;
  #card;
  #onStep;
  #sent = null;

  /** `card` is the form; `onStep` is told in a word what is going on: `session`, `seal`, `verify`, `charge`, `confirm`. */
  constructor(cardseal, card, onStep) {
    this.#cardseal = cardseal;
    this.#card = card;
    this.#onStep = onStep;
  }

  openSession(options) {
    return this.#cardseal.openSession({ ...options, ...SEND });
  }

  /**
   * Is told of every request before it goes out. One that charges is kept: after a lost answer the very same one is
   * asked again, not a new one. What is asked of a platform before moves no money.
   */
  sending({ method, url, headers, body }) {
    const own = isOwn(url);
    const path = new URL(url, location.href).pathname;
    const asks = own ? path !== '/v1/payments' : this.#asks?.some(([pattern]) => pattern.test(path));
    if (method === 'POST' && !asks) this.#sent = { method, url, headers, body };
  }
  #asks = null;

  /** Stores the card in the form, or replaces a stored one, as its session says. */
  async store() {
    this.#onStep('seal');
    return this.#card.store();
  }

  /** Stores the card, then charges what was stored, or the card again where what was stored charges nothing by itself. */
  async storeAndPay(intent) {
    this.#onStep('seal');
    const again = platformOf(intent.platform).cardAgain === true;
    const stored = await this.#card.store({ keep: again });
    intent.token = stored.id;
    noteCard(stored.id, intent);
    if (stored.status === 'unconfirmed') await this.#confirmed(stored.id);
    return again ? this.payOnce(intent) : this.charge(intent);
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

  /** Charges the card in the form. The payment may refer to a stored one: the form's session says so. */
  async payOnce(intent) {
    this.#onStep('charge');
    const { calls = null, authenticate, takesClearCard } = platformOf(intent.platform);
    this.#sent = null;
    this.#asks = calls;
    let outcome;
    try {
      outcome = await this.#card.pay({ authenticate });
    } catch (error) {
      throw this.#doubt(error, takesClearCard !== undefined, intent) ?? error;
    }
    return paymentOf(outcome, intent);
  }

  /** What to make of a payment that failed without a word about the money; null if none moved. */
  #doubt(error, isClear, intent) {
    // What is sent in a frame this page does not see. The form itself knows, and asks again without charging twice.
    if (this.#card.isolated) {
      if (!has(IN_DOUBT, error)) return null;
      const askAgain = async () => paymentOf(await this.#card.payAgain(), intent);
      return new InDoubt(error, () => askAgain().catch((again) => this.#again(again, askAgain)), true);
    }
    const sent = this.#sent;
    const there = sent && !isOwn(sent.url);
    // A request with the card in clear can only make a token. What did not even go out moved no money.
    if (!sent || (there && isClear)) return null;
    // A browser sends a POST again by itself when a kept connection breaks. Straight at the platform the second one
    // finds the session used: that says nothing about the first, and another session could pay twice.
    const used = there && error.code === 'platform_rejected' && has(SESSION_GONE, error);
    if (!used && !has(IN_DOUBT, error) && !(there && error.code === 'platform_unavailable')) return null;
    return new InDoubt(error, there ? null : () => settle(() => send(sent), UNREAD));
  }

  #again(error, askAgain) {
    if (!has(UNREAD, error)) throw error;
    throw new InDoubt(error, () => askAgain().catch((again) => this.#again(again, askAgain)), true);
  }

  /** Opens the platform's own page for a payment. It ends at `returnUrl`. */
  async openPage({ platform, amount, currency, description, order, customer }, returnUrl) {
    this.#onStep('session');
    const request = this.#cardseal.openSessionRequest({
      platform,
      kind: 'payment',
      mode: 'direct',
      amount,
      currency,
      description,
      orderReference: order,
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
    const client = await platformOf(session.platform).client();
    try {
      return await client.confirmToken(session, SEND);
    } finally {
      client.free();
    }
  }

  /** What came of the platform's own page. */
  async confirmPage(note) {
    this.#onStep('confirm');
    const request = await platformOf(note.platform).confirmRequest(note);
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

/** An outcome as the server tells of payments. */
const paymentOf = (outcome, { platform, amount, currency, token }) => ({
  id: outcome.id,
  platform,
  status: outcome.status,
  amount,
  currency,
  token,
  order_reference: outcome.orderReference,
  redirect: outcome.redirect,
  authorization: outcome.authorization,
  last4: outcome.last4,
  brand: outcome.brand,
  decline: outcome.decline,
});

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
