// The types of this platform. The module's generated declarations contain this text.

/** A Worldline Acquiring session of the Cardseal server. */
export interface WorldlineAcquiringSession extends SessionFacts {
  platform: "worldline_acquiring";
  /** The merchant's own key; the page seals the card to it. */
  seal: SealingKey;
}

export interface SessionByPlatform {
  worldline_acquiring: WorldlineAcquiringSession;
}

/** A public key of the merchant's server, with the only algorithms to use it with. */
export interface SealingKey {
  kid: string;
  alg: "ECDH-ES";
  enc: "A256GCM";
  key: { kty: "EC"; crv: "P-256"; x: string; y: string };
}

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
