// The types of this platform. The module's generated declarations contain this text.

/** A CCBill session of the Cardseal server. */
export interface CcBillSession extends SessionFacts {
  platform: "ccbill";
  /** A token that can only turn a card into a token, and the host to use it at. */
  access_token: string;
  base_url: string;
  /** The front-end application, which CCBill's own script needs, and the account. */
  application_id?: string;
  client_accnum: number;
  client_subacc: number;
  /** The sub-account for payments with 3-D Secure, if there is one. */
  client_subacc_3ds?: number;
  /** The customer's IPv4 address. */
  ip_address?: string;
  /**
   * Only `payment`: the numeric ISO 4217 code, the days paid for, and the limits of the payment token (hours, charges).
   */
  currency_code?: number;
  initial_period?: number;
  time_to_live?: number;
  valid_number_of_use?: number;
}

export interface SessionByPlatform {
  ccbill: CcBillSession;
}

/** Options of {@link CcBill}. */
export interface CcBillOptions extends CardOptions {
  /** The API host. Default: the session's, which must be the platform's published host. */
  environment?: "production" | { base: string };
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** What your own back end provides: an access token of the **front-end** application, and the account. */
export interface CcBillAccess {
  access_token: string;
  base_url?: string;
  client_accnum: number;
  client_subacc: number;
  client_subacc_3ds?: number;
  /** Numeric ISO 4217 code; only for {@link CcBill.threeDsRequired}. */
  currency_code?: number;
  ip_address?: string;
  /** How many hours and charges a payment token is good for. */
  time_to_live?: number;
  valid_number_of_use?: number;
}

/** The cardholder, with the member names of CCBill's own script. ASCII only: the platform refuses anything else. */
export interface CcBillCustomer {
  firstName: string;
  lastName: string;
  email: string;
  postalCode: string;
  /** ISO 3166 code, two capital letters. */
  country: string;
  address1?: string;
  address2?: string;
  city?: string;
  /** One to three characters. */
  state?: string;
  phoneNumber?: string;
  /** IPv4; replaces the session's. */
  ipAddress?: string;
  browserHttpUserAgent?: string;
  browserHttpAccept?: string;
  browserHttpAcceptLanguage?: string;
  browserHttpAcceptEncoding?: string;
}

/** One thing wrong with the customer's details. */
export interface CustomerProblem {
  field: keyof CcBillCustomer;
  code: "missing" | "too_long" | "characters" | "malformed" | "is_card_number";
  /** A sentence in English; translate by `code`. */
  message: string;
}

/** Options of {@link CcBill.createPaymentTokenRequest}. */
export interface CcBillRequestOptions {
  /** Required unless `subscriptionId` is given. */
  customer?: CcBillCustomer;
  /** Whether the bank checks the security code. Default true. If false, the code is not sent and may be missing. */
  verify?: boolean;
  /** Whether the token is for a payment with 3-D Secure, and so for the sub-account of those payments. */
  threeDs?: boolean;
  /** Charges the card of an earlier sale; pass `null` as the card. A string, because a number would lose digits. */
  subscriptionId?: string;
  /** Limits of the token, in hours and charges. Default: the session's, or else practically unlimited. */
  timeToLive?: number;
  numberOfUse?: number;
}

export interface CcBillSendOptions extends CcBillRequestOptions, SendOptions {}

/**
 * A payment token. In `raw`, whole numbers of sixteen or more digits are strings. It says nothing about the card
 * itself.
 */
export interface CcBillToken extends DirectToken {
  /** Digits. */
  subscriptionId: string | null;
}

/** What `authenticateCustomer` of CCBill's script resolves to, with the platform's names. */
export interface CcBillThreeDs {
  status: string;
  success: boolean | "true" | "false";
  eci?: string | null;
  protocolVersion?: string | null;
  amount?: string | number | null;
  /** Numeric ISO 4217 code. */
  currency?: string | number | null;
  clientTransactionId?: string | null;
  dsTransId?: string | null;
  acsTransId?: string | null;
  sdkTransId?: string | null;
  authenticationType?: string | null;
  authenticationValue?: string | null;
  cardToken?: string | null;
  xid?: string | null;
  cavv?: string | null;
  cavvAlgorithm?: string | null;
  error?: string | null;
}

/** What `authenticateCustomerAndCreatePaymentToken` of CCBill's script resolves to. */
export interface CcBillAuthenticated {
  paymentToken: { paymentTokenId: string; clientAccnum: number; clientSubacc: number };
  threedsInformation?: CcBillThreeDs | null;
}

/** Options of {@link CcBill.confirmPayment}. */
export interface CcBillConfirmOptions {
  /** The result of 3-D Secure, if it was required. Only its documented members are sent. */
  threedsInformation?: CcBillThreeDs;
  /** A payment that is sent twice with the same key happens once. 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

/** What the module reads from CCBill's answer to a payment token request. */
export type ReadCcBillToken = ReadToken & Pick<CcBillToken, "subscriptionId">;
