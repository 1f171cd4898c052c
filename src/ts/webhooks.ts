// Not for pages: verifies the events that the server sends to a shop.

/**
 * Verifies the events that Cardseal's server sends to a shop, after [Standard Webhooks](https://www.standardwebhooks.com).
 * It uses WebCrypto alone, so it runs in Node 20 and later, Deno, Bun and Workers.
 *
 * @module
 */

/** How far the time of sending may be from this machine's clock, in seconds and in either direction. */
const TOLERANCE = 5 * 60;

/** Why a message is refused. */
export type WebhookErrorCode =
  | 'secret_invalid'
  | 'header_missing'
  | 'id_invalid'
  | 'timestamp_invalid'
  | 'timestamp_too_old'
  | 'timestamp_too_new'
  | 'signature_invalid'
  | 'body_invalid';

/** A message is refused. Answer 400 and take nothing from it. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly code: WebhookErrorCode;

  constructor(code: WebhookErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An event, as the server sends it. `docs/events.md` lists the types and what `data` has. */
export interface WebhookEvent {
  /** The form of the event. A later one adds members, and another number says when it changes them. */
  version: number;
  /** The same as the header `webhook-id`. An event that is sent again keeps it. */
  id: string;
  /** For example `payment.captured`. */
  type: string;
  /** When it happened, in RFC 3339. */
  timestamp: string;
  /** The payment, the stored card or the customer as it was then. */
  data: Record<string, unknown>;
}

/** The headers of a request: those of the Fetch API, or an object with names in lower case, as Node has it. */
export type WebhookHeaders = Headers | Record<string, string | string[] | undefined>;

/**
 * Verifies a request and returns its event.
 *
 * @param secrets The `whsec_…` secret. While it is being replaced: the new one and the old one.
 * @param headers The headers of the request.
 * @param body The body exactly as it was received, before anything parsed it.
 * @param now The time in milliseconds since 1970, for tests.
 * @throws {WebhookError} If the request is not an event of the server, or is older than five minutes.
 */
export async function verifyWebhook(
  secrets: string | readonly string[],
  headers: WebhookHeaders,
  body: string | Uint8Array | ArrayBuffer,
  now: number = Date.now(),
): Promise<WebhookEvent> {
  const keys = (typeof secrets === 'string' ? [secrets] : secrets).map(keyOf);
  if (keys.length === 0) throw new WebhookError('secret_invalid', 'there is no secret');
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  if (id === '' || id.includes('.')) throw new WebhookError('id_invalid', 'the webhook-id has another form');
  const sent = Number(timestamp);
  if (!/^[0-9]+$/.test(timestamp) || !Number.isSafeInteger(sent)) {
    throw new WebhookError('timestamp_invalid', 'the webhook-timestamp is not a number of seconds');
  }
  const age = Math.floor(now / 1000) - sent;
  if (age > TOLERANCE) throw new WebhookError('timestamp_too_old', 'the message is too old; check the clock');
  if (age < -TOLERANCE) {
    throw new WebhookError('timestamp_too_new', 'the message is from the future; check the clock');
  }
  const received = typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body);
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array(head.length + received.length);
  signed.set(head);
  signed.set(received, head.length);
  if (!(await isSigned(keys, signatures, signed))) {
    throw new WebhookError(
      'signature_invalid',
      'no signature fits; check the secret, and pass the body as it was received',
    );
  }
  try {
    // Bytes that are no text are not replaced by others.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(received)) as WebhookEvent;
  } catch {
    throw new WebhookError('body_invalid', 'the body is not JSON');
  }
}

/** One signature with one of the secrets is enough; signatures of other versions are skipped. */
async function isSigned(
  keys: readonly Uint8Array<ArrayBuffer>[],
  signatures: string,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  for (const part of signatures.split(' ')) {
    const signature = part.startsWith('v1,') ? decode(part.slice('v1,'.length)) : undefined;
    if (signature === undefined) continue;
    for (const bytes of keys) {
      const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
      // Takes the same time for every signature of the same length.
      if (await crypto.subtle.verify('HMAC', key, signature, signed)) return true;
    }
  }
  return false;
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = secret.startsWith('whsec_') ? decode(secret.slice('whsec_'.length)) : undefined;
  if (bytes === undefined || bytes.length < 24 || bytes.length > 64) {
    throw new WebhookError('secret_invalid', 'a secret is whsec_ and 24 to 64 bytes as base64');
  }
  return bytes;
}

/** Base64 in its one form: other texts for the same bytes are refused. */
function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  if (btoa(binary) !== text) return undefined;
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function header(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : Object.hasOwn(headers, name) ? headers[name] : null;
  if (typeof value !== 'string') throw new WebhookError('header_missing', `the header ${name} is missing`);
  return value;
}
