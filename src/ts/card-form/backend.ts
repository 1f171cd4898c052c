// What the element knows of its fields, wherever they are. There are two kinds of backend: `local.ts` has the fields in
// the page itself, `frame.ts` has them in a frame from another origin. The element never touches a card: it passes
// settings down, gets facts up, and asks for a token or a payment.
//
//   element.ts ── Settings, tokenize(), pay(), clear() … ──▶ Backend
//   element.ts ◀── Host.changed(facts), edited(), submitted() … ── Backend
//
// All that crosses is plain data that a MessagePort can carry, except `Settings.openSession` and the signal of
// `CallOptions`, which stay on the page's side.

import type { CardsealError } from '../error.js';
import type { FailureName, Messages } from '../languages/messages.js';
import type {
  Authentication,
  AuthenticationBrowser,
  Brand,
  CardField,
  CcBillCustomer,
  CcBillSession,
  CcBillThreeDs,
  PaymentOutcome,
  Platform,
  ServerSession,
  StoredToken,
} from '../types.js';

/** The details of the customer that the form can ask for; only CCBill needs them. */
export type CustomerField = 'firstName' | 'lastName' | 'email' | 'postalCode' | 'country';

/** All fields that a form can have. */
export type FieldName = CardField | CustomerField;

/** A part of the texts of one language; what is missing is taken from the language itself, or from English. */
export type DeepPartial<T> = { [K in keyof T]?: T[K] extends string ? string : DeepPartial<T[K]> };

/** Own words by language tag. A tag that the package does not have makes a new language. */
export type OwnMessages = { [tag: string]: DeepPartial<Messages> };

/** Why the page is asked for a session: it needs one for the first time, or the last one is of no use any more. */
export type SessionReason = 'first' | 'expired';

/** What the page said about the form, by attributes and properties. */
export interface Settings {
  /** Without it, the session says which one it is. */
  platform: Platform | null;
  /** A session that the page has opened, of any kind. */
  session: ServerSession | null;
  /** How the page opens sessions itself. */
  openSession: ((why: SessionReason) => Promise<ServerSession>) | null;
  /** Base URL of the Cardseal server; empty for the page's own origin. */
  server: string;
  /** The merchant's reference for the customer, for sessions that the form opens. */
  customer: string | null;
  /** Null: what the platform needs. */
  holder: 'required' | 'optional' | 'hidden' | null;
  nickname: boolean;
  /** Empty: all. */
  acceptedBrands: Brand[];
  customerDetails: Partial<CcBillCustomer>;
  /** Whether an empty form is a mistake. */
  required: boolean;
  disabled: boolean;
  /** The language that the page asks for, any BCP 47 tag. */
  lang: string;
  /** The direction that the page sets on the element itself; else that of the language holds. */
  dir: 'ltr' | 'rtl' | null;
  messages: OwnMessages;
  theme: 'auto' | 'light' | 'dark';
  /** Isolated fields: how they look, beside what they would inherit. */
  fieldsStyle: Record<string, string>;
}

/** All that is known of what was typed. Nothing in it tells a card: neither the number nor how long it is. */
export interface Facts {
  /** The platform's code and the texts are there. Fields can be typed in before. */
  loaded: boolean;
  /** Nothing was typed. */
  empty: boolean;
  /** Everything that is needed is there and right. */
  valid: boolean;
  /** A mistake is shown. */
  marked: boolean;
  /** The brand that was chosen, or else the likeliest. */
  brand: Brand | null;
  /** Every brand that fits. */
  brands: Brand[];
  /** Only while the number is right. */
  last4: string | null;
  /** Whether the field is right, for each field that is shown. */
  fields: Partial<Record<FieldName, boolean>>;
  focused: FieldName | null;
  /** The first mistake, as the shopper would read it; empty while there is none. */
  message: string;
}

export const NOTHING: Facts = {
  loaded: false,
  empty: true,
  valid: false,
  marked: false,
  brand: null,
  brands: [],
  last4: null,
  fields: {},
  focused: null,
  message: '',
};

/** What the element does for a backend. */
export interface Host {
  /** The facts have changed. */
  changed(facts: Facts): void;
  /** The shopper changed something: what was said about the last try is over. */
  edited(): void;
  /** The shopper wants to type another card in place of the one that became a token. */
  cleared(): void;
  /** Enter was pressed in a field. */
  submitted(): void;
  /** The platform's code could not be loaded. The shopper can try again by the form's own button. */
  failed(error: CardsealError): void;
}

/** Why a call failed, in the shopper's language. */
export interface Explanation {
  name: FailureName;
  message: string;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Default 60 000, more than the server itself waits for a platform. */
  timeoutMs?: number;
}

export interface TokenizeOptions extends CallOptions {
  /**
   * Leave the card in the form, because the platform needs it once more for the payment (Worldline Acquiring). Not with
   * isolated fields.
   */
  keep?: boolean;
}

export interface PayOptions extends CallOptions {
  /** Only GreenPay: the session id of the Kount collector. */
  kountSession?: string;
  /** Also store the card, where the platform does that with a payment. */
  store?: boolean;
  /**
   * Only CCBill: runs the platform's own script where the bank wants 3-D Secure, and gives what came of it. Not with
   * isolated fields. Without it no payment is authenticated.
   */
  authenticate?: (session: CcBillSession) => Promise<CcBillThreeDs>;
}

/** A question about an authentication: what does an answer say that the page has, and what does the server say. */
export type AuthenticationAsk =
  | { what: 'read'; answer: unknown }
  | { what: 'initiate'; id: string; browser: AuthenticationBrowser }
  | { what: 'result'; id: string };

/** Fields, wherever they are. Each method may be called at any time, also before the fields are there. */
export interface Backend {
  /** The last facts that the host was told. */
  readonly facts: Facts;
  /** Where a browser's own message about this form belongs. */
  readonly anchor: HTMLElement | undefined;
  configure(settings: Settings): void;
  /** Opens the session early, because the shopper has come to the form. */
  warm(): void;
  /**
   * Whether everything is right. With `report`, every mistake is marked, and the summary of them gets the focus. In this
   * page it answers at once, a frame answers later.
   */
  check(report: boolean): boolean | Promise<boolean>;
  /**
   * Turns the card into a token of the Cardseal server: stores a new card, or replaces one in a session of kind `update`.
   * Mistakes are shown and reject with `card_invalid` or `customer_invalid`. Shows that it is busy and what came of it.
   */
  tokenize(options?: TokenizeOptions): Promise<StoredToken>;
  /** Charges the card, in a session of kind `payment`. */
  pay(options?: PayOptions): Promise<PaymentOutcome>;
  /** Asks about an authentication, where the fields' code and their server are. */
  authentication(ask: AuthenticationAsk, options?: CallOptions): Promise<Authentication>;
  /** Shows the shopper a sentence beneath the form; empty: none. */
  notice(words: string): void;
  /** What to tell the shopper about an error of a call. */
  explain(error: CardsealError): Explanation;
  /** Empties every field and forgets the session that was used. */
  clear(): void;
  /** The page was kept by the browser and is shown again: sessions of before are not used. */
  revive(): void;
  focus(): void;
  /** The element has left the page. */
  remove(): void;
}
