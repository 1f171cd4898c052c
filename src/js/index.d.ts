/**
 * Cardseal: turns a card into a token in the browser.
 *
 * Await {@link load} once, then use everything else. Card data goes in as plain text, is wiped from the
 * module's memory before a call returns, and never appears in an error.
 */

/** What `cardseal.global.js` defines for plain script tags. */
export as namespace Cardseal;

/** What {@link load} can be given instead of finding `cardseal_bg.wasm` beside the module. */
export type LoadSource = string | URL | Request | Response | PromiseLike<Response> | BufferSource | WebAssembly.Module;

/**
 * Loads the WebAssembly module. Idempotent: later and simultaneous calls share the first one; after a failure
 * the next call tries again. Rejects with `load_failed`.
 *
 * What is fetched, from the default address or from yours, must have the SHA-384 of this version's module. A Response,
 * bytes and a compiled module are taken as they are.
 */
export function load(source?: LoadSource): Promise<void>;

// ---------------------------------------------------------------------------------------------- card data

/** A card brand. Co-badged cards have several. */
export type Brand =
  | "visa" | "mastercard" | "amex" | "discover" | "diners" | "jcb" | "unionpay" | "verve" | "rupay" | "troy" | "maestro"
  | "elo" | "mir" | "hipercard" | "cartes_bancaires" | "bancontact" | "dankort";

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
  /** The primary account number; blanks and dashes are fine. Text, never a number. */
  number: string;
  /** `12/30`, `12/2030`, `1230`, or month and year. */
  expiry: string | Expiry;
  /** Three digits, four for American Express. */
  cvc: string;
  /** The name on the card. */
  holder: string;
  /** The name that the person gives the card; GreenPay wants 6 to 49 characters when a token is made. */
  nickname?: string;
}

/** The fields of a {@link CardInput}. */
export type CardField = "number" | "expiry" | "cvc" | "holder" | "nickname";

/** Stable codes of what can be wrong with a card. */
export type ProblemCode =
  | "number_missing" | "number_not_digits" | "number_too_short" | "number_too_long" | "number_length"
  | "number_check_digit"
  | "expiry_missing" | "expiry_malformed" | "expiry_month" | "expiry_past" | "expiry_too_far"
  | "cvc_missing" | "cvc_not_digits" | "cvc_length"
  | "holder_missing" | "holder_too_short" | "holder_too_long" | "holder_characters" | "holder_is_card_number"
  | "nickname_missing" | "nickname_too_short" | "nickname_too_long" | "nickname_characters"
  | "nickname_is_card_number";

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

/** Checks a card and reports every problem. Throws only for values of the wrong type. */
export function validateCard(card: Partial<CardInput>, options?: ValidateOptions): Validation;

/** Every brand that a number, or its beginning, may be. Empty for an empty text. */
export function candidateBrands(number: string): Brand[];

/** A live-formatted text and where the caret belongs in it. */
export interface Formatted {
  text: string;
  caret: number;
}

/** Groups the digits as they stand on the card; the caret stays behind the same digit. */
export function formatCardNumber(text: string, caret?: number): Formatted & { brands: Brand[] };
/** `MM / YY`, from what was typed so far. */
export function formatExpiry(text: string, caret?: number): Formatted;
/** Digits only, as many as the brands of `number` allow. */
export function formatSecurityCode(text: string, caret?: number, number?: string): Formatted;

/** Formats the input's value in place and keeps its caret. Call it from an `input` listener. */
export function formatCardNumberInput(input: HTMLInputElement): Brand[];
export function formatExpiryInput(input: HTMLInputElement): void;
export function formatSecurityCodeInput(input: HTMLInputElement, number?: string): void;

// ---------------------------------------------------------------------------------------------- errors

/** Stable codes of {@link CardsealError}. */
export type ErrorCode =
  | "key_missing" | "key_malformed" | "key_is_private" | "key_is_certificate" | "key_not_rsa"
  | "key_exponent_invalid" | "key_too_short" | "key_modulus_invalid"
  | "random_unavailable" | "counter_does_not_fit" | "encryption_failed"
  | "card_invalid" | "customer_invalid" | "type_invalid" | "option_invalid"
  | "session_malformed" | "session_expired" | "session_wrong_kind" | "session_wrong_platform" | "session_host_refused"
  | "answer_malformed" | "signature_invalid" | "platform_rejected" | "platform_unavailable" | "server_rejected"
  | "too_many_attempts"
  | "request_timeout" | "request_aborted" | "network_failed"
  | "not_loaded" | "load_failed";

/** The only kind of exception that this package throws. */
export class CardsealError extends Error {
  readonly name: "CardsealError";
  readonly code: ErrorCode;
  /** The input field or option at fault. */
  readonly field?: string;
  readonly platform?: Platform;
  /** HTTP status, or the status inside the platform's answer. */
  readonly status?: number;
  /** Whether the same call may succeed later without a change. Never after a payment whose answer was lost. */
  readonly retryable: boolean;
  /** With `card_invalid`: everything wrong with the card. */
  readonly problems?: Problem[];
  /** With `customer_invalid`: everything wrong with the customer's details. */
  readonly customerProblems?: CustomerProblem[];
  /** The platform's (or, with `server_rejected`, the server's) own code. */
  readonly platformCode?: string;
  /** The platform's own words; digit runs that could be a card number are masked. */
  readonly platformMessage?: string;
  /** With `too_many_attempts`, if waiting helps: in how many seconds to try again. Otherwise open a new session. */
  readonly retryAfter?: number;
}

// ---------------------------------------------------------------------------------------------- requests

export type Platform = "greenpay" | "gp_api" | "online_payments" | "worldline_acquiring" | "ccbill";

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

/** A session as the Cardseal server returns it (`POST /v1/sessions`). */
export interface ServerSession {
  id: string;
  platform: Platform;
  kind: "tokenize" | "update" | "payment";
  mode: "relay" | "direct";
  created_at: string;
  expires_at: string;
  expires_in: number;
  /** What `expires_at` is by the server's clock, where {@link openSession} has moved it to this machine's. */
  server_expires_at?: string;
  /** GreenPay: the merchant's public key. */
  public_key?: string;
  /** GreenPay, only `update`: the platform's id of the stored card. */
  card_token?: string;
  amount?: string;
  currency?: string;
  order_reference?: string;
  /** GreenPay, only `direct`: the platform's session, its token and its host. */
  session?: string;
  token?: string;
  checkout_url?: string;
  /** GP API and CCBill: a token that may turn cards into tokens and nothing else, and where. */
  access_token?: string;
  base_url?: string;
  reference?: string;
  account_name?: string;
  /** CCBill: the application that its own script asks for, and the account. */
  application_id?: string;
  client_accnum?: number;
  client_subacc?: number;
  /** CCBill: the sub account of payments with 3-D Secure, if there is one. */
  client_subacc_3ds?: number;
  /** CCBill: the customer's IPv4 address. */
  ip_address?: string;
  /** CCBill, only `payment`: number of ISO 4217, days, and what a payment token of it is limited to (hours, charges). */
  currency_code?: number;
  initial_period?: number;
  time_to_live?: number;
  valid_number_of_use?: number;
  /** Online Payments, `relay`: the platform's own session. */
  clientSessionId?: string;
  customerId?: string;
  clientApiUrl?: string;
  assetUrl?: string | null;
  invalidTokens?: string[];
  /** Online Payments, `direct`: the platform's form for a frame, or its checkout. */
  hostedTokenizationUrl?: string;
  sri?: string | null;
  redirectUrl?: string;
  /** Worldline Acquiring: the merchant's own key, that cards are sealed to. */
  seal?: SealingKey;
}

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

export interface OpenSessionOptions extends SendOptions {
  /** Base URL of the Cardseal server; default the page's own origin. */
  server?: string;
  platform?: Platform;
  kind?: "tokenize" | "update" | "payment";
  mode?: "relay" | "direct";
  /** The merchant's reference of the customer. */
  customer?: string;
  /** The server's id (`tok_…`) of the stored card: of `update`, or of a `payment` with Worldline Acquiring. */
  token?: string;
  /** Only `payment`: decimal text and ISO 4217 code. */
  amount?: string;
  currency?: string;
  /** Only Worldline Acquiring, `payment`: whether the money is taken at once (default) or held. */
  capture?: "auto" | "later";
  description?: string;
  orderReference?: string;
  /** Only Online Payments, `direct`: the language of the platform's page, like `de_DE`. */
  locale?: string;
}

export function openSessionRequest(options?: OpenSessionOptions): CardsealRequest;
/** Asks the Cardseal server for a session. Its times are moved to this machine's clock. */
export function openSession(options?: OpenSessionOptions): Promise<ServerSession>;

// ---------------------------------------------------------------------------------------------- GreenPay

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

export interface CardToken {
  /** Relayed: the server's id (`tok_…`). Direct: the platform's token. */
  id: string;
  platform: Platform;
  brand: string | null;
  bin: string | null;
  last4: string | null;
  expiry: Expiry | null;
  holder: string | null;
  nickname: string | null;
  /** `unconfirmed`: a direct answer, which is signed over two fields only and not over the token. */
  status: "active" | "unconfirmed";
  /** The platform's signature, which covers `status` and `requestId` and nothing else. `null` when relayed. */
  signature: { verified: boolean; signedFields: string[] } | null;
  /** The whole answer, unknown fields included. */
  raw: unknown;
}

/** What only the server's answer to a repeated request can say: the payment has moved on since. */
export type ServerPaymentStatus =
  | "authorized" | "failed" | "voided" | "refunded" | "partially_refunded" | "void_unknown" | "refund_unknown";

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
  decline: { code: string | null; reason: string; message: string } | null;
  /** Only Online Payments: where the customer has to go now. The payment is `unknown` until they have been there. */
  redirect?: { url: string } | null;
  signature: { verified: boolean; signedFields: string[] } | null;
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

/** GreenPay, generation 1: `ld` (AES-128-CTR) and `lk` (RSA-wrapped key). */
export class GreenPay {
  constructor(options: GreenPayOptions);
  /** What is worth knowing about the key. */
  readonly warnings: KeyWarning[];

  /** Encrypts without making a request, for a backend of your own. */
  pack(input: PackInput, options?: PackOptions): Packed;

  tokenizeRequest(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPayRequestOptions): CardsealRequest;
  tokenize(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPaySendOptions): Promise<CardToken>;

  /** `token` is needed with a {@link GreenPayOrder}; a server session of kind `update` brings it. */
  updateTokenRequest(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPayRequestOptions & { token?: string }): CardsealRequest;
  updateToken(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPaySendOptions & { token?: string }): Promise<CardToken>;

  payRequest(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPayRequestOptions & GreenPayPayOptions): CardsealRequest;
  /**
   * A time-out, an abort or a broken connection leaves the outcome unknown: they are exceptions whose `retryable` is
   * false. To ask again safely, keep the request of {@link payRequest} with its `idempotencyKey` and send the same
   * one: every call encrypts anew, and another body under the same key is refused.
   */
  pay(session: ServerSession | GreenPayOrder, card: CardInput, options?: GreenPaySendOptions & GreenPayPayOptions): Promise<PaymentOutcome>;

  /** After a direct {@link tokenize}: hands the platform's answer to the Cardseal server. */
  confirmTokenRequest(session: ServerSession, token: CardToken): CardsealRequest;
  confirmToken(session: ServerSession, token: CardToken, options?: SendOptions): Promise<CardToken>;

  /** After a direct {@link pay}: hands the platform's answer to the Cardseal server. */
  confirmPaymentRequest(session: ServerSession, outcome: PaymentOutcome, options?: { idempotencyKey?: string }): CardsealRequest;
  confirmPayment(session: ServerSession, outcome: PaymentOutcome, options?: SendOptions & { idempotencyKey?: string }): Promise<PaymentOutcome>;

  /** Frees the parsed key at once instead of at garbage collection. */
  free(): void;
}

// ---------------------------------------------------------------------------------------------- GP API

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

/**
 * Global Payments GP API. **This platform's format is clear JSON over TLS:** the request that
 * {@link GpApi.tokenizeRequest} returns holds the card number and the security code. Send it to the platform and
 * nowhere else, never log it, and drop it. `nickname` is not sent; `holder` may be empty.
 */
export class GpApi {
  constructor(options?: GpApiOptions);

  tokenizeRequest(session: ServerSession | GpApiAccess, card: CardInput, options?: GpApiRequestOptions): CardsealRequest;
  /** A single-use `PMT_…` and masked details; {@link confirmToken} makes a lasting token of it. */
  tokenize(session: ServerSession | GpApiAccess, card: CardInput, options?: GpApiSendOptions): Promise<CardToken>;

  /** Hands the platform's answer to the Cardseal server, which verifies the card and stores the lasting token. */
  confirmTokenRequest(session: ServerSession, token: CardToken): CardsealRequest;
  confirmToken(session: ServerSession, token: CardToken, options?: SendOptions): Promise<CardToken>;

  free(): void;
}

// ---------------------------------------------------------------------------------------------- CCBill

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

/** Everything wrong with the customer's details. Throws only for values of the wrong type. */
export function checkCustomer(customer: Partial<CcBillCustomer>): CustomerProblem[];

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
export interface CcBillToken extends CardToken {
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

/**
 * CCBill's RESTful Transaction API. **This platform's format is clear JSON over TLS:** the request that
 * {@link CcBill.createPaymentTokenRequest} returns holds the card number and the security code. Send it to the platform and
 * nowhere else, never log it, and drop it. `nickname` is not sent.
 */
export class CcBill {
  constructor(options?: CcBillOptions);

  createPaymentTokenRequest(session: ServerSession | CcBillAccess, card: CardInput | null, options?: CcBillRequestOptions): CardsealRequest;
  createPaymentToken(session: ServerSession | CcBillAccess, card: CardInput | null, options?: CcBillSendOptions): Promise<CcBillToken>;

  /** The platform's format has the first six and the last four digits of the card in the address. */
  threeDsRequiredRequest(session: ServerSession | CcBillAccess, card: CardInput): CardsealQuery;
  threeDsRequired(session: ServerSession | CcBillAccess, card: CardInput, options?: SendOptions): Promise<boolean>;

  /** Hands the payment token to the Cardseal server, which asks the platform for it and stores it. */
  confirmTokenRequest(session: ServerSession, token: Pick<CcBillToken, "raw">): CardsealRequest;
  confirmToken(session: ServerSession, token: Pick<CcBillToken, "raw">, options?: SendOptions): Promise<CardToken>;

  /**
   * Hands the payment token to the Cardseal server, which charges it, with what came of 3-D Secure. An authentication that
   * failed is handed over, too: the server declines the payment and charges nothing.
   */
  confirmPaymentRequest(session: ServerSession, token: Pick<CcBillToken, "raw"> | CcBillAuthenticated, options?: CcBillConfirmOptions): CardsealRequest;
  /** A lost answer leaves the outcome unknown: see {@link GreenPay.pay}. The same token handed over again is charged once. */
  confirmPayment(session: ServerSession, token: Pick<CcBillToken, "raw"> | CcBillAuthenticated, options?: CcBillConfirmOptions & SendOptions): Promise<PaymentOutcome>;

  free(): void;
}

// ---------------------------------------------------------------------------------------------- Online Payments

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

/** What the field's mask makes of a typed text; `value` is what is in it without decoration. */
export function maskField(field: ProductField, text: string, caret?: number): Formatted & { value: string };
/** Names of the validators that an unmasked value fails, or `required`. */
export function checkField(field: ProductField, value?: string, options?: { now?: () => number }): string[];

export interface OnlinePaymentsEncryptOptions {
  /** The product that the card belongs to; without it or `product` the platform is asked, with the first eight digits. */
  paymentProductId?: number;
  /** The product as {@link OnlinePayments.product} gives it: its validators are applied, and its form of the expiry date. */
  product?: PaymentProduct;
  /** For the question after the product. */
  context?: PaymentContext;
}
export interface OnlinePaymentsSendOptions extends OnlinePaymentsEncryptOptions, SendOptions {}

/**
 * Worldline Online Payments (PAYONE E-Payment). The card is encrypted with the platform's key, by the browser's own
 * cryptography, which pages have over `https` (and on this machine) alone. `nickname` is not sent.
 */
export class OnlinePayments {
  constructor(options?: OnlinePaymentsOptions);

  publicKeyRequest(session: ServerSession | OnlinePaymentsSession): CardsealQuery;
  /** Asked once a session; call it early, and the shopper does not wait for it. */
  publicKey(session: ServerSession | OnlinePaymentsSession, options?: SendOptions): Promise<OnlinePaymentsKey>;

  /** `null` below six digits. Never holds more than the first eight. */
  iinDetailsRequest(session: ServerSession | OnlinePaymentsSession, number: string, context?: PaymentContext): CardsealRequest | null;
  iinDetails(session: ServerSession | OnlinePaymentsSession, number: string, context?: PaymentContext, options?: SendOptions): Promise<IinDetails>;

  productsRequest(session: ServerSession | OnlinePaymentsSession, context?: PaymentContext): CardsealQuery;
  /** Without their fields. */
  products(session: ServerSession | OnlinePaymentsSession, context?: PaymentContext, options?: SendOptions): Promise<PaymentProduct[]>;
  productRequest(session: ServerSession | OnlinePaymentsSession, id: number, context?: PaymentContext): CardsealQuery;
  product(session: ServerSession | OnlinePaymentsSession, id: number, context?: PaymentContext, options?: SendOptions): Promise<PaymentProduct>;

  /**
   * `encryptedCustomerInput`, for a backend of your own: of a payment, or of a request for a token. It can be used once,
   * and must not be stored.
   */
  encrypt(
    session: ServerSession | OnlinePaymentsSession, card: CardInput,
    options?: OnlinePaymentsSendOptions & { kind?: "payment" | "tokenize"; tokenize?: boolean },
  ): Promise<string>;

  tokenizeRequest(session: ServerSession, card: CardInput, options?: OnlinePaymentsSendOptions): Promise<CardsealRequest>;
  tokenize(session: ServerSession, card: CardInput, options?: OnlinePaymentsSendOptions): Promise<CardToken>;

  payRequest(session: ServerSession, card: CardInput, options?: OnlinePaymentsSendOptions & { idempotencyKey?: string }): Promise<CardsealRequest>;
  /** With `redirect` in the outcome send the customer there. A lost answer leaves the outcome unknown: see {@link GreenPay.pay}. */
  pay(session: ServerSession, card: CardInput, options?: OnlinePaymentsSendOptions & { idempotencyKey?: string }): Promise<PaymentOutcome>;

  /** After the platform's form in a frame (`hostedTokenizationUrl`) has been sent. */
  confirmTokenRequest(session: ServerSession): CardsealRequest;
  confirmToken(session: ServerSession, options?: SendOptions): Promise<CardToken>;

  /** After the platform's checkout (`redirectUrl`): `RETURNMAC` is in the query of the page that the customer came back to. */
  confirmPaymentRequest(session: Pick<ServerSession, "id">, returned: { RETURNMAC: string }, options?: { idempotencyKey?: string }): CardsealRequest;
  confirmPayment(session: Pick<ServerSession, "id">, returned: { RETURNMAC: string }, options?: SendOptions & { idempotencyKey?: string }): Promise<PaymentOutcome>;

  /** Frees its part of the module, and forgets what the platform said. */
  free(): void;
}

// ---------------------------------------------------------------------------------------------- Worldline Acquiring

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

/**
 * Worldline Acquiring. The platform gives a page nothing to encrypt with: the card is sealed to the merchant's own key,
 * for one session, by the browser's own cryptography, which pages have over `https` (and on this machine) alone. **The
 * merchant's server opens it and sees the card in clear.** `holder` may be empty, and `nickname` is not sent.
 */
export class WorldlineAcquiring {
  constructor(options?: WorldlineAcquiringOptions);

  /** The sealed card (JWE compact), for a request of your own. It can be used once, and must not be stored. */
  seal(session: ServerSession, card: CardInput, options?: SealOptions): Promise<string>;

  tokenizeRequest(session: ServerSession, card: CardInput): Promise<CardsealRequest>;
  /** Has the card verified and stored. What is stored cannot be charged by itself: the platform wants the card again. */
  tokenize(session: ServerSession, card: CardInput, options?: SendOptions): Promise<CardToken>;

  payRequest(session: ServerSession, card: CardInput, options?: SealOptions & { idempotencyKey?: string }): Promise<CardsealRequest>;
  /** A lost answer leaves the outcome unknown: see {@link GreenPay.pay}. */
  pay(session: ServerSession, card: CardInput, options?: SealOptions & SendOptions & { idempotencyKey?: string }): Promise<PaymentOutcome>;

  free(): void;
}
