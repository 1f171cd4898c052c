// The types of this platform. The module's generated declarations contain this text.

/** A GP API session of the Cardseal server. */
export interface GpApiSession extends SessionFacts {
  platform: "gp_api";
  /** A token that can only turn a card into a token, and the host to use it at. */
  access_token: string;
  base_url: string;
  reference?: string;
  account_name?: string;
}

export interface SessionByPlatform {
  gp_api: GpApiSession;
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

/** How far an authentication is. Of the last three, the first two are good for a charge. */
export type AuthenticationStatus =
  | "started"
  | "not_enrolled"
  | "available"
  | "challenge"
  | "authenticated"
  | "attempted"
  | "failed";

/** A form that the page sends into a frame. */
export interface AuthenticationStep {
  /** `method`: the bank looks at the browser, in a frame that nobody sees. `challenge`: the bank asks the customer. */
  kind: "method" | "challenge";
  url: string;
  /** The name of the form's only field. */
  field: string;
  value: string;
}

/** What a page knows of an authentication. */
export interface Authentication {
  /** The server's id. It is the page's permission to go on. */
  id: string;
  status: AuthenticationStatus;
  step: AuthenticationStep | null;
}

/** What the bank learns of the browser. It helps to decide whether to ask the customer, and decides nothing itself. */
export interface AuthenticationBrowser {
  /** `navigator.language`. */
  language: string;
  /** `screen.colorDepth`. */
  colorDepth: number;
  /** `screen.width`. */
  screenWidth: number;
  /** `screen.height`. */
  screenHeight: number;
  /** `new Date().getTimezoneOffset()`, as text. */
  timezoneOffset: string;
  javaEnabled?: boolean;
  /** The size of the frame for the bank's page. Default: `full_screen`. */
  window?: "250x400" | "390x400" | "500x600" | "600x400" | "full_screen";
  /** What became of the step `method`. Default: there was none. */
  method?: "completed" | "failed" | "unavailable";
}
