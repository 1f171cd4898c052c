// The types of this platform. The module's generated declarations contain this text.

/** An Online Payments session of the Cardseal server. */
export interface OnlinePaymentsServerSession extends SessionFacts {
  platform: "online_payments";
  /** In relay mode: the platform's own session. */
  clientSessionId?: string;
  customerId?: string;
  clientApiUrl?: string;
  assetUrl?: string | null;
  invalidTokens?: string[];
  /** In direct mode: the platform's form for a frame, or its checkout. */
  hostedTokenizationUrl?: string;
  sri?: string | null;
  redirectUrl?: string;
}

export interface SessionByPlatform {
  online_payments: OnlinePaymentsServerSession;
}

/** Options of {@link OnlinePayments}. */
export interface OnlinePaymentsOptions extends CardOptions {
  /**
   * The hosts that a session's `clientApiUrl` may name: the published hosts of one environment, or the host of a base
   * URL. Default: all published hosts.
   */
  environment?: "sandbox" | "production" | { base: string };
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** What to tell the platform about the browser. Default: the browser that runs the page. */
  device?: Record<string, unknown>;
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** The platform's own session, if your server is not Cardseal's. */
export interface OnlinePaymentsSession {
  clientSessionId: string;
  customerId: string;
  clientApiUrl: string;
}

/** What the platform needs to know about the purchase to choose the products it offers. */
export interface PaymentContext {
  /** ISO 3166 code, two letters. */
  countryCode?: string;
  /** ISO 4217 code. */
  currencyCode?: string;
  /** Minor units: cents, not euros. */
  amount?: number;
  isRecurring?: boolean;
}

/** The key to encrypt cards with. */
export interface OnlinePaymentsKey {
  keyId: string;
  publicKey: string;
}

/** The product that a card belongs to. */
export interface IinDetails {
  status: "supported" | "existing_but_not_allowed" | "unknown" | "not_enough_digits";
  paymentProductId: number | null;
  countryCode: string | null;
  cardType: string | null;
  coBrands: { paymentProductId: number | null; isAllowedInContext: boolean }[];
}

/** A field of a product, as the platform describes it. It may have more members than these. */
export interface ProductField {
  id: string;
  type?: string;
  dataRestrictions?: { isRequired?: boolean; validators?: Record<string, Record<string, unknown> | undefined> };
  displayHints?: { displayOrder?: number; label?: string; mask?: string; obfuscate?: boolean; preferredInputType?: string };
}

/** A product, as the platform describes it. */
export interface PaymentProduct {
  id: number;
  paymentMethod?: string;
  displayHints?: { displayOrder?: number; label?: string; logo?: string };
  fields?: ProductField[];
}

/** Options of {@link OnlinePayments.encrypt}. */
export interface OnlinePaymentsEncryptOptions {
  /**
   * The product that the card belongs to. Without this and `product`, the platform is asked, with the first eight
   * digits.
   */
  paymentProductId?: number;
  /** The product from {@link OnlinePayments.product}. Its validators and its format of the expiry date are applied. */
  product?: PaymentProduct;
  /** Used when the platform is asked for the product. */
  context?: PaymentContext;
}

export interface OnlinePaymentsSendOptions extends OnlinePaymentsEncryptOptions, SendOptions {}
