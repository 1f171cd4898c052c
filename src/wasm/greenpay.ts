// The types of this platform. The module's generated declarations contain this text.

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
  /** Only if it was opened with a `return_url`: the platform's web form, and where it sends the customer back. */
  form_url?: string;
  return_url?: string;
}

export interface SessionByPlatform {
  greenpay: GreenPaySession;
}

/** The platform's own order, if your server is not Cardseal's. */
export interface GreenPayOrder {
  session: string;
  /** Sent as the header `liszt-token`. */
  token: string;
  /** When the order was made (ISO 8601, or milliseconds since 1970). Without it, the order's age is not checked. */
  created_at?: string | number;
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
