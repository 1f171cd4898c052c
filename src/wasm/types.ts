// The types that a page hands in and gets. This text stands in the generated declarations of the module.

/** Month 1 to 12; year with two or four digits (two mean 2000 to 2099). */
export interface Expiry {
  month: number;
  year: number;
}

/**
 * What a person typed. Here and in every other object that you hand over, only own members are read: what a prototype
 * holds, such as a getter of a class, is not.
 */
export interface CardInput {
  /** The primary account number; spaces and hyphens are fine. Text, never a number. */
  number: string;
  /** `12/30`, `12/2030`, `1230`, or month and year. */
  expiry: string | Expiry;
  /** Three digits, four for American Express. */
  cvc: string;
  /** The name on the card. */
  holder: string;
  /** The name that the person gives the card: GreenPay's tokens alone have one, of 6 to 49 characters; default `Visa 4242`. */
  nickname?: string;
}

/** The fields of a {@link CardInput}. */
export type CardField = "number" | "expiry" | "cvc" | "holder" | "nickname";

/** One thing wrong with a card. A `warning` does not stop anything. */
export interface Problem {
  field: CardField;
  code: ProblemCode;
  severity: "error" | "warning";
  /** A sentence in English; translate by `code`. */
  message: string;
}

export interface Validation {
  /** No problem of severity `error`. */
  valid: boolean;
  /** Every brand the number may be, most specific first. */
  brands: Brand[];
  /** Everything at once, in the order of the fields. */
  problems: Problem[];
}

export interface ValidateOptions {
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Applies the platform's own rules, for example GreenPay's nickname. */
  platform?: Platform;
  /** Whether a token is to be made (default) or a payment. */
  kind?: "tokenize" | "update" | "payment";
  /** Whether the card may lack its security code; what is there is checked all the same. */
  cvcOptional?: boolean;
}

/** A live-formatted text and where the caret belongs in it. */
export interface Formatted {
  text: string;
  caret: number;
}

/**
 * A request as a plain value. It may hold a card: send it with `fetch(request.url, { ...request, redirect: "error" })`, so that
 * no redirect takes it elsewhere.
 */
export interface CardsealRequest {
  method: "GET" | "POST" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface SendOptions {
  signal?: AbortSignal;
  /** Default 30 000; 0 waits for ever. */
  timeoutMs?: number;
}

/** What the Cardseal server says of every session (`POST /v1/sessions`). */
export interface SessionFacts {
  id: string;
  kind: "tokenize" | "update" | "payment";
  mode: "relay" | "direct";
  created_at: string;
  expires_at: string;
  expires_in: number;
  /** What `expires_at` is by the server's clock, where {@link openSession} has moved it to this machine's. */
  server_expires_at?: string;
  /** Only `payment`. */
  amount?: string;
  currency?: string;
  order_reference?: string;
}

export interface GreenPaySession extends SessionFacts {
  platform: "greenpay";
  /** The merchant's public key. */
  public_key: string;
  /** Only `update`: the platform's id of the stored card. */
  card_token?: string;
  /** Only `direct`: the platform's session, its token and its host. */
  session?: string;
  token?: string;
  checkout_url?: string;
}

export interface GpApiSession extends SessionFacts {
  platform: "gp_api";
  /** A token that may turn cards into tokens and nothing else, and where. */
  access_token: string;
  base_url: string;
  reference?: string;
  account_name?: string;
}

export interface CcBillSession extends SessionFacts {
  platform: "ccbill";
  /** A token that may turn cards into tokens and nothing else, and where. */
  access_token: string;
  base_url: string;
  /** The application that CCBill's own script asks for, and the account. */
  application_id?: string;
  client_accnum: number;
  client_subacc: number;
  /** The sub account of payments with 3-D Secure, if there is one. */
  client_subacc_3ds?: number;
  /** The customer's IPv4 address. */
  ip_address?: string;
  /** Only `payment`: number of ISO 4217, days, and what a payment token of it is limited to (hours, charges). */
  currency_code?: number;
  initial_period?: number;
  time_to_live?: number;
  valid_number_of_use?: number;
}

export interface OnlinePaymentsServerSession extends SessionFacts {
  platform: "online_payments";
  /** `relay`: the platform's own session. */
  clientSessionId?: string;
  customerId?: string;
  clientApiUrl?: string;
  assetUrl?: string | null;
  invalidTokens?: string[];
  /** `direct`: the platform's form for a frame, or its checkout. */
  hostedTokenizationUrl?: string;
  sri?: string | null;
  redirectUrl?: string;
}

export interface WorldlineAcquiringSession extends SessionFacts {
  platform: "worldline_acquiring";
  /** The merchant's own key, that cards are sealed to. */
  seal: SealingKey;
}

/** A session as the Cardseal server returns it. `platform` says which one it is. */
export type ServerSession =
  | GreenPaySession
  | GpApiSession
  | CcBillSession
  | OnlinePaymentsServerSession
  | WorldlineAcquiringSession;

/** A public key of the merchant's server, with the one way to use it. */
export interface SealingKey {
  kid: string;
  alg: "ECDH-ES";
  enc: "A256GCM";
  key: { kty: "EC"; crv: "P-256"; x: string; y: string };
}

/** The platform's own order, for pages whose server is not Cardseal's. */
export interface GreenPayOrder {
  session: string;
  /** Sent as the header `liszt-token`. */
  token: string;
  /** When the order was made (ISO 8601, or milliseconds since 1970). Without it its age is not checked. */
  created_at?: string | number;
}

/**
 * What a page may ask for. A session for a payment names an amount, so the merchant's back end opens it, with its API key,
 * and gives it to the page.
 */
export interface OpenSessionOptions<Which extends Platform = Platform> extends SendOptions {
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  /** Needed where the server has more than one. With it, the session has the type of its platform. */
  platform?: Which;
  /** Default `tokenize`. */
  kind?: "tokenize" | "update";
  mode?: "relay" | "direct";
  /** The merchant's reference of the customer. */
  customer?: string;
  /** Only `update`: the server's id (`tok_…`) of the stored card. */
  token?: string;
  /** Only Online Payments, `direct`: the language of the platform's page, like `de_DE`. */
  locale?: string;
}

export interface GreenPayOptions {
  /** PEM, bare base64 or hex of the merchant's RSA public key (SPKI or PKCS#1). */
  publicKey: string | undefined;
  /**
   * Where the checkout host is, for the direct way. Default `sandbox`. A session may name any of the platform's published
   * hosts, and no other but the one that you name here.
   */
  environment?: "sandbox" | "production" | { checkout: string };
  /** Base URL of the Cardseal server, for the relayed way; default the page's own origin. */
  server?: string;
  /**
   * Whether a direct token answer must carry a signature that fits the key. Default `required`. The signature
   * covers `status` and `requestId` only: it never proves the token.
   */
  signature?: "required" | "warn";
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

export interface KeyWarning {
  code: "key_below_2048_bits";
  bits: number;
  message: string;
}

export interface PackOptions {
  /**
   * The form of the counter `s`: `byte` (default) is one integer 0 to 254, what every known client sends;
   * `integer` goes up to 2147483647; `block` is all 16 bytes and needs a key above 1024 bits.
   */
  counter?: "byte" | "integer" | "block";
}

export interface Packed {
  /** The encrypted card, lower-case hex. */
  ld: string;
  /** The wrapped key, base64. */
  lk: string;
}

export interface PackInput {
  card: CardInput;
  /** The card token to update. */
  token?: string;
  /** Only for a payment: ask for a token as a by-product. */
  tokenize?: boolean;
  /** Only for a payment: the id of the Kount collector's session. */
  kountSession?: string;
}

/** What is known of a card that became a token. */
export interface TokenFacts {
  platform: Platform;
  brand: string | null;
  bin: string | null;
  last4: string | null;
  expiry: Expiry | null;
  holder: string | null;
  nickname: string | null;
  /** The whole answer, unknown fields included. */
  raw: unknown;
}

/** A token that the Cardseal server keeps and can charge. */
export interface StoredToken extends TokenFacts {
  id: `tok_${string}`;
  /** `unconfirmed`: handed over by a page; it is `active` once the platform has confirmed it to the server. */
  status: "active" | "unconfirmed";
  signature: null;
}

/** The platform's own answer, which nobody but this page has seen. Only `confirmToken` makes a {@link StoredToken} of it. */
export interface DirectToken extends TokenFacts {
  /** The platform's token. */
  id: string;
  status: "unconfirmed";
  /** GreenPay: the platform's signature, which covers `status` and `requestId` and nothing else. */
  signature: Signature | null;
}

export type CardToken = StoredToken | DirectToken;

/** Whether an answer's signature fits the key, and which of its fields it covers. */
export interface Signature {
  verified: boolean;
  signedFields: string[];
}

/** What only the server's answer to a repeated request can say: the payment has moved on since. */
export type ServerPaymentStatus =
  | "authorized" | "failed" | "voided" | "refunded" | "partially_refunded"
  | "capture_unknown" | "void_unknown" | "refund_unknown";

export interface PaymentOutcome {
  /** The server's id (`pay_…`) when relayed, else null. */
  id: string | null;
  platform: Platform;
  /** `unknown`: the platform did not say; wait for its notification, do not pay again. */
  status: "approved" | "declined" | "unknown" | ServerPaymentStatus;
  orderReference: string | null;
  authorization: string | null;
  brand: string | null;
  last4: string | null;
  /** `message` is the platform's own, if it has one; `reason` is always there. */
  decline: { code: string | null; reason: string; message: string | null } | null;
  /** Only Online Payments: where the customer has to go now. The payment is `unknown` until they have been there. */
  redirect?: { url: string } | null;
  signature: Signature | null;
  raw: unknown;
}

export interface GreenPayRequestOptions extends PackOptions {}

export interface GreenPaySendOptions extends PackOptions, SendOptions {}

export interface GreenPayPayOptions {
  /** The Kount collector's session id; with it the request goes to `/kount`, without to `/`. */
  kountSession?: string;
  /** Ask for a token as a by-product. */
  tokenize?: boolean;
  /** Relayed only: makes a payment that is sent twice happen once. 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

export interface GpApiOptions {
  /** Where the API is; default what the session says, if that is one of the platform's published hosts. */
  environment?: "sandbox" | "production" | "sandbox_eu" | "production_eu" | { base: string };
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** A token of your own backend, made with the permission `PMT_POST_Create_Single` and no other. */
export interface GpApiAccess {
  access_token: string;
  /** Your reference of the payment method; default a random one. */
  reference?: string;
  base_url?: string;
  account_name?: string;
}

export interface GpApiRequestOptions {
  /** Asks for a network token instead of a single-use one. */
  useNetworkToken?: boolean;
  /** Your reference; default the session's, else a random one. */
  reference?: string;
}

export interface GpApiSendOptions extends GpApiRequestOptions, SendOptions {}

export interface CcBillOptions {
  /** Where the API is; default what the session says, if that is the platform's published host. */
  environment?: "production" | { base: string };
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** What your own backend knows: a token of the **front-end** application, and the account. */
export interface CcBillAccess {
  access_token: string;
  base_url?: string;
  client_accnum: number;
  client_subacc: number;
  client_subacc_3ds?: number;
  /** Number of ISO 4217; only for {@link CcBill.threeDsRequired}. */
  currency_code?: number;
  ip_address?: string;
  /** Hours and charges that a payment token is good for. */
  time_to_live?: number;
  valid_number_of_use?: number;
}

/** Whose card it is, by the names that CCBill's own script has. ASCII only: the platform refuses anything else. */
export interface CcBillCustomer {
  firstName: string;
  lastName: string;
  email: string;
  postalCode: string;
  /** ISO 3166, two capital letters. */
  country: string;
  address1?: string;
  address2?: string;
  city?: string;
  /** One to three characters. */
  state?: string;
  phoneNumber?: string;
  /** IPv4, in place of the session's. */
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
  severity: "error";
  /** A sentence in English; translate by `code`. */
  message: string;
}

export interface CcBillRequestOptions {
  /** Needed, but where `subscriptionId` is. */
  customer?: CcBillCustomer;
  /** Whether the bank is to check the security code. Default true; without it the code is not sent and may be missing. */
  verify?: boolean;
  /** Whether the token is for a payment with 3-D Secure: of the sub account for those. */
  threeDs?: boolean;
  /** In place of a card (`null`): the digits of an earlier sale whose card is taken. Text, because a number would lose some. */
  subscriptionId?: string;
  /** Hours, and charges; default the session's, else practically without end. */
  timeToLive?: number;
  numberOfUse?: number;
}

export interface CcBillSendOptions extends CcBillRequestOptions, SendOptions {}

/** A payment token. In `raw`, whole numbers of sixteen digits and more are texts; nothing is known of the card itself. */
export interface CcBillToken extends DirectToken {
  /** Digits. */
  subscriptionId: string | null;
}

/** What `authenticateCustomer` of CCBill's script resolves to, by the platform's names. */
export interface CcBillThreeDs {
  status: string;
  success: boolean | "true" | "false";
  eci?: string | null;
  protocolVersion?: string | null;
  amount?: string | number | null;
  /** Number of ISO 4217. */
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

export interface CcBillConfirmOptions {
  /** What came of 3-D Secure, if it was needed. Its documented members are handed over, and nothing else of it. */
  threedsInformation?: CcBillThreeDs;
  /** Makes a payment that is sent twice happen once. 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

export interface OnlinePaymentsOptions {
  /**
   * Which hosts a session's `clientApiUrl` may name: the published ones of one environment, or the one of a base URL; default
   * all published ones.
   */
  environment?: "sandbox" | "production" | { base: string };
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  /** What the platform is told of the browser; default the one that is really there. */
  device?: Record<string, unknown>;
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** The platform's own session, for pages whose server is not Cardseal's. */
export interface OnlinePaymentsSession {
  clientSessionId: string;
  customerId: string;
  clientApiUrl: string;
}

/** What is bought, as far as it decides which products are offered. */
export interface PaymentContext {
  /** ISO 3166, two letters. */
  countryCode?: string;
  /** ISO 4217. */
  currencyCode?: string;
  /** Minor units: cents, not euros. */
  amount?: number;
  isRecurring?: boolean;
}

/** A call that has no body. */
export interface CardsealQuery {
  method: "GET";
  url: string;
  headers: Record<string, string>;
}

/** The key that cards are encrypted with. */
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

/** A field of a product, as the platform describes it; members that are not named here are there, too. */
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

export interface OnlinePaymentsEncryptOptions {
  /** The product that the card belongs to; without it or `product` the platform is asked, with the first eight digits. */
  paymentProductId?: number;
  /** The product as {@link OnlinePayments.product} gives it: its validators are applied, and its form of the expiry date. */
  product?: PaymentProduct;
  /** For the question after the product. */
  context?: PaymentContext;
}

export interface OnlinePaymentsSendOptions extends OnlinePaymentsEncryptOptions, SendOptions {}

export interface WorldlineAcquiringOptions {
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  /** The clock in milliseconds since 1970; default `Date.now`. */
  now?: () => number;
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch;
}

/** What comes with a token of a card network. */
export interface NetworkToken {
  cryptogram: string;
  /** The electronic commerce indicator, one or two digits. */
  eci?: string;
  requestorId?: string;
}

export interface SealOptions {
  /** The card's `number` is a token of its network. Its `cvc` may then be an empty text. */
  networkToken?: NetworkToken;
}

/** Makes what is sent twice happen once. */
export interface IdempotencyOptions {
  /** 1 to 255 visible ASCII characters. */
  idempotencyKey?: string;
}

/** What the module reads of a direct answer for a token. */
export type ReadToken = Omit<DirectToken, "platform" | "status" | "raw">;
/** What the module reads of a direct answer for a payment. */
export type ReadPayment = Omit<PaymentOutcome, "id" | "platform" | "redirect" | "raw">;
/** What the module reads of CCBill's answer for a payment token. */
export type ReadCcBillToken = ReadToken & Pick<CcBillToken, "subscriptionId">;
