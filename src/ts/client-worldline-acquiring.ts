// Worldline Acquiring.

import type { WorldlineAcquiring as Inner } from './cardseal.js';
import { Client } from './client.js';
import type {
  CardInput,
  CardsealRequest,
  IdempotencyOptions,
  PaymentOutcome,
  SealOptions,
  SendOptions,
  StoredToken,
  WorldlineAcquiringOptions,
  WorldlineAcquiringSession,
} from './types.js';

/**
 * Worldline Acquiring. The platform gives a page nothing to encrypt with: the card is sealed to the merchant's own key,
 * for one session, by the browser's own cryptography, which pages have over `https` (and on this machine) alone. **The
 * merchant's server opens it and sees the card in clear.** `holder` may be empty, and `nickname` is not sent.
 */
export class WorldlineAcquiring {
  readonly #client: Client<Inner>;

  constructor(options?: WorldlineAcquiringOptions) {
    this.#client = new Client('worldline_acquiring', 'WorldlineAcquiring', options);
  }

  /** The sealed card (JWE compact), for a request of your own. It can be used once, and must not be stored. */
  async seal(session: WorldlineAcquiringSession, card: CardInput, options?: SealOptions): Promise<string> {
    return this.#client.later((inner) => inner.seal(session, card, options));
  }

  /** The request that has the card verified and stored. */
  async tokenizeRequest(session: WorldlineAcquiringSession, card: CardInput): Promise<CardsealRequest> {
    return this.#client.later((inner) => inner.tokenizeRequest(session, card));
  }

  /** Has the card verified and stored. What is stored cannot be charged by itself: the platform wants the card again. */
  async tokenize(session: WorldlineAcquiringSession, card: CardInput, options?: SendOptions): Promise<StoredToken> {
    return this.#client.serverToken(await this.tokenizeRequest(session, card), options);
  }

  /** The request that charges the card. */
  async payRequest(
    session: WorldlineAcquiringSession,
    card: CardInput,
    options?: SealOptions & IdempotencyOptions,
  ): Promise<CardsealRequest> {
    return this.#client.later((inner) => inner.payRequest(session, card, options));
  }

  /** Charges the card. A lost answer leaves the outcome unknown: see {@link GreenPay.pay}. */
  async pay(
    session: WorldlineAcquiringSession,
    card: CardInput,
    options?: SealOptions & SendOptions & IdempotencyOptions,
  ): Promise<PaymentOutcome> {
    const request = await this.payRequest(session, card, options);
    return this.#client.serverCharge(request, options);
  }

  /** Frees its part of the module at once instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
