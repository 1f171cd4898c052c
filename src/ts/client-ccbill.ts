// CCBill's RESTful Transaction API.

import type { CcBill as Inner } from './cardseal.js';
import { Client } from './client.js';
import { call } from './module.js';
import { directToken } from './send.js';
import type {
  CardInput,
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
} from './types.js';

type Session = CcBillSession | CcBillAccess;
type Token = Pick<CcBillToken, 'raw'>;

/** JSON whose long whole numbers become texts: as numbers they would lose their last digits. */
const exactly = (json: string): unknown =>
  JSON.parse(
    json.replace(/"(?:[^"\\]|\\[\s\S])*(?:"|$)|-?\d[\d.eE+-]*/g, (part) =>
      /^-?\d{16,}$/.test(part) ? `"${part}"` : part,
    ),
  );

/** Everything wrong with the customer's details. Throws only for values of the wrong type. */
export const checkCustomer = (customer: Partial<CcBillCustomer>): CustomerProblem[] =>
  call('checkCustomer', (check) => check(customer));

/**
 * CCBill's RESTful Transaction API. **This platform's format is clear JSON over TLS:** the request that
 * {@link CcBill.createPaymentTokenRequest} returns holds the card number and the security code. Send it to the platform and
 * nowhere else, never log it, and drop it. `nickname` is not sent.
 */
export class CcBill {
  readonly #client: Client<Inner>;

  constructor(options?: CcBillOptions) {
    this.#client = new Client('ccbill', 'CcBill', options);
  }

  /** The request that makes a payment token of a card. It holds the card in clear. */
  createPaymentTokenRequest(session: Session, card: CardInput | null, options?: CcBillRequestOptions): CardsealRequest {
    return this.#client.module((inner) => inner.createPaymentTokenRequest(session, card, options));
  }

  /** Makes a payment token of a card. */
  async createPaymentToken(
    session: Session,
    card: CardInput | null,
    options?: CcBillSendOptions,
  ): Promise<CcBillToken> {
    const request = this.createPaymentTokenRequest(session, card, options);
    const { status, body } = await this.#client.send(request, options, { parse: exactly });
    const { subscriptionId, ...read } = this.#client.module((inner) => inner.readToken(status, body));
    return { ...directToken('ccbill', read, body), subscriptionId };
  }

  /** The platform's format has the first six and the last four digits of the card in the address. */
  threeDsRequiredRequest(session: Session, card: CardInput): CardsealQuery {
    return this.#client.module((inner) => inner.threeDsRequiredRequest(session, card));
  }

  /** Whether the card has to be authenticated. */
  async threeDsRequired(session: Session, card: CardInput, options?: SendOptions): Promise<boolean> {
    const { status, body } = await this.#client.send(this.threeDsRequiredRequest(session, card), options);
    return this.#client.module((inner) => inner.readThreeDs(status, body));
  }

  /** The request that hands the payment token to the Cardseal server, which asks the platform for it and stores it. */
  confirmTokenRequest(session: CcBillSession, token: Token): CardsealRequest {
    return this.#client.module((inner) => inner.confirmTokenRequest(session, token));
  }

  /** Hands the payment token to the Cardseal server, which asks the platform for it and stores it. */
  async confirmToken(session: CcBillSession, token: Token, options?: SendOptions): Promise<StoredToken> {
    return this.#client.serverToken(this.confirmTokenRequest(session, token), options);
  }

  /**
   * Hands the payment token to the Cardseal server, which charges it, with what came of 3-D Secure. An authentication that
   * failed is handed over, too: the server declines the payment and charges nothing.
   */
  confirmPaymentRequest(
    session: CcBillSession,
    token: Token | CcBillAuthenticated,
    options?: CcBillConfirmOptions,
  ): CardsealRequest {
    return this.#client.module((inner) => inner.confirmPaymentRequest(session, token, options));
  }

  /** A lost answer leaves the outcome unknown: see {@link GreenPay.pay}. The same token handed over again is charged once. */
  async confirmPayment(
    session: CcBillSession,
    token: Token | CcBillAuthenticated,
    options?: CcBillConfirmOptions & SendOptions,
  ): Promise<PaymentOutcome> {
    const request = this.confirmPaymentRequest(session, token, options);
    return this.#client.serverCharge(request, options);
  }

  /** Frees its part of the module at once instead of at garbage collection. */
  free(): void {
    this.#client.free();
  }
}
