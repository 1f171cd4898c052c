// Global Payments GP API.

import type { GpApi as Inner } from './cardseal.js';
import { Client } from './client.js';
import { directToken } from './send.js';
import type {
  CardInput,
  CardsealRequest,
  CardToken,
  GpApiAccess,
  GpApiOptions,
  GpApiRequestOptions,
  GpApiSendOptions,
  SendOptions,
  ServerSession,
} from './types.js';

type Session = ServerSession | GpApiAccess;

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
  async tokenize(session: Session, card: CardInput, options?: GpApiSendOptions): Promise<CardToken> {
    const request = this.tokenizeRequest(session, card, options);
    return this.#client.token(session, request, options, ({ status, body }) =>
      directToken(
        'gp_api',
        this.#client.module((inner) => inner.readToken(status, body)),
        body,
      ),
    );
  }

  /** The request that hands the platform's answer to the Cardseal server. */
  confirmTokenRequest(session: ServerSession, token: Pick<CardToken, 'raw'>): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** Hands the platform's answer to the Cardseal server, which verifies the card and stores the lasting token. */
  async confirmToken(session: ServerSession, token: Pick<CardToken, 'raw'>, options?: SendOptions): Promise<CardToken> {
    return this.#client.serverToken(this.confirmTokenRequest(session, token), options);
  }

  /** Frees its part of the module at once instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
