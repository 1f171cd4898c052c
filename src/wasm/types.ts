// The types of what a page passes in and gets back. The module's generated declarations contain this text.

/** Month 1 to 12; year with two or four digits (two mean 2000 to 2099). */
export interface Expiry {
  month: number;
  year: number;
}

/**
 * What the customer typed. Only own members are read, here and in every other object that you pass in. Members of a
 * prototype, such as a getter of a class, are not.
 */
export interface CardInput {
  /** The card number. Spaces and hyphens are fine. A string, never a number. */
  number: string;
  /** `12/30`, `12/2030`, `1230`, or an object with month and year. */
  expiry: string | Expiry;
  /** Three digits, four for American Express. */
  cvc: string;
  /** The name on the card. */
  holder: string;
  /** The customer's own name for the card, 6 to 49 characters. Only GreenPay uses it. Default `Visa 4242`. */
  nickname?: string;
}

/** The fields of a {@link CardInput}. */
export type CardField = "number" | "expiry" | "cvc" | "holder" | "nickname";

/** One thing wrong with a card. */
export interface Problem {
  field: CardField;
  code: ProblemCode;
  /** A sentence in English; translate by `code`. */
  message: string;
}

/** The result of {@link validateCard}. */
export interface Validation {
  /** Whether there are no problems. Warnings do not count. */
  valid: boolean;
  /** Every brand that fits the number, most specific first. */
  brands: Brand[];
  /** Everything that stops the card, in the order of the fields. */
  problems: Problem[];
  /** What looks like a typo but stops nothing: a wrong check digit, where some real or test cards have one. */
  warnings: Problem[];
}

/** The result of a call that took a card, with the warnings about that card. Most cards have none. */
export type WithWarnings<Result> = Result & { warnings: Problem[] };

/** How strictly cards are checked. */
export interface CardOptions {
  /**
   * Whether warnings are problems: a card with a warning is refused with `card_invalid`, and nothing is sent. Default
   * false.
   */
  strict?: boolean;
}

/** Options of {@link validateCard}. */
export interface ValidateOptions extends CardOptions {
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Also applies this platform's rules, for example for GreenPay's nickname. */
  platform?: Platform;
  /** What the card is for. Default `tokenize`. */
  kind?: "tokenize" | "update" | "payment";
  /** Allows a missing security code. A code that is there is still checked. */
  cvcOptional?: boolean;
}

/** Formatted text, and where the caret belongs in it. */
export interface Formatted {
  text: string;
  caret: number;
}

/**
 * A request as a plain value. It may contain a card. Send it with
 * `fetch(request.url, { ...request, redirect: "error" })`, so that no redirect can take the card elsewhere.
 */
export interface CardsealRequest {
  method: "GET" | "POST" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** A request that contains a card. `fetch` ignores `warnings`. */
export type CardRequest = WithWarnings<CardsealRequest>;

/** Options of every call that sends something. */
export interface SendOptions {
  signal?: AbortSignal;
  /** Default 30 000; 0 means no timeout. */
  timeoutMs?: number;
}

/** What every session of the Cardseal server has (`POST /v1/sessions`). */
export interface SessionFacts {
  /** The server's id of the session (`ses_…`). */
  id: string;
  kind: "tokenize" | "update" | "payment";
  /** `relay`: the page sends the encrypted card to the server. `direct`: it sends the card to the platform. */
  mode: "relay" | "direct";
  /** ISO 8601, like `expires_at`. */
  created_at: string;
  expires_at: string;
  /** Seconds from `created_at` to `expires_at`. */
  expires_in: number;
  /** `expires_at` by the server's clock. {@link openSession} converts `expires_at` itself to this machine's clock. */
  server_expires_at?: string;
  /** Only `payment`: decimal text. */
  amount?: string;
  /** Only `payment`: ISO 4217 code. */
  currency?: string;
  /** Only `payment`: the merchant's reference. */
  order_reference?: string;
}

/** A GreenPay session of the Cardseal server. */
export interface GreenPaySession extends SessionFacts {
  platform: "greenpay";
  /** The merchant's public key. */
  public_key: string;
  /** Only `update`: the platform's id of the stored card. */
  card_token?: string;
  /** Only in direct mode: the platform's session, its token and its host. */
  session?: string;
  token?: string;
  checkout_url?: string;
}

/** A GP API session of the Cardseal server. */
export interface GpApiSession extends SessionFacts {
  platform: "gp_api";
  /** A token that can only turn a card into a token, and the host to use it at. */
  access_token: string;
  base_url: string;
  reference?: string;
  account_name?: string;
}

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

/** A Worldline Acquiring session of the Cardseal server. */
export interface WorldlineAcquiringSession extends SessionFacts {
  platform: "worldline_acquiring";
  /** The merchant's own key; the page seals the card to it. */
  seal: SealingKey;
}

/** A session as the Cardseal server returns it. `platform` says which one it is. */
export type ServerSession =
  | GreenPaySession
  | GpApiSession
  | CcBillSession
  | OnlinePaymentsServerSession
  | WorldlineAcquiringSession;

/** A public key of the merchant's server, with the only algorithms to use it with. */
export interface SealingKey {
  kid: string;
  alg: "ECDH-ES";
  enc: "A256GCM";
  key: { kty: "EC"; crv: "P-256"; x: string; y: string };
}

/** The platform's own order, if your server is not Cardseal's. */
export interface GreenPayOrder {
  session: string;
  /** Sent as the header `liszt-token`. */
  token: string;
  /** When the order was made (ISO 8601, or milliseconds since 1970). Without it, the order's age is not checked. */
  created_at?: string | number;
}

/**
 * Options for a session that a page opens. A session for a payment has an amount, so your back end opens that, with its
 * API key, and passes it to the page.
 */
export interface OpenSessionOptions<Which extends Platform = Platform> extends SendOptions {
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** Needed if the server has more than one platform. It also gives the session the type of its platform. */
  platform?: Which;
  /** Default `tokenize`. */
  kind?: "tokenize" | "update";
  /**
   * Default: the platform's. `relay` sends the encrypted card through the server, `direct` sends the card to the
   * platform.
   */
  mode?: "relay" | "direct";
  /** The merchant's reference for the customer. */
  customer?: string;
  /** Only `update`: the server's id (`tok_…`) of the stored card. */
  token?: string;
  /** Only Online Payments in direct mode: the language of the platform's page, for example `de_DE`. */
  locale?: string;
}

/** Options of {@link GreenPay}. */
export interface GreenPayOptions extends CardOptions {
  /** PEM, bare base64 or hex of the merchant's RSA public key (SPKI or PKCS#1). */
  publicKey: string | undefined;
  /**
   * The checkout host, for direct mode. Default `sandbox`. A session may name any of the platform's published hosts,
   * and beyond them only the host that you name here.
   */
  environment?: "sandbox" | "production" | { checkout: string };
  /** Base URL of the Cardseal server, for relay mode. Default: the page's own origin. */
  server?: string;
  /**
   * Whether a token answer in direct mode must have a valid signature. Default `required`. The signature covers only
   * `status` and `requestId`: it never proves the token.
   */
  signature?: "required" | "warn";
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** A warning about a key. */
export interface KeyWarning {
  code: "key_below_2048_bits";
  bits: number;
  message: string;
}

/** Options of {@link GreenPay.pack}. */
export interface PackOptions {
  /**
   * The form of the counter `s`. `byte` (default) is one integer from 0 to 254, as every known client sends it.
   * `integer` goes up to 2147483647. `block` is all 16 bytes and needs a key of more than 1024 bits.
   */
  counter?: "byte" | "integer" | "block";
}

/** The result of {@link GreenPay.pack}. */
export interface Packed {
  /** The encrypted card, in lower-case hex. */
  ld: string;
  /** The wrapped key, in base64. */
  lk: string;
}

/** The card and what goes with it, for {@link GreenPay.pack}. */
export interface PackInput {
  card: CardInput;
  /** The card token to update. */
  token?: string;
  /** Only for a payment: also store the card as a token. */
  tokenize?: boolean;
  /** Only for a payment: the session id of the Kount collector. */
  kountSession?: string;
}

/** What is known about a card that became a token. */
export interface TokenFacts {
  platform: Platform;
  brand: string | null;
  /** The first six or eight digits. */
  bin: string | null;
  last4: string | null;
  expiry: Expiry | null;
  holder: string | null;
  nickname: string | null;
  /** The whole answer, unknown fields included. */
  raw: unknown;
}

/** A token that the Cardseal server has stored and can charge. */
export interface StoredToken extends TokenFacts {
  id: `tok_${string}`;
  /** `unconfirmed`: only a page has vouched for it. It becomes `active` when the platform confirms it to the server. */
  status: "active" | "unconfirmed";
  signature: null;
}

/**
 * The platform's own answer, which only this page has seen. Call `confirmToken` to turn it into a {@link StoredToken}.
 */
export interface DirectToken extends TokenFacts {
  /** The platform's token. */
  id: string;
  status: "unconfirmed";
  /** GreenPay: the platform's signature, which covers only `status` and `requestId`. */
  signature: Signature | null;
}

export type CardToken = StoredToken | DirectToken;

/** Whether the signature of an answer is valid, and which fields it covers. */
export interface Signature {
  verified: boolean;
  signedFields: string[];
}

/** Statuses that only the server's answer to a repeated request can have, if the payment has moved on since. */
export type ServerPaymentStatus =
  | "authorized" | "failed" | "voided" | "refunded" | "partially_refunded"
  | "capture_unknown" | "void_unknown" | "refund_unknown";

/** The outcome of a payment. */
export interface PaymentOutcome {
  /** The server's id (`pay_…`) in relay mode, otherwise null. */
  id: string | null;
  platform: Platform;
  /** `unknown`: the outcome is not known yet. Ask your server for it; do not pay again. */
  status: "approved" | "declined" | "unknown" | ServerPaymentStatus;
  orderReference: string | null;
  authorization: string | null;
  brand: string | null;
  last4: string | null;
  /** `reason` is always there. `message` is the platform's own, if it has one. */
  decline: { code: string | null; reason: string; message: string | null } | null;
  /** Only Online Payments: send the customer there. The payment is `unknown` until they have finished there. */
  redirect?: { url: string } | null;
  signature: Signature | null;
  raw: unknown;
}

export interface GreenPayRequestOptions extends PackOptions {}

export interface GreenPaySendOptions extends PackOptions, SendOptions {}

/** Options of {@link GreenPay.pay}. */
export interface GreenPayPayOptions {
  /** The session id of the Kount collector. With it the request goes to `/kount`, without it to `/`. */
  kountSession?: string;
  /** Also store the card as a token. */
  tokenize?: boolean;
  /** Only in relay mode: a payment that is sent twice happens once. 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

/** Options of {@link GpApi}. */
export interface GpApiOptions extends CardOptions {
  /** The API host. Default: the session's, which must be one of the platform's published hosts. */
  environment?: "sandbox" | "production" | "sandbox_eu" | "production_eu" | { base: string };
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** An access token from your own back end, made with the permission `PMT_POST_Create_Single` and no other. */
export interface GpApiAccess {
  access_token: string;
  /** Your reference for the payment method. Default: a random one. */
  reference?: string;
  base_url?: string;
  account_name?: string;
}

/** Options of {@link GpApi.tokenizeRequest}. */
export interface GpApiRequestOptions {
  /** Asks for a network token instead of a single-use one. */
  useNetworkToken?: boolean;
  /** Your reference. Default: the session's, or else a random one. */
  reference?: string;
}

export interface GpApiSendOptions extends GpApiRequestOptions, SendOptions {}

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

/** A request without a body. */
export interface CardsealQuery {
  method: "GET";
  url: string;
  headers: Record<string, string>;
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

/** Options of {@link WorldlineAcquiring}. */
export interface WorldlineAcquiringOptions extends CardOptions {
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** Returns the time in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** What accompanies a network token. */
export interface NetworkToken {
  cryptogram: string;
  /** The electronic commerce indicator, one or two digits. */
  eci?: string;
  requestorId?: string;
}

/** Options of {@link WorldlineAcquiring.seal}. */
export interface SealOptions {
  /** Says that the card's `number` is a network token. Its `cvc` may then be empty. */
  networkToken?: NetworkToken;
}

/** A request that is sent twice with the same key takes effect once. */
export interface IdempotencyOptions {
  /** 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

/** What the module reads from a token answer in direct mode. */
export type ReadToken = Omit<DirectToken, "platform" | "status" | "raw">;
/** What the module reads from a payment answer in direct mode. */
export type ReadPayment = Omit<PaymentOutcome, "id" | "platform" | "redirect" | "raw">;
/** What the module reads from CCBill's answer to a payment token request. */
export type ReadCcBillToken = ReadToken & Pick<CcBillToken, "subscriptionId">;
