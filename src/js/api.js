// The public functions and classes. What is in these files is what JavaScript does in fewer bytes than the module could:
// loading, sending, and JSON, which is sessions, requests and answers. One file a platform.

import { formatCardNumber, formatExpiry, formatSecurityCode } from "./card.js";
import { failure } from "./error.js";
import { JSON_HEADERS, at, malformed, send } from "./send.js";
import { members } from "./value.js";

/** Formats an input's value in place. It is set only if it changes, so that the browser's undo keeps its steps. */
function inPlace(format, input, ...rest) {
  if (typeof input?.value !== "string") throw failure("type_invalid", "input");
  // An input whose type has no selection keeps its own caret.
  const { value, selectionStart } = input;
  const { text, caret, brands } = members(format(value, selectionStart ?? undefined, ...rest), "text", "caret", "brands");
  if (text !== value) {
    input.value = text;
    if (selectionStart !== null) input.setSelectionRange(caret, caret);
  }
  return brands;
}
export const formatCardNumberInput = (input) => inPlace(formatCardNumber, input);
export const formatExpiryInput = (input) => inPlace(formatExpiry, input);
export const formatSecurityCodeInput = (input, number) => inPlace(formatSecurityCode, input, number);

/** Options that the server calls by the same name. */
const SESSION_OPTIONS = [
  "platform", "kind", "mode", "customer", "token", "amount", "currency", "capture", "description", "locale",
];

export function openSessionRequest(options) {
  const { server = "", orderReference, ...session } = members(options, "server", "orderReference", ...SESSION_OPTIONS);
  return {
    method: "POST",
    url: at(server, "/v1/sessions"),
    headers: { ...JSON_HEADERS },
    body: JSON.stringify({ ...session, order_reference: orderReference }),
  };
}

export async function openSession(options) {
  const how = { __proto__: null, ...members(options, "signal", "timeoutMs", "fetch"), own: true };
  const { body, status, raw } = await send(openSessionRequest(options), how);
  // From here on the times are this machine's: a shopper's clock may be hours off. Only what the server reads keeps its own.
  const now = Date.now();
  if (typeof body.id !== "string" || !(body.expires_in > 0 && body.expires_in < 1e9)) throw malformed(status);
  return {
    ...raw,
    server_expires_at: body.expires_at,
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + 1000 * body.expires_in).toISOString(),
  };
}

export { candidateBrands, formatCardNumber, formatExpiry, formatSecurityCode, validateCard } from "./card.js";
export { CcBill } from "./ccbill.js";
export { checkCustomer } from "./customer.js";
export { CardsealError } from "./error.js";
export { GpApi } from "./gp_api.js";
export { GreenPay } from "./greenpay.js";
export { OnlinePayments } from "./online_payments.js";
export { checkField, maskField } from "./product.js";
export { WorldlineAcquiring } from "./worldline_acquiring.js";
