// Worldline Acquiring.

import type { WorldlineAcquiring as Inner } from './cardseal.js';
import { Client, withWarnings } from './client.js';
import type {
  CardInput,
  CardRequest,
  IdempotencyOptions,
  PaymentOutcome,
  SealOptions,
  SendOptions,
  StoredToken,
  WithWarnings,
  WorldlineAcquiringOptions,
  WorldlineAcquiringSession,
} from './types.js';

/**
 * Worldline Acquiring. The platform has no key for pages, so the page seals the card to the merchant's own key, for one
 * session. **The merchant's server opens it and sees the card in the clear.** WebCrypto does the sealing; it needs a
 * page over `https`, or on this machine. `holder` may be empty, and `nickname` is not sent.
 */
export class WorldlineAcquiring {
  readonly #client: Client<Inner>;

  constructor(options?: WorldlineAcquiringOptions) {
    this.#client = new Client('worldline_acquiring', 'WorldlineAcquiring', options);
  }

  /** Returns the sealed card (compact JWE), for a request of your own. It can be used once, and must not be stored. */
  async seal(session: WorldlineAcquiringSession, card: CardInput, options?: SealOptions): Promise<string> {
    return this.#client.with(options, (inner, known) => inner.seal(session, card, known));
  }

  /** The request for {@link tokenize}. */
  async tokenizeRequest(session: WorldlineAcquiringSession, card: CardInput): Promise<CardRequest> {
    return this.#client.later((inner) => inner.tokenizeRequest(session, card));
  }

  /** Verifies and stores the card. A stored card cannot be charged alone: the platform needs the card again. */
  async tokenize(
    session: WorldlineAcquiringSession,
    card: CardInput,
    options?: SendOptions,
  ): Promise<WithWarnings<StoredToken>> {
    const request = await this.#client.with(options, (inner) => inner.tokenizeRequest(session, card));
    return withWarnings(request, await this.#client.serverToken(request, options));
  }

  /** The request that charges the card. */
  async payRequest(
    session: WorldlineAcquiringSession,
    card: CardInput,
    options?: SealOptions & IdempotencyOptions,
  ): Promise<CardRequest> {
    return this.#client.with(options, (inner, known) => inner.payRequest(session, card, known));
  }

  /** Charges the card. After a lost answer the outcome is unknown: see {@link GreenPay.pay}. */
  async pay(
    session: WorldlineAcquiringSession,
    card: CardInput,
    options?: SealOptions & SendOptions & IdempotencyOptions,
  ): Promise<WithWarnings<PaymentOutcome>> {
    const request = await this.payRequest(session, card, options);
    return withWarnings(request, await this.#client.serverCharge(request, options));
  }

  /** Frees the memory of this object now, instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
