// Global Payments GP API.

import type { GpApi as Inner } from './cardseal.js';
import { Client, withWarnings } from './client.js';
import { directToken } from './send.js';
import type {
  Authentication,
  AuthenticationBrowser,
  CardInput,
  CardRequest,
  CardsealRequest,
  DirectToken,
  GpApiAccess,
  GpApiOptions,
  GpApiRequestOptions,
  GpApiSendOptions,
  GpApiSession,
  SendOptions,
  StoredToken,
  WithWarnings,
} from './types.js';

type Session = GpApiSession | GpApiAccess;

/**
 * Global Payments GP API. **The card is sent as plain JSON over TLS.** The request that {@link GpApi.tokenizeRequest}
 * returns contains the card number and the security code. Send it only to the platform, never log it, and do not keep
 * it. `nickname` is not sent; `holder` may be empty.
 */
export class GpApi {
  readonly #client: Client<Inner>;

  constructor(options?: GpApiOptions) {
    this.#client = new Client('gp_api', 'GpApi', options);
  }

  /** The request that turns a card into a single-use token. It contains the card in the clear. */
  tokenizeRequest(session: Session, card: CardInput, options?: GpApiRequestOptions): CardRequest {
    return this.#client.with(options, (inner, known) => inner.tokenizeRequest(session, card, known));
  }

  /**
   * Turns a card into a single-use `PMT_…` with masked details. {@link confirmToken} turns that into a stored token.
   */
  async tokenize(session: Session, card: CardInput, options?: GpApiSendOptions): Promise<WithWarnings<DirectToken>> {
    const request = this.tokenizeRequest(session, card, options);
    const { status, body } = await this.#client.send(request, options);
    const read = await this.#client.named(() => this.#client.module((inner) => inner.readToken(status, body)));
    return withWarnings(request, directToken('gp_api', read, body));
  }

  /** The request that submits the platform's answer to the Cardseal server. */
  confirmTokenRequest(session: GpApiSession, token: Pick<DirectToken, 'raw'>): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** Submits the platform's answer to the Cardseal server, which verifies the card and stores the lasting token. */
  async confirmToken(
    session: GpApiSession,
    token: Pick<DirectToken, 'raw'>,
    options?: SendOptions,
  ): Promise<StoredToken> {
    return this.#client.serverToken(
      this.#client.with(options, (inner) => inner.confirmTokenRequest(session, token)),
      options,
    );
  }

  /** The request of {@link initiateAuthentication}. */
  initiateAuthenticationRequest(id: string, browser: AuthenticationBrowser): CardsealRequest {
    return this.#client.module((inner) => inner.initiateAuthenticationRequest(id, browser));
  }

  /**
   * Goes on with an authentication that your back end has begun: the bank decides, or wants to ask the customer. `authenticate`
   * of `cardseal/card-form` makes these calls and shows the bank's pages.
   */
  async initiateAuthentication(
    id: string,
    browser: AuthenticationBrowser,
    options?: SendOptions,
  ): Promise<Authentication> {
    return this.#authentication(
      this.#client.with(options, () => this.initiateAuthenticationRequest(id, browser)),
      options,
    );
  }

  /** The request of {@link authenticationResult}. */
  authenticationResultRequest(id: string): CardsealRequest {
    return this.#client.module((inner) => inner.authenticationResultRequest(id));
  }

  /** Asks what became of an authentication, after the bank's page has sent the customer back. */
  async authenticationResult(id: string, options?: SendOptions): Promise<Authentication> {
    return this.#authentication(
      this.#client.with(options, () => this.authenticationResultRequest(id)),
      options,
    );
  }

  /** Checks what your back end or a call says of an authentication. */
  readAuthentication(answer: unknown): Authentication {
    return this.#client.module((inner) => inner.readAuthentication(answer));
  }

  async #authentication(request: CardsealRequest, options: SendOptions | undefined): Promise<Authentication> {
    const { body } = await this.#client.send(request, options, { own: true });
    return this.readAuthentication(body);
  }

  /** Frees the memory of this object now, instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
