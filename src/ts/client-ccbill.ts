// CCBill's RESTful Transaction API.

import type { CcBill as Inner } from './cardseal.js';
import { Client, withWarnings } from './client.js';
import { call } from './module.js';
import { directToken } from './send.js';
import type {
  CardInput,
  CardRequest,
  CardsealQuery,
  CardsealRequest,
  CcBillAccess,
  CcBillAuthenticated,
  CcBillConfirmOptions,
  CcBillCustomer,
  CcBillOptions,
  CcBillRequestOptions,
  CcBillSendOptions,
  CcBillSession,
  CcBillToken,
  CustomerProblem,
  PaymentOutcome,
  SendOptions,
  StoredToken,
  WithWarnings,
} from './types.js';

type Session = CcBillSession | CcBillAccess;
type Token = Pick<CcBillToken, 'raw'>;

/** Parses JSON with long whole numbers as strings, because numbers would lose their last digits. */
const exactly = (json: string): unknown =>
  JSON.parse(
    json.replace(/"(?:[^"\\]|\\[\s\S])*(?:"|$)|-?\d[\d.eE+-]*/g, (part) =>
      /^-?\d{16,}$/.test(part) ? `"${part}"` : part,
    ),
  );

/** Checks the customer's details and returns every problem. Throws only for values of the wrong type. */
export const checkCustomer = (customer: Partial<CcBillCustomer>): CustomerProblem[] =>
  call('checkCustomer', (check) => check(customer));

/**
 * CCBill's RESTful Transaction API. **The card is sent as plain JSON over TLS.** The request that
 * {@link CcBill.createPaymentTokenRequest} returns contains the card number and the security code. Send it only to the
 * platform, never log it, and do not keep it. `nickname` is not sent.
 */
export class CcBill {
  readonly #client: Client<Inner>;

  constructor(options?: CcBillOptions) {
    this.#client = new Client('ccbill', 'CcBill', options);
  }

  /** The request that turns a card into a payment token. It contains the card in the clear. */
  createPaymentTokenRequest(session: Session, card: CardInput | null, options?: CcBillRequestOptions): CardRequest {
    return this.#client.with(
      options,
      (inner, known) => inner.createPaymentTokenRequest(session, card, known),
      // Nobody has to be named for a card that the platform has.
      'customer',
    );
  }

  /** Turns a card into a payment token. */
  async createPaymentToken(
    session: Session,
    card: CardInput | null,
    options?: CcBillSendOptions,
  ): Promise<WithWarnings<CcBillToken>> {
    const request = this.createPaymentTokenRequest(session, card, options);
    const { status, body } = await this.#client.send(request, options, { parse: exactly });
    const { subscriptionId, ...read } = this.#client.module((inner) => inner.readToken(status, body));
    return withWarnings(request, { ...directToken('ccbill', read, body), subscriptionId });
  }

  /**
   * The request for {@link threeDsRequired}. The platform puts the card's first six and last four digits in the
   * address.
   */
  threeDsRequiredRequest(session: Session, card: CardInput): CardsealQuery {
    return this.#client.module((inner) => inner.threeDsRequiredRequest(session, card));
  }

  /** Whether a payment with this card needs 3-D Secure. */
  async threeDsRequired(session: Session, card: CardInput, options?: SendOptions): Promise<boolean> {
    const { status, body } = await this.#client.send(
      this.#client.with(options, (inner) => inner.threeDsRequiredRequest(session, card)),
      options,
    );
    return this.#client.module((inner) => inner.readThreeDs(status, body));
  }

  /**
   * The request that submits the payment token to the Cardseal server, which reads it from the platform and stores it.
   */
  confirmTokenRequest(session: CcBillSession, token: Token): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** Submits the payment token to the Cardseal server, which reads it from the platform and stores it. */
  async confirmToken(session: CcBillSession, token: Token, options?: SendOptions): Promise<StoredToken> {
    return this.#client.serverToken(
      this.#client.with(options, (inner) => inner.confirmTokenRequest(session, token)),
      options,
    );
  }

  /**
   * The request that submits the payment token, with the result of 3-D Secure, to the Cardseal server, which charges
   * it. Submit a failed authentication too: the server then declines the payment and charges nothing.
   */
  confirmPaymentRequest(
    session: CcBillSession,
    token: Token | CcBillAuthenticated,
    options?: CcBillConfirmOptions,
  ): CardsealRequest {
    return this.#client.with(options, (inner, known) => inner.confirmPaymentRequest(session, token, known));
  }

  /**
   * Submits the payment token to the Cardseal server, which charges it. After a lost answer the outcome is unknown: see
   * {@link GreenPay.pay}. A token that is sent twice is charged once.
   */
  async confirmPayment(
    session: CcBillSession,
    token: Token | CcBillAuthenticated,
    options?: CcBillConfirmOptions & SendOptions,
  ): Promise<PaymentOutcome> {
    const request = this.confirmPaymentRequest(session, token, options);
    return this.#client.serverCharge(request, options);
  }

  /** Frees the memory of this object now, instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
