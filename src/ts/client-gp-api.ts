// Global Payments GP API.

import type { GpApi as Inner } from './cardseal.js';
import { Client } from './client.js';
import { directToken } from './send.js';
import type {
  CardInput,
  CardsealRequest,
  DirectToken,
  GpApiAccess,
  GpApiOptions,
  GpApiRequestOptions,
  GpApiSendOptions,
  GpApiSession,
  SendOptions,
  StoredToken,
} from './types.js';

type Session = GpApiSession | GpApiAccess;

/**
 * Global Payments GP API. **This platform's format is clear JSON over TLS:** the request that {@link GpApi.tokenizeRequest}
 * returns holds the card number and the security code. Send it to the platform and nowhere else, never log it, and drop it.
 * `nickname` is not sent; `holder` may be empty.
 */
export class GpApi {
  readonly #client: Client<Inner>;

  constructor(options?: GpApiOptions) {
    this.#client = new Client('gp_api', 'GpApi', options);
  }

  /** The request that makes a single-use token of a card. It holds the card in clear. */
  tokenizeRequest(session: Session, card: CardInput, options?: GpApiRequestOptions): CardsealRequest {
    return this.#client.module((inner) => inner.tokenizeRequest(session, card, options));
  }

  /** A single-use `PMT_…` and masked details; {@link confirmToken} makes a lasting token of it. */
  async tokenize(session: Session, card: CardInput, options?: GpApiSendOptions): Promise<DirectToken> {
    const { status, body } = await this.#client.send(this.tokenizeRequest(session, card, options), options);
    return this.#client.named(() =>
      directToken(
        'gp_api',
        this.#client.module((inner) => inner.readToken(status, body)),
        body,
      ),
    );
  }

  /** The request that hands the platform's answer to the Cardseal server. */
  confirmTokenRequest(session: GpApiSession, token: Pick<DirectToken, 'raw'>): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** Hands the platform's answer to the Cardseal server, which verifies the card and stores the lasting token. */
  async confirmToken(
    session: GpApiSession,
    token: Pick<DirectToken, 'raw'>,
    options?: SendOptions,
  ): Promise<StoredToken> {
    return this.#client.serverToken(this.confirmTokenRequest(session, token), options);
  }

  /** Frees its part of the module at once instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
