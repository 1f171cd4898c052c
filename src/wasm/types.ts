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

/** A session as the Cardseal server returns it. `platform` says which one it is. */
export type ServerSession = SessionByPlatform[keyof SessionByPlatform];

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

/** A request without a body. */
export interface CardsealQuery {
  method: "GET";
  url: string;
  headers: Record<string, string>;
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
