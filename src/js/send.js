// Sending a request and reading the answer, for every platform.

import { CardsealError, failure } from "./error.js";
import { NOTHING, bare, isObject, members } from "./value.js";

export const JSON_HEADERS = { accept: "application/json", "content-type": "application/json" };

/** A path at a base URL. */
export function at(base, path) {
  if (typeof base !== "string") throw failure("type_invalid", "server");
  return base.replace(/\/+$/, "") + path;
}

export const malformed = (status) =>
  new CardsealError({ code: "answer_malformed", message: "the server's answer is not one of its own", status });

/** No answer of a platform or of the server comes near this. */
const MOST_BYTES = 1 << 20;

/**
 * Sends with a time-out; the options have no prototype. Gives the status, the `raw` answer, and as `body` a copy of it that
 * has no prototypes and is what is read. `own` is a call to the merchant's server: its refusals become exceptions; a
 * platform's answers are left to the platform's reader, whatever their status.
 */
export async function send(request, options) {
  const { url, method, headers, body } = members(request, "url", "method", "headers", "body");
  const { signal, timeoutMs = 30_000, own, fetch = globalThis.fetch, parse = JSON.parse } = options;
  const controller = new AbortController();
  const abort = () => controller.abort();
  let late = false;
  const timer = timeoutMs > 0 ? setTimeout(() => { late = true; abort(); }, timeoutMs) : undefined;
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  let status;
  let text;
  try {
    const response = await fetch(url, {
      // `fetch` reads members that are missing here from a prototype, too.
      __proto__: null,
      method,
      headers,
      body,
      signal: controller.signal,
      credentials: own ? "same-origin" : "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    status = response.status;
    text = await bounded(response);
  } catch {
    // The cause is left out: some runtimes put the request into it.
    if (signal?.aborted) throw failure("request_aborted");
    if (late) throw new CardsealError({ code: "request_timeout", message: `no answer came within ${timeoutMs} ms` });
    throw failure("network_failed", undefined, { status });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
  let raw;
  try {
    raw = text === undefined ? undefined : parse(text);
  } catch {
    // Not JSON: as good as no answer.
  }
  const answer = bare(raw);
  if (own) refuse(status, answer);
  return { status, body: answer, raw };
}

async function bounded(response) {
  if (!response.body?.getReader) {
    const text = await response.text();
    return text.length > MOST_BYTES ? undefined : text;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > MOST_BYTES) {
      await reader.cancel();
      return undefined;
    }
  }
}

/** Codes of the server that mean the same here. */
const SHARED = [
  "session_expired", "session_wrong_kind", "platform_rejected", "platform_unavailable", "signature_invalid",
  "too_many_attempts",
];

function refuse(status, answer) {
  if (status >= 200 && status < 300) {
    if (isObject(answer)) return;
    throw malformed(status);
  }
  if (!isObject(answer)) answer = NOTHING;
  const theirs = typeof answer.code === "string" ? answer.code : undefined;
  const shared = theirs === "platform_timeout" ? "platform_unavailable" : SHARED.find((code) => code === theirs);
  throw new CardsealError({
    code: shared ?? "server_rejected",
    message: [answer.detail, answer.title].find((text) => typeof text === "string") ?? `the server answered ${status}`,
    status,
    field: answer.field,
    platformCode: answer.platform_code ?? (shared ? undefined : theirs),
    platformMessage: answer.platform_message,
    retryAfter: shared === "too_many_attempts" && answer.retry_after > 0 ? answer.retry_after : undefined,
  });
}

function known(text, status) {
  if (typeof text !== "string") throw malformed(status);
  return text;
}

/** What is not known of a card or of a payment. */
const NO_TOKEN = { brand: null, bin: null, last4: null, expiry: null, holder: null, nickname: null };
const NO_PAYMENT = { orderReference: null, authorization: null, brand: null, last4: null, decline: null, signature: null };

/** Of what was read the members that there are, in the order of the declarations. */
const filled = (empty, read) =>
  Object.fromEntries(Object.entries(empty).map(([name, nothing]) => {
    const value = members(read, name)[name] ?? nothing;
    return [name, isObject(value) ? { ...value } : value];
  }));

/** A `CardToken`. What came through a browser can be made more than `unconfirmed` only by the server. */
export const cardToken = (platform, id, read, raw, status = "unconfirmed", signature = null) =>
  ({ id, platform, ...filled(NO_TOKEN, read), status, signature, raw });

/** A `PaymentOutcome`. */
export const outcome = (platform, id, status, read, raw) => ({ id, platform, status, ...filled(NO_PAYMENT, read), raw });

/** The server's token. */
export const readToken = ({ body, status, raw }) => cardToken(body.platform, known(body.id, status), body, raw, known(body.status, status));

/** The server's payment. */
export const readPayment = ({ body, status, raw }) =>
  outcome(
    body.platform, known(body.id, status), known(body.status, status),
    { ...body, orderReference: body.order_reference, signature: null }, raw,
  );

/** A platform's answer that could not be read. */
export const unreadable = (status) => failure(
  status > 501 && status < 505 ? "platform_unavailable" : "answer_malformed", undefined, { status },
);
