// Worldline Online Payments.

import type { OnlinePayments as Inner } from './cardseal.js';
import { Client, withWarnings } from './client.js';
import * as codes from './codes.js';
import type { CardsealError } from './error.js';
import { failure, type Row } from './failure.js';
import { call } from './module.js';
import { fits, isObject, isText, members, onlyKnown, SENDING, textOf } from './read.js';
import type { Answer } from './send.js';
import type {
  CardInput,
  CardRequest,
  CardsealQuery,
  CardsealRequest,
  Formatted,
  IdempotencyOptions,
  IinDetails,
  OnlinePaymentsKey,
  OnlinePaymentsOptions,
  OnlinePaymentsSendOptions,
  OnlinePaymentsServerSession,
  OnlinePaymentsSession,
  PaymentContext,
  PaymentOutcome,
  PaymentProduct,
  ProductField,
  SendOptions,
  StoredToken,
  WithWarnings,
} from './types.js';

type Session = OnlinePaymentsServerSession | OnlinePaymentsSession;
type EncryptOptions = OnlinePaymentsSendOptions & { kind?: 'payment' | 'tokenize'; tokenize?: boolean };

/** Applies the field's mask to typed text. `value` is the text without the mask's decoration. */
export const maskField = (field: ProductField, text: string, caret?: number): Formatted & { value: string } =>
  call('maskField', (mask) => mask(field, text, caret));

/** The names of the validators that an unmasked value fails, or `required`. */
export const checkField = (field: ProductField, value?: string, options?: { now?: () => number }): string[] =>
  call('checkField', (check) => check(field, value, options));

/**
 * Worldline Online Payments (PAYONE E-Payment). The browser's own cryptography (WebCrypto) encrypts the card with the
 * platform's key. WebCrypto needs a page over `https`, or on this machine. `nickname` is not sent.
 */
export class OnlinePayments {
  readonly #client: Client<Inner>;
  /** The platform's answers, by request. */
  readonly #answers = new Map<string, unknown>();

  constructor(options?: OnlinePaymentsOptions) {
    this.#client = new Client('online_payments', 'OnlinePayments', options);
  }

  /** The request for the key to encrypt cards with. */
  publicKeyRequest(session: Session): CardsealQuery {
    return this.#client.module((inner) => inner.publicKeyRequest(session));
  }

  /** Fetches the key, once for each session. Call it early, so that the customer does not have to wait for it. */
  async publicKey(session: Session, options?: SendOptions): Promise<OnlinePaymentsKey> {
    const request = this.#client.with(options, (inner) => inner.publicKeyRequest(session));
    return this.#ask(request, options, ({ status, body }) => {
      const answer = success(status, body);
      return this.#client.module((inner) => inner.readPublicKey(status, answer));
    });
  }

  /** The request for {@link iinDetails}: at most the first eight digits. `null` with fewer than six digits. */
  iinDetailsRequest(session: Session, number: string, context?: PaymentContext): CardsealRequest | null {
    return this.#client.module((inner) => inner.iinDetailsRequest(session, number, context)) ?? null;
  }

  /** The product that a card belongs to. */
  async iinDetails(
    session: Session,
    number: string,
    context?: PaymentContext,
    options?: SendOptions,
  ): Promise<IinDetails> {
    const request = this.#client.with(options, (inner) => inner.iinDetailsRequest(session, number, context));
    if (!request) return { ...NO_DETAILS, status: 'not_enough_digits' };
    return this.#ask(request, options, readIinDetails);
  }

  /** The request for the products that are offered. */
  productsRequest(session: Session, context?: PaymentContext): CardsealQuery {
    return this.#client.module((inner) => inner.productsRequest(session, context));
  }

  /** The products that are offered, without their fields. */
  async products(session: Session, context?: PaymentContext, options?: SendOptions): Promise<PaymentProduct[]> {
    const request = this.#client.with(options, (inner) => inner.productsRequest(session, context));
    const answer = await this.#ask(request, options, whole);
    return (members(answer, 'paymentProducts').paymentProducts ?? []) as PaymentProduct[];
  }

  /** The request for a product with its fields. */
  productRequest(session: Session, id: number, context?: PaymentContext): CardsealQuery {
    return this.#client.module((inner) => inner.productRequest(session, id, context));
  }

  /** A product with its fields. */
  async product(
    session: Session,
    id: number,
    context?: PaymentContext,
    options?: SendOptions,
  ): Promise<PaymentProduct> {
    const request = this.#client.with(options, (inner) => inner.productRequest(session, id, context));
    return this.#ask(request, options, whole) as Promise<PaymentProduct>;
  }

  /**
   * Returns `encryptedCustomerInput` for a payment or a token request of your own back end. It can be used once, and
   * must not be stored.
   */
  async encrypt(session: Session, card: CardInput, options?: EncryptOptions): Promise<string> {
    const [key, known] = await this.#prepared(session, card, options);
    return this.#client.later((inner) => inner.encrypt(session, card, key, known));
  }

  /** The request that turns a card into a token. */
  async tokenizeRequest(
    session: OnlinePaymentsServerSession,
    card: CardInput,
    options?: OnlinePaymentsSendOptions,
  ): Promise<CardRequest> {
    const [key, known] = await this.#prepared(session, card, options, 'tokenize');
    return this.#client.later((inner) => inner.tokenizeRequest(session, card, key, known));
  }

  /** Turns a card into a token. */
  async tokenize(
    session: OnlinePaymentsServerSession,
    card: CardInput,
    options?: OnlinePaymentsSendOptions,
  ): Promise<WithWarnings<StoredToken>> {
    const request = await this.tokenizeRequest(session, card, options);
    return withWarnings(request, await this.#client.serverToken(request, options));
  }

  /** The request that charges a card. */
  async payRequest(
    session: OnlinePaymentsServerSession,
    card: CardInput,
    options?: OnlinePaymentsSendOptions & IdempotencyOptions,
  ): Promise<CardRequest> {
    const [key, known] = await this.#prepared(session, card, options, 'payment');
    return this.#client.later((inner) => inner.payRequest(session, card, key, known));
  }

  /**
   * Charges a card. If the outcome has `redirect`, send the customer there. After a lost answer see
   * {@link GreenPay.pay}.
   */
  async pay(
    session: OnlinePaymentsServerSession,
    card: CardInput,
    options?: OnlinePaymentsSendOptions & IdempotencyOptions,
  ): Promise<WithWarnings<PaymentOutcome>> {
    const request = await this.payRequest(session, card, options);
    return withWarnings(request, redirected(await this.#client.serverCharge(request, options)));
  }

  /** The request for {@link confirmToken}. */
  confirmTokenRequest(session: OnlinePaymentsServerSession): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session));
  }

  /**
   * Stores the card after the customer has submitted the platform's form in a frame. The server asks the platform for
   * it.
   */
  async confirmToken(session: OnlinePaymentsServerSession, options?: SendOptions): Promise<StoredToken> {
    return this.#client.serverToken(
      this.#client.with(options, (inner) => inner.confirmTokenRequest(session)),
      options,
    );
  }

  /** The request for {@link confirmPayment}. `RETURNMAC` is in the query of the page that the customer came back to. */
  confirmPaymentRequest(
    session: Pick<OnlinePaymentsServerSession, 'id'>,
    returned: { RETURNMAC: string },
    options?: IdempotencyOptions,
  ): CardsealRequest {
    return this.#client.with(options, (inner, known) => inner.confirmPaymentRequest(session, returned, known));
  }

  /** Returns the payment after the platform's checkout (`redirectUrl`). See {@link confirmPaymentRequest}. */
  async confirmPayment(
    session: Pick<OnlinePaymentsServerSession, 'id'>,
    returned: { RETURNMAC: string },
    options?: SendOptions & IdempotencyOptions,
  ): Promise<PaymentOutcome> {
    return redirected(
      await this.#client.serverPayment(this.confirmPaymentRequest(session, returned, options), options),
    );
  }

  /** Frees the memory of this object, and forgets what the platform answered. */
  free(): void {
    this.#answers.clear();
    this.#client.free();
  }

  /** Asks the platform only once for the same session, product or first digits. */
  async #ask<Result>(
    request: CardsealQuery | CardsealRequest,
    options: SendOptions | undefined,
    read: (answer: Answer) => Result,
  ): Promise<Result> {
    const name = JSON.stringify(request);
    if (!this.#answers.has(name)) {
      const answer = await this.#client.send(request, options);
      this.#answers.set(name, await this.#client.named(() => read(answer)));
    }
    return this.#answers.get(name) as Result;
  }

  /**
   * The platform's key, and the options with the product that the card belongs to. Session and card are checked first.
   */
  async #prepared<Options extends EncryptOptions>(
    session: Session,
    card: CardInput,
    options: Options | undefined,
    purpose?: 'tokenize' | 'payment',
  ): Promise<[OnlinePaymentsKey, Options]> {
    const sending = members(options, 'signal', 'timeoutMs') as SendOptions;
    let known = onlyKnown(options, (given) => members(given, ...OPTIONS), ...SENDING) as unknown as Options;
    const check = (): CardsealRequest | undefined =>
      this.#client.module((inner) => inner.checkPayload(session, card, known, purpose));
    const request = check();
    if (request) {
      const { status, paymentProductId } = await this.#ask(request, sending, readIinDetails);
      if (status !== 'supported') {
        throw failure(codes.platform_rejected, {
          message: 'the platform does not accept this card',
          platform: 'online_payments',
          platformCode: status,
        });
      }
      known = { ...known, paymentProductId };
      check();
    }
    return [await this.publicKey(session, sending), known];
  }
}

const OPTIONS = ['kind', 'product', 'paymentProductId', 'context', 'tokenize', 'idempotencyKey'] as const;

/** Adds where to send the customer for 3-D Secure. */
function redirected(outcome: PaymentOutcome): PaymentOutcome {
  const { url } = members(members(outcome.raw, 'redirect').redirect, 'url');
  const isSafe = isText(url) && (url.startsWith('https://') || call('isLoopback', (isLoopback) => isLoopback(url)));
  return { ...outcome, redirect: isSafe ? { url } : null };
}

/** The error in an answer of the client API. */
function readError(status: number, body: unknown): CardsealError {
  const { errors } = members(body, 'errors');
  const error = members(Array.isArray(errors) ? errors[0] : undefined, 'errorCode', 'code', 'id', 'message');
  // Some errors have only the older `code`.
  const [code, old, name] = [error.errorCode, error.code, error.id].map(textOf);
  const said = code ?? old ?? name;
  let row: Row = codes.answer_malformed;
  if (status >= 500) row = codes.platform_unavailable;
  else if (status === 403 && old === '9008') row = codes.session_expired;
  else if (status >= 400 && said !== undefined) row = codes.platform_rejected;
  return failure(row, {
    status,
    platformCode: fits(said, /^\w{0,60}$/) ? masked(said) : undefined,
    platformMessage: masked(textOf(error.message)),
  });
}

const masked = (text: string | undefined): string => call('mask', (mask) => mask(text));

/** Returns the body of a successful answer. */
function success(status: number, body: unknown): object {
  if (!(status >= 200 && status < 300 && isObject(body))) throw readError(status, body);
  return body;
}

const whole = ({ status, body }: Answer): unknown => success(status, body);

const NO_DETAILS = { paymentProductId: null, countryCode: null, cardType: null, coBrands: [] };

/** An unknown card is a result, not an error. */
function readIinDetails({ status, body }: Answer): IinDetails {
  if (status === 404 && readError(status, body).code === codes.platform_rejected.code) {
    return { ...NO_DETAILS, status: 'unknown' };
  }
  const answer = members(success(status, body), ...DETAILS);
  const paymentProductId = productIdOf(answer.paymentProductId);
  if (paymentProductId === null) throw failure(codes.answer_malformed, { field: 'paymentProductId', status });
  return {
    status: answer.isAllowedInContext === false ? 'existing_but_not_allowed' : 'supported',
    paymentProductId,
    countryCode: textOf(answer.countryCode) ?? null,
    cardType: textOf(answer.cardType) ?? null,
    coBrands: (Array.isArray(answer.coBrands) ? answer.coBrands : []).map((given: unknown) => {
      const brand = members(given, 'paymentProductId', 'isAllowedInContext');
      return {
        paymentProductId: productIdOf(brand.paymentProductId),
        isAllowedInContext: brand.isAllowedInContext !== false,
      };
    }),
  };
}

const DETAILS = ['paymentProductId', 'countryCode', 'cardType', 'coBrands', 'isAllowedInContext'] as const;
const productIdOf = (value: unknown): number | null => (Number.isSafeInteger(value) ? (value as number) : null);
