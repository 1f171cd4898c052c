// GreenPay, generation 1.

import type { GreenPay as Inner } from './cardseal.js';
import { Client } from './client.js';
import { answer_malformed, session_malformed } from './codes.js';
import { failure } from './failure.js';
import { isText, members } from './read.js';
import { directPayment, directToken } from './send.js';
import type {
  CardInput,
  CardRequest,
  CardsealRequest,
  CardToken,
  DirectToken,
  GreenPayOptions,
  GreenPayOrder,
  GreenPayPayOptions,
  GreenPayRequestOptions,
  GreenPaySendOptions,
  GreenPaySession,
  IdempotencyOptions,
  KeyWarning,
  Packed,
  PackInput,
  PackOptions,
  PaymentOutcome,
  SendOptions,
  StoredToken,
  WithWarnings,
} from './types.js';

type Session = GreenPaySession | GreenPayOrder;
type UpdateOptions = { token?: string };

/** GreenPay, generation 1: `ld` (AES-128-CTR) and `lk` (RSA-wrapped key). */
export class GreenPay {
  readonly #client: Client<Inner>;

  /** Reads the key. Throws if it cannot be used. */
  constructor(options: GreenPayOptions) {
    this.#client = new Client('greenpay', 'GreenPay', options);
  }

  /** Warnings about the key. */
  get warnings(): KeyWarning[] {
    return this.#client.module((inner) => inner.warnings);
  }

  /** Encrypts a card without building a request, for your own back end. */
  pack(input: PackInput, options?: PackOptions): Packed {
    return this.#client.with(options, (inner, known) => inner.pack(input, known));
  }

  /** The request that turns a card into a token. */
  tokenizeRequest(session: Session, card: CardInput, options?: GreenPayRequestOptions): CardRequest {
    return this.#client.with(options, (inner, known) => inner.tokenizeRequest(session, card, known));
  }

  /** Turns a card into a token. */
  async tokenize(session: Session, card: CardInput, options?: GreenPaySendOptions): Promise<WithWarnings<CardToken>> {
    return this.#token(session, this.tokenizeRequest(session, card, options), options);
  }

  /**
   * The request for {@link updateToken}. Pass `token` with a {@link GreenPayOrder}; a server session of kind `update`
   * has it.
   */
  updateTokenRequest(session: Session, card: CardInput, options?: GreenPayRequestOptions & UpdateOptions): CardRequest {
    return this.#client.with(options, (inner, known) => inner.updateTokenRequest(session, card, known));
  }

  /** Replaces the card of a stored token. */
  async updateToken(
    session: Session,
    card: CardInput,
    options?: GreenPaySendOptions & UpdateOptions,
  ): Promise<WithWarnings<CardToken>> {
    return this.#token(session, this.updateTokenRequest(session, card, options), options);
  }

  /** The request that charges a card. */
  payRequest(session: Session, card: CardInput, options?: GreenPayRequestOptions & GreenPayPayOptions): CardRequest {
    return this.#client.with(options, (inner, known) => inner.payRequest(session, card, known));
  }

  /**
   * Charges a card. After a timeout, an abort or a broken connection the outcome is unknown; the exception's
   * `retryable` is false. To try again safely, keep the request from {@link payRequest} with its `idempotencyKey` and
   * send that same request: every call encrypts afresh, and the server refuses another body under the same key.
   */
  async pay(
    session: Session,
    card: CardInput,
    options?: GreenPaySendOptions & GreenPayPayOptions,
  ): Promise<WithWarnings<PaymentOutcome>> {
    const request = this.payRequest(session, card, options);
    return this.#client.payment(session, request, options, ({ status, body }) =>
      directPayment(
        'greenpay',
        this.#client.module((inner) => inner.readPayment(status, body)),
        body,
      ),
    );
  }

  /**
   * Where to send the customer, for a session that was opened with a `return_url`: the platform's web form, where the
   * card is typed. Keep the session until the customer is back.
   */
  formUrl(session: GreenPaySession): string {
    return this.#client.module((inner) => inner.formUrl(session));
  }

  /**
   * The token that the platform's web form has made, read from the address that the customer came back to. Pass it to
   * {@link confirmToken}: the address proves nothing.
   */
  returnedToken(session: GreenPaySession, address: string): DirectToken {
    return this.#client.module((inner) => {
      const body = returned(session, address);
      return directToken('greenpay', inner.readToken(200, body), body);
    });
  }

  /** The same for a payment, for {@link confirmPayment}. */
  returnedPayment(session: GreenPaySession, address: string): PaymentOutcome {
    return this.#client.module((inner) => {
      const body = returned(session, address);
      return directPayment('greenpay', inner.readPayment(200, body), body);
    });
  }

  /**
   * In direct mode, after {@link tokenize} or {@link returnedToken}: the request that submits the platform's answer to
   * the Cardseal server.
   */
  confirmTokenRequest(session: GreenPaySession, token: Pick<DirectToken, 'raw'>): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** In direct mode, after {@link tokenize} or {@link returnedToken}: submits the platform's answer to the Cardseal server. */
  async confirmToken(
    session: GreenPaySession,
    token: Pick<DirectToken, 'raw'>,
    options?: SendOptions,
  ): Promise<StoredToken> {
    return this.#client.serverToken(
      this.#client.with(options, (inner) => inner.confirmTokenRequest(session, token)),
      options,
    );
  }

  /**
   * In direct mode, after {@link pay} or {@link returnedPayment}: the request that submits the platform's answer to the
   * Cardseal server.
   */
  confirmPaymentRequest(
    session: GreenPaySession,
    outcome: Pick<PaymentOutcome, 'raw'>,
    options?: IdempotencyOptions,
  ): CardsealRequest {
    return this.#client.with(options, (inner, known) => inner.confirmPaymentRequest(session, outcome, known));
  }

  /** In direct mode, after {@link pay} or {@link returnedPayment}: submits the platform's answer to the Cardseal server. */
  async confirmPayment(
    session: GreenPaySession,
    outcome: Pick<PaymentOutcome, 'raw'>,
    options?: SendOptions & IdempotencyOptions,
  ): Promise<PaymentOutcome> {
    return this.#client.serverPayment(this.confirmPaymentRequest(session, outcome, options), options);
  }

  /** Frees the parsed key now, instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }

  #token(session: Session, request: CardRequest, options: SendOptions | undefined): Promise<WithWarnings<CardToken>> {
    return this.#client.token(session, request, options, ({ status, body }) =>
      directToken(
        'greenpay',
        this.#client.module((inner) => inner.readToken(status, body)),
        body,
      ),
    );
  }
}

/**
 * The answer of the web form: JSON in base64, as the rest of the path that the customer came back to. Base64 may contain
 * slashes, and some servers encode what it contains.
 */
function returned(session: GreenPaySession, address: string): unknown {
  const { return_url } = members(session, 'return_url');
  if (!isText(return_url)) throw failure(session_malformed, { field: 'return_url', platform: 'greenpay' });
  try {
    const { origin, pathname } = new URL(address);
    const back = new URL(return_url);
    const before = `${back.origin}${back.pathname.replace(/\/$/, '')}/`;
    const whole = `${origin}${pathname}`;
    const text = whole.startsWith(before) ? decodeURIComponent(whole.slice(before.length)) : '';
    const bytes = Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw failure(answer_malformed, {
      field: 'address',
      message: "the address does not have the web form's answer after return_url",
      platform: 'greenpay',
    });
  }
}
