// Sending a request and reading the answer, for every platform.

import { CardsealError } from "./error.js";

export const JSON_HEADERS = { accept: "application/json", "content-type": "application/json" };

/** A path at a base URL. */
export function at(base, path) {
  if (typeof base !== "string") throw new CardsealError({ code: "type_invalid", message: "a value has the wrong type", field: "server" });
  return base.replace(/\/+$/, "") + path;
}

export const malformed = (status) =>
  new CardsealError({ code: "answer_malformed", message: "the server's answer is not one of its own", status });

/** No answer of a platform or of the server comes near this. */
const MOST_BYTES = 1 << 20;

/**
 * Sends with a time-out. `own` is a call to the merchant's server: its refusals become exceptions; a
 * platform's answers are left to the platform's reader, whatever their status.
 */
export async function send({ url, method, headers, body }, options) {
  const { signal, timeoutMs = 30_000, own, fetch = globalThis.fetch } = options;
  const controller = new AbortController();
  const abort = () => controller.abort();
  let late = false;
  const timer = timeoutMs > 0 ? setTimeout(() => { late = true; abort(); }, timeoutMs) : undefined;
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  let status;
  let text;
  try {
    const response = await fetch(url, {
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
    if (signal?.aborted) throw new CardsealError({ code: "request_aborted", message: "the request was aborted by the caller" });
    if (late) throw new CardsealError({ code: "request_timeout", message: `no answer came within ${timeoutMs} ms` });
    throw new CardsealError({ code: "network_failed", message: "the request could not be sent, or the connection broke", status });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
  let answer;
  try {
    answer = text === undefined ? undefined : JSON.parse(text);
  } catch {
    // Not JSON: as good as no answer.
  }
  if (own) refuse(status, answer);
  return { status, body: answer };
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
const SHARED = ["session_expired", "session_wrong_kind", "platform_rejected", "platform_unavailable", "signature_invalid"];

function refuse(status, answer) {
  if (status >= 200 && status < 300) {
    if (answer !== null && typeof answer === "object") return;
    throw malformed(status);
  }
  const theirs = typeof answer?.code === "string" ? answer.code : undefined;
  const shared = theirs === "platform_timeout" ? "platform_unavailable" : SHARED.find((code) => code === theirs);
  throw new CardsealError({
    code: shared ?? "server_rejected",
    message: [answer?.detail, answer?.title].find((text) => typeof text === "string") ?? `the server answered ${status}`,
    status,
    field: answer?.field,
    platformCode: answer?.platform_code ?? (shared ? undefined : theirs),
    platformMessage: answer?.platform_message,
  });
}

function known(text, status) {
  if (typeof text !== "string") throw malformed(status);
  return text;
}

/** The server's token, as a `CardToken`. */
export const readToken = ({ body, status }) => ({
  id: known(body.id, status),
  platform: body.platform,
  brand: body.brand ?? null,
  bin: body.bin ?? null,
  last4: body.last4 ?? null,
  expiry: body.expiry ?? null,
  holder: body.holder ?? null,
  nickname: body.nickname ?? null,
  status: known(body.status, status),
  signature: null,
  raw: body,
});

/** The server's payment, as a `PaymentOutcome`. */
export const readPayment = ({ body, status }) => ({
  id: known(body.id, status),
  platform: body.platform,
  status: known(body.status, status),
  orderReference: body.order_reference ?? null,
  authorization: body.authorization ?? null,
  brand: body.brand ?? null,
  last4: body.last4 ?? null,
  decline: body.decline ?? null,
  signature: null,
  raw: body,
});
