// The public functions and classes. What is in these files is what only JavaScript can do: loading, sending, and
// turning plain error objects into exceptions. One file a platform.

import { call } from "./core.js";
import { JSON_HEADERS, at, malformed, send } from "./send.js";

export function validateCard(card, options) {
  const { now = Date.now, ...rest } = options ?? {};
  return call((wasm) => wasm.validateCard(card, rest, now()));
}
export const candidateBrands = (number) => call((wasm) => wasm.candidateBrands(number));
export const formatCardNumber = (text, caret) => call((wasm) => wasm.formatCardNumber(text, caret));
export const formatExpiry = (text, caret) => call((wasm) => wasm.formatExpiry(text, caret));
export const formatSecurityCode = (text, caret, number) => call((wasm) => wasm.formatSecurityCode(text, caret, number));
export const formatCardNumberInput = (input) => call((wasm) => wasm.formatCardNumberInput(input));
export const formatExpiryInput = (input) => call((wasm) => wasm.formatExpiryInput(input));
export const formatSecurityCodeInput = (input, number) => call((wasm) => wasm.formatSecurityCodeInput(input, number));

export function openSessionRequest(options) {
  const { server = "", platform, kind, mode, customer, token, amount, currency, description, orderReference } = options ?? {};
  return {
    method: "POST",
    url: at(server, "/v1/sessions"),
    headers: { ...JSON_HEADERS },
    body: JSON.stringify({ platform, kind, mode, customer, token, amount, currency, description, order_reference: orderReference }),
  };
}

export async function openSession(options) {
  const { body, status } = await send(openSessionRequest(options), { ...options, own: true });
  // From here on the times are this machine's: a shopper's clock may be hours off.
  const now = Date.now();
  if (typeof body.id !== "string" || !(body.expires_in > 0 && body.expires_in < 1e9)) throw malformed(status);
  return {
    ...body,
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + 1000 * body.expires_in).toISOString(),
  };
}

export { CardsealError } from "./error.js";
export { GpApi } from "./gp_api.js";
export { GreenPay } from "./greenpay.js";
