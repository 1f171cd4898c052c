// What the element and its fields in a frame of another origin say to each other; docs/isolated-fields.md has the table.
//
// The page is not trusted. So the frame takes from it nothing that decides where a card goes: no address, no key, no
// content of a session, no words. And the page is told nothing from which a card could be put together: neither what was
// typed, nor how long it is, nor when. Both sides read own members only, and drop what they do not know.

import { CardsealError } from '../error.js';
import { fits, isText, members, textOf } from '../read.js';
import type {
  Authentication,
  AuthenticationBrowser,
  Brand,
  CcBillCustomer,
  ErrorCode,
  PaymentOutcome,
  Platform,
  StoredToken,
} from '../types.js';
import type { AuthenticationAsk, Explanation, Facts, FieldName, SessionReason, Settings } from './backend.js';

/** Counts changes that an older side would misunderstand. Each side refuses any other number. */
export const VERSION = 1;

/** The page is told what changed at these times and no others, so that it cannot time key presses. */
export const BEAT_MS = 200;

/** The frame's height comes in steps, so that it does not tell which message is shown. */
export const STEP_PX = 8;

/** What the frame has around its content, for outlines. */
export const EDGE_PX = 4;

/** How long a frame may take until it answers. */
export const PATIENCE_MS = 20_000;

/** The only message between the two windows. A port comes with it. */
export interface Connect {
  cardseal: 'connect';
  version: number;
  nonce: string;
}

/** What the frame is told of the form: what the page said about it, without anything that decides where a card goes. */
export interface FrameSettings
  extends Omit<Settings, 'session' | 'openSession' | 'server' | 'messages' | 'fieldsStyle'> {
  /** The id of a session that the page has. */
  session: string | null;
  /** Whether the page opens sessions itself. */
  opens: boolean;
  style: FrameStyle;
}

/** Names of {@link STYLE} with values that {@link checkedStyle} lets through. */
export type FrameStyle = { [name: string]: string };

/** The calls that the page can make. */
export type CallName = 'tokenize' | 'pay' | 'check' | 'authentication';

/** From the page to the frame. */
export type ToFrame =
  | { type: 'settings'; settings: FrameSettings }
  | { type: 'call'; id: number; name: CallName; options: FrameCallOptions }
  | { type: 'abort'; id: number }
  /** The answer to `open`: the id of a session, or null if there is none. */
  | { type: 'opened'; id: number; session: string | null }
  | { type: 'warm' | 'clear' | 'focus' };

export interface FrameCallOptions {
  timeoutMs?: number;
  /** Only for `check`: whether to mark mistakes. */
  report?: boolean;
  kountSession?: string;
  store?: boolean;
  /** Only for `authentication`. The module checks what is in it. */
  authentication?: AuthenticationAsk;
}

/** What the page is told of the fields. */
export type FrameFacts = Omit<Facts, 'message'> & {
  height: number;
  /** Says which field is wrong, not what is wrong with it. */
  message: string;
};

/** From the frame to the page. */
export type ToPage =
  | { type: 'connected'; version: number; nonce: string }
  | { type: 'facts'; facts: FrameFacts }
  | { type: 'answer'; id: number; value: StoredToken | PaymentOutcome | Authentication | boolean }
  | { type: 'failure'; id: number; error: PlainError; explanation: Explanation }
  /** The page's code did not load: the shopper can try again in the frame. */
  | { type: 'failed'; error: PlainError }
  | { type: 'open'; id: number; why: SessionReason }
  | { type: 'edited' | 'cleared' | 'submitted' };

/** A {@link CardsealError} as plain data, without what it says of single fields. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  platform?: Platform | undefined;
  status?: number | undefined;
  platformCode?: string | undefined;
  retryAfter?: number | undefined;
  outcomeUnknown?: true | undefined;
}

// -------------------------------------------------------------------------------------------- the handshake

/** 128 random bits. */
export const newNonce = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

const NONCE = /^[0-9a-f]{32}$/;

/** Reads a message to the frame's window. Null if it is anything but a well-formed `connect` with one port. */
export function readConnect(event: MessageEvent): { nonce: string; port: MessagePort } | null {
  const { cardseal, version, nonce } = members(event.data, 'cardseal', 'version', 'nonce');
  const [port] = event.ports;
  if (cardseal !== 'connect' || version !== VERSION || !fits(nonce, NONCE)) return null;
  return port && event.ports.length === 1 ? { nonce, port } : null;
}

/** Reads the settings of `card-fields.json`, which stands beside the frame's page. */
export function readFrameConfig(value: unknown): { parents: string[]; server: string } {
  const { parents, server } = members(value, 'parents', 'server');
  const list = Array.isArray(parents) ? parents.filter(isText) : [];
  return { parents: list.filter(isOrigin), server: textOf(server) ?? '' };
}

/** Whether a text is exactly what browsers call an origin. No patterns: each page is named. */
function isOrigin(text: string): boolean {
  try {
    return new URL(text).origin === text && text !== 'null';
  } catch {
    return false;
  }
}

// ------------------------------------------------------------------------------------- what the frame takes

const flag = (value: unknown): boolean => value === true;
const oneOf = <T extends string>(value: unknown, ...words: T[]): T | null =>
  words.find((word) => word === value) ?? null;
const short = (value: unknown, most: number): string | null =>
  isText(value) && value !== '' && value.length <= most ? value : null;

/** Ids of the server. */
const SESSION = /^ses_[\w-]{1,80}$/;
/** Words such as `online_payments` or `visa`. */
const WORD = /^[a-z_]{2,32}$/;
const TAG = /^[A-Za-z0-9-]{1,35}$/;

/** The details of a customer that a page may fill in. Nothing about the browser or its address. */
const CUSTOMER: (keyof CcBillCustomer)[] = [
  'firstName',
  'lastName',
  'email',
  'postalCode',
  'country',
  'address1',
  'address2',
  'city',
  'state',
  'phoneNumber',
];

function customerDetails(value: unknown): Partial<CcBillCustomer> {
  const given = members(value, ...CUSTOMER);
  const found: Partial<CcBillCustomer> = {};
  for (const name of CUSTOMER) {
    const text = short(given[name], 200);
    if (text !== null) found[name] = text;
  }
  return found;
}

/** The id of a session, or null for anything else. */
export const sessionId = (value: unknown): string | null => (fits(value, SESSION) ? value : null);

/** Reads settings as the page sent them. What is not as it must be counts as not given. */
export function readFrameSettings(value: unknown): FrameSettings {
  const given = members(
    value,
    'platform',
    'session',
    'opens',
    'customer',
    'holder',
    'nickname',
    'acceptedBrands',
    'customerDetails',
    'required',
    'disabled',
    'lang',
    'dir',
    'theme',
    'style',
  );
  const brands = Array.isArray(given.acceptedBrands) ? given.acceptedBrands.slice(0, 40) : [];
  return {
    platform: fits(given.platform, WORD) ? (given.platform as Platform) : null,
    session: sessionId(given.session),
    opens: flag(given.opens),
    customer: short(given.customer, 255),
    holder: oneOf(given.holder, 'required', 'optional', 'hidden'),
    nickname: flag(given.nickname),
    acceptedBrands: brands.filter((brand) => fits(brand, WORD)) as Brand[],
    customerDetails: customerDetails(given.customerDetails),
    required: flag(given.required),
    disabled: flag(given.disabled),
    lang: fits(given.lang, TAG) ? given.lang : 'en',
    dir: oneOf(given.dir, 'ltr', 'rtl'),
    theme: oneOf(given.theme, 'auto', 'light', 'dark') ?? 'auto',
    style: checkedStyle(given.style),
  };
}

/** Reads the options of a call. */
export function readCallOptions(value: unknown): FrameCallOptions {
  const given = members(value, 'timeoutMs', 'report', 'kountSession', 'store', 'authentication');
  const { timeoutMs } = given;
  const authentication = readAsk(given.authentication);
  const kountSession = short(given.kountSession, 64);
  return {
    ...(typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= 600_000 ? { timeoutMs } : {}),
    ...(kountSession === null ? {} : { kountSession }),
    ...(authentication === null ? {} : { authentication }),
    report: flag(given.report),
    store: flag(given.store),
  };
}

/** Ids of the server. */
const AUTHENTICATION = /^aut_[\w-]{1,80}$/;

/** Reads a question about an authentication. It says nothing of a card, and goes to this frame's own server. */
function readAsk(value: unknown): AuthenticationAsk | null {
  const { what, id, browser, answer } = members(value, 'what', 'id', 'browser', 'answer');
  if (what === 'read') return { what, answer };
  if (!fits(id, AUTHENTICATION)) return null;
  if (what === 'initiate') return { what, id, browser: browser as AuthenticationBrowser };
  return what === 'result' ? { what, id } : null;
}

// ------------------------------------------------------------------------------------- what the page is told

const FACTS = ['loaded', 'empty', 'valid', 'marked', 'brand', 'brands', 'last4', 'fields', 'focused'] as const;

/** What of the facts the page may know. `wrong` says, for the first field that is wrong, only that. */
export function publicFacts(facts: Facts, height: number, wrong: (field: FieldName) => string): FrameFacts {
  const first = (Object.keys(facts.fields) as FieldName[]).find((field) => !facts.fields[field]);
  const known = Object.fromEntries(FACTS.map((name) => [name, facts[name]])) as Omit<Facts, 'message'>;
  return {
    ...known,
    height: Math.ceil(height / STEP_PX) * STEP_PX,
    message: facts.message && first ? wrong(first) : '',
  };
}

/** What of a token the page may know. Number, name and what the platform said stay in the frame. */
export const publicToken = (token: StoredToken): StoredToken => ({
  id: token.id,
  platform: token.platform,
  brand: token.brand,
  bin: null,
  last4: token.last4,
  expiry: token.expiry,
  holder: null,
  nickname: null,
  status: token.status,
  signature: null,
  raw: null,
});

/** What of a payment the page may know. */
export const publicOutcome = (outcome: PaymentOutcome): PaymentOutcome => ({
  id: outcome.id,
  platform: outcome.platform,
  status: outcome.status,
  orderReference: outcome.orderReference,
  authorization: outcome.authorization,
  brand: outcome.brand,
  last4: outcome.last4,
  decline: outcome.decline && { ...outcome.decline, message: null },
  ...(outcome.redirect ? { redirect: { url: outcome.redirect.url } } : {}),
  signature: null,
  raw: null,
});

/** What of an error the page may know. */
export function plainError(error: CardsealError): PlainError {
  const { code, message, retryable, platform, status, platformCode, retryAfter, outcomeUnknown } = error;
  return { code, message, retryable, platform, status, platformCode, retryAfter, outcomeUnknown };
}

/** The error again, on the page's side. */
export function thrownError(value: unknown): CardsealError {
  const { code, message, retryable, outcomeUnknown, ...facts } = members(
    value,
    'code',
    'message',
    'retryable',
    'platform',
    'status',
    'platformCode',
    'retryAfter',
    'outcomeUnknown',
  ) as PlainError;
  const error = new CardsealError({ ...facts, code, message });
  // After a payment whose answer was lost it is not what the code says.
  return Object.assign(error, { retryable: flag(retryable), ...(flag(outcomeUnknown) && { outcomeUnknown: true }) });
}

// ------------------------------------------------------------------------------------------------ restyling

/** What a page may change, by the name of the custom property: what kind of value it takes, and for lengths how much. */
type Kind = 'colour' | 'fonts' | 'weight' | { least: number; most: number };

export const STYLE: Record<string, Kind> = {
  /** What `1rem` is. */
  'font-size': { least: 8, most: 32 },
  '--cardseal-text': 'colour',
  '--cardseal-muted': 'colour',
  '--cardseal-background': 'colour',
  '--cardseal-border': 'colour',
  '--cardseal-accent': 'colour',
  '--cardseal-danger': 'colour',
  '--cardseal-danger-background': 'colour',
  '--cardseal-warning': 'colour',
  '--cardseal-input-text': 'colour',
  '--cardseal-gap': { least: 0, most: 48 },
  '--cardseal-radius': { least: 0, most: 40 },
  '--cardseal-height': { least: 24, most: 96 },
  '--cardseal-font-size': { least: 12, most: 32 },
  '--cardseal-font': 'fonts',
  '--cardseal-label-weight': 'weight',
};

/** Fonts that come with systems. None is fetched, and none can be made to measure what is typed. */
const FONTS = [
  'system-ui',
  'sans-serif',
  'serif',
  'monospace',
  'ui-sans-serif',
  'ui-serif',
  'ui-rounded',
  'ui-monospace',
  'arial',
  'avenir',
  'avenir next',
  'cambria',
  'courier new',
  'georgia',
  'helvetica',
  'helvetica neue',
  'inter',
  'lato',
  'noto sans',
  'open sans',
  'roboto',
  'segoe ui',
  'tahoma',
  'times new roman',
  'trebuchet ms',
  'verdana',
];

const COLOUR =
  /^(#[0-9a-f]{3,8}|[a-z]{3,24}|(rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([\d\s.,%/+-]{1,60}(deg)?[\d\s.,%/+-]{0,60}\))$/i;
/** One colour for each scheme; the first has no comma outside of brackets. */
const BOTH = /^light-dark\(\s*([^,()]+(?:\([^()]*\))?)\s*,\s*([^()]+(?:\([^()]*\))?)\s*\)$/i;
const LENGTH = /^(\d{0,3}(?:\.\d{1,4})?)(px|rem|em)$/;
const PX: Record<string, number> = { px: 1, rem: 16, em: 16 };

/** The value as it may be used, or null. */
function allowed(kind: Kind, value: string): string | null {
  const colour = (text: string | undefined): boolean => COLOUR.test(text?.trim() ?? '');
  if (kind === 'colour') {
    const both = BOTH.exec(value);
    return colour(value) || (colour(both?.[1]) && colour(both?.[2])) ? value : null;
  }
  if (kind === 'weight') return /^[3-7]00$/.test(value) ? value : null;
  if (kind === 'fonts') {
    const names = value.split(',').map((name) => name.trim().replace(/^(["'])(.*)\1$/, '$2'));
    const known = names.filter((name) => FONTS.includes(name.toLowerCase()));
    return known.map((name) => (name.includes(' ') ? `"${name}"` : name)).join(', ') || null;
  }
  const [, number = '', unit = ''] = LENGTH.exec(value) ?? [];
  const px = number === '' ? Number.NaN : Number(number) * (PX[unit] ?? Number.NaN);
  return px >= kind.least && px <= kind.most ? value : null;
}

/** The allowed properties with allowed values. Nothing in it fetches anything, and no function but of a colour. */
export function checkedStyle(value: unknown): FrameStyle {
  const given = members(value, ...Object.keys(STYLE));
  const style: FrameStyle = {};
  for (const [name, kind] of Object.entries(STYLE)) {
    const text = textOf(given[name])?.trim() ?? '';
    const checked = text.length <= 200 ? allowed(kind, text) : null;
    if (checked !== null) style[name] = checked;
  }
  return style;
}
