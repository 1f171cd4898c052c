// Sends requests and reads the answers, for every platform.

import * as codes from './codes.js';
import type { CardsealError } from './error.js';
import { failure, type Row } from './failure.js';
import { policy, watchPolicy } from './policy.js';
import { isObject, isText, members, plain, textOf } from './read.js';
import type {
  CardRequest,
  CardsealQuery,
  CardsealRequest,
  DirectToken,
  PaymentOutcome,
  Platform,
  ReadPayment,
  ReadToken,
  SendOptions,
  StoredToken,
} from './types.js';

/** An answer. `body` is the parsed JSON, or undefined if it was not JSON. */
export interface Answer {
  status: number;
  body: unknown;
}

export interface SendHow extends SendOptions {
  /** Default `globalThis.fetch`. */
  fetch?: typeof fetch | undefined;
  /** Whether the merchant's server is called. Only its errors become exceptions. */
  own?: boolean;
  /** Default `JSON.parse`. */
  parse?: (text: string) => unknown;
}

export const malformed = (status: number): CardsealError =>
  failure(codes.answer_malformed, { message: 'this is not an answer of a Cardseal server', status });

/** Real answers are much smaller. */
const MOST_BYTES = 1 << 20;

/** Sends a request with a timeout. */
export async function send(request: CardsealRequest | CardsealQuery, how: SendHow): Promise<Answer> {
  const { url, warnings, ...init } = request as CardRequest;
  const given = members(how, 'signal', 'timeoutMs', 'own', 'fetch', 'parse') as SendHow;
  const { signal, timeoutMs = 30_000, own = false, fetch: fetching = globalThis.fetch, parse = JSON.parse } = given;
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let late = false;
  const timer =
    timeoutMs > 0
      ? setTimeout(() => {
          late = true;
          abort();
        }, timeoutMs)
      : undefined;
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  let status: number | undefined;
  let text: string | undefined;
  const watch = watchPolicy();
  try {
    const response = await fetching(
      url,
      // `fetch` would also read members of a prototype.
      plain<RequestInit>({
        ...init,
        signal: controller.signal,
        credentials: own ? 'same-origin' : 'omit',
        cache: 'no-store',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
      }),
    );
    status = response.status;
    text = await bounded(response, abort);
  } catch {
    // Without the cause, because some runtimes put the request into it.
    if (signal?.aborted) throw failure(codes.request_aborted);
    if (late) throw failure(codes.request_timeout, { message: `no answer arrived within ${timeoutMs} ms` });
    throw failure(codes.network_failed, { status, message: unanswered(url, own, status, await watch.broken()) });
  } finally {
    watch.end();
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
  let body: unknown;
  try {
    body = text === undefined ? undefined : parse(text);
  } catch {
    // Not JSON counts as no answer.
  }
  if (own) refuse(status, body);
  return { status, body };
}

/** Explains a missing answer, as far as a browser tells. Only for the merchant's own server, it contains the path. */
function unanswered(url: string, own: boolean, status: number | undefined, broken: string): string {
  const page = globalThis.location?.origin;
  let origin: string;
  let pathname: string;
  try {
    ({ origin, pathname } = new URL(url, globalThis.location?.href));
  } catch {
    return `${url} is not a full address: set server, for example https://shop.example`;
  }
  if (/connect/.test(broken)) return policy(`connect-src ${origin}`);
  const address = own ? origin + pathname : origin;
  if (status !== undefined) return `the connection to ${address} broke during the answer`;
  const down = `no answer from ${address}: it cannot be reached, or it redirects`;
  if (!page || origin === page) return down;
  return own ? `${down}, or its allowed_origins lacks ${page}` : `${down}, or it does not allow ${page}`;
}

async function bounded(response: Response, abort: () => void): Promise<string | undefined> {
  if (!response.body?.getReader) {
    const text = await response.text();
    return text.length > MOST_BYTES ? undefined : text;
  }
  // The stream is read only to count. If a script read it alone, Chromium would show the request as cancelled.
  const text = response.clone().text();
  text.catch(() => {});
  const reader = response.body.getReader();
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text;
    bytes += value.length;
    if (bytes > MOST_BYTES) {
      abort();
      return undefined;
    }
  }
}

/** Codes of the server that have the same meaning here. */
const SHARED: readonly Row[] = [
  codes.session_expired,
  codes.session_wrong_kind,
  codes.platform_rejected,
  codes.card_declined,
  codes.platform_unavailable,
  codes.signature_invalid,
  codes.too_many_attempts,
];

/** A code of the server that becomes a more general one here. */
const TIMEOUT = 'platform_timeout';

/** The shop's setup is wrong. The server's code tells a page more than the platform's. */
const SETUP = 'platform_setup';

function refuse(status: number, answer: unknown): void {
  if (status >= 200 && status < 300) {
    if (isObject(answer)) return;
    throw malformed(status);
  }
  const said = members(answer, 'code', 'detail', 'title', 'field', 'platform_code', 'platform_message', 'retry_after');
  const own = textOf(said.code);
  const shared = own === TIMEOUT ? codes.platform_unavailable : SHARED.find(({ code }) => code === own);
  const wait = said.retry_after;
  throw failure(shared ?? codes.server_rejected, {
    message: [said.detail, said.title].find(isText) ?? `the server answered ${status}`,
    status,
    field: said.field as string | undefined,
    platformCode: own === SETUP ? own : ((said.platform_code as string | undefined) ?? (shared ? undefined : own)),
    platformMessage: said.platform_message as string | undefined,
    retryAfter: shared === codes.too_many_attempts && typeof wait === 'number' && wait > 0 ? wait : undefined,
  });
}

function known(text: unknown, status: number): string {
  if (!isText(text)) throw malformed(status);
  return text;
}

/** The members of a token that are not known. */
const NO_TOKEN = { brand: null, bin: null, last4: null, expiry: null, holder: null, nickname: null };
const NO_PAYMENT = { authorization: null, brand: null, last4: null, decline: null };

/** Fills in the members that were read, in the order of the declarations. */
function filled<Empty extends object>(empty: Empty, read: unknown): { [Name in keyof Empty]: unknown } {
  const found = members(read, ...Object.keys(empty));
  const values = Object.keys(empty).map((name) => {
    const value = found[name] ?? null;
    return [name, isObject(value) ? { ...value } : value];
  });
  return Object.fromEntries(values) as { [Name in keyof Empty]: unknown };
}

/** The platform's own answer to a token request, which only the server can confirm. */
export const directToken = (platform: Platform, { id, signature, ...read }: ReadToken, raw: unknown): DirectToken => ({
  id,
  platform,
  ...read,
  status: 'unconfirmed',
  signature,
  raw,
});

/** The platform's own answer to a payment. */
export const directPayment = (platform: Platform, { status, ...read }: ReadPayment, raw: unknown): PaymentOutcome => ({
  id: null,
  platform,
  status,
  ...read,
  raw,
});

/** The server's token. */
export function readToken({ status, body: raw }: Answer): StoredToken {
  const body = members(raw, 'id', 'platform', 'status');
  return {
    id: known(body.id, status) as StoredToken['id'],
    platform: body.platform as Platform,
    ...(filled(NO_TOKEN, raw) as Omit<StoredToken, 'id' | 'platform' | 'status' | 'signature' | 'raw'>),
    status: known(body.status, status) as StoredToken['status'],
    signature: null,
    raw,
  };
}

/** The server's payment. */
export function readPayment({ status, body: raw }: Answer): PaymentOutcome {
  const body = members(raw, 'id', 'platform', 'status', 'order_reference');
  return {
    id: known(body.id, status),
    platform: body.platform as Platform,
    status: known(body.status, status) as PaymentOutcome['status'],
    orderReference: (body.order_reference ?? null) as string | null,
    ...(filled(NO_PAYMENT, raw) as Pick<PaymentOutcome, keyof typeof NO_PAYMENT>),
    signature: null,
    raw,
  };
}
