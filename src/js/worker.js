// For pages whose Content-Security-Policy forbids WebAssembly: the same API, run by a worker whose own response allows
// it. The worker also sends the requests, so that neither plain card data nor an answer's token comes back through the
// page's `fetch`, which other scripts may have replaced, and the page's connect-src can stay closed.

import { device } from "./device.js";
import { CardsealError } from "./error.js";
import { fields } from "./fields.js";
import { attempt, policy } from "./load.js";
import { isObject, members } from "./value.js";

let worker;
let loading;
let count = 0;
const waiting = new Map();
const gone = new FinalizationRegistry((id) => worker?.postMessage([0, id, "free", []]));

/** `worker` is the URL of worker-host.js, or a worker made of it. */
export function load(options) {
  const { worker: given } = members(options, "worker");
  return (loading ??= attempt(() => start(given), reason).catch((error) => {
    terminate();
    throw error;
  }));
}

/** Ends the worker with everything in it; what was under way fails with `request_aborted`. */
export function terminate() {
  worker?.terminate();
  worker = loading = undefined;
  settle(new CardsealError({ code: "request_aborted", message: "the worker was ended" }));
}

function settle(error) {
  for (const [, { reject }] of waiting) reject(error);
  waiting.clear();
}

async function start(given) {
  // Bundlers know this form, with the literal and nothing else.
  const standard = () => new Worker(new URL("./worker-host.js", import.meta.url), { type: "module" });
  worker = typeof given?.postMessage === "function" ? given : given ? new Worker(given, { type: "module" }) : standard();
  worker.onmessage = ({ data: [id, value, error] }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (!error) call?.resolve(value);
    else call?.reject(Object.hasOwn(error, "code") ? new CardsealError(error) : new Error(error.message));
  };
  worker.onerror = ({ message }) => settle(new Error(message ?? "no script"));
  await ask(0, "load", []);
}

function reason(text, broken) {
  if (!globalThis.Worker) return "there are no workers here";
  if (/Trusted/.test(text)) return "require-trusted-types-for: pass load({ worker }) a Worker or a TrustedScriptURL";
  if (/src/.test(broken)) return policy("worker-src for worker-host.js");
  return "worker-host.js must come from the page's origin, as text/javascript, with the page's Cross-Origin-Embedder-Policy";
}

const wrong = (message, field) => new CardsealError({ code: "type_invalid", message, field });

/** What can cross: of a card its fields alone, of a framework's proxies what they stand for. */
function plain(value) {
  const isCard = (given) => isObject(given) && (Object.hasOwn(given, "cvc") || Object.hasOwn(given, "number"));
  try {
    const { card } = members(value, "card");
    const own = isCard(card) ? { ...value, card: fields(card) } : isCard(value) ? fields(value) : value;
    return own && JSON.parse(JSON.stringify(own, (field, item) => {
      if (typeof item === "function") throw wrong("a function cannot be handed to the worker", field);
      return /bigint|symbol/.test(typeof item) || (typeof item === "number" && !Number.isFinite(item)) ? [] : item;
    }));
  } catch (error) {
    throw error instanceof CardsealError ? error : wrong("a value cannot be handed to the worker");
  }
}

/** One message there, one back. Only a signal stays here; its event is passed on. */
function post(id, target, name, args) {
  if (!worker) throw new CardsealError({ code: "not_loaded", message: "call and await load() before using the module" });
  const signals = args.map((value) => members(value, "signal").signal);
  const signalAt = signals.findIndex((signal) => signal);
  const signal = signals.find((signal) => signal);
  if (signal) args[signalAt] = { ...args[signalAt], signal: undefined };
  worker.postMessage([id, target, name, args.map(plain), signalAt]);
  const abort = () => worker?.postMessage([0, id, "abort", []]);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { __proto__: null, once: true });
}

const ask = (target, name, args) =>
  new Promise((resolve, reject) => {
    const id = ++count;
    post(id, target, name, args);
    waiting.set(id, { resolve, reject });
  });

const verb = (name) => (...args) => ask(0, name, args);
export const validateCard = verb("validateCard");
export const candidateBrands = verb("candidateBrands");
export const formatCardNumber = verb("formatCardNumber");
export const formatExpiry = verb("formatExpiry");
export const formatSecurityCode = verb("formatSecurityCode");
export const openSessionRequest = verb("openSessionRequest");
export const openSession = verb("openSession");

/** What was typed while the worker was busy is left as it is: it has an `input` event of its own. */
const formatInput = (name) => async (input, ...rest) => {
  if (typeof input?.value !== "string") throw wrong("a value has the wrong type", "input");
  const { value, selectionStart } = input;
  const { text, caret, brands } = members(await ask(0, name, [value, selectionStart ?? undefined, ...rest]), "text", "caret", "brands");
  if (text !== value && input.value === value) {
    input.value = text;
    if (selectionStart !== null) input.setSelectionRange(caret, caret);
  }
  return brands;
};
export const formatCardNumberInput = formatInput("formatCardNumber");
export const formatExpiryInput = formatInput("formatExpiry");
export const formatSecurityCodeInput = formatInput("formatSecurityCode");

class Remote {
  #id = ++count;

  constructor(kind, options) {
    post(0, this.#id, "new", [kind, options]);
    gone.register(this, this.#id);
  }

  static ask(object, name, args) {
    return ask(object.#id, name, args);
  }
}

/** A class whose methods are these. */
function remote(kind, ...names) {
  const Class = { [kind]: class extends Remote { constructor(options) { super(kind, options); } } }[kind];
  for (const name of names) Class.prototype[name] = function (...args) { return Remote.ask(this, name, args); };
  return Class;
}

export const CcBill = /* @__PURE__ */ remote(
  "CcBill", "createPaymentTokenRequest", "createPaymentToken", "threeDsRequiredRequest", "threeDsRequired",
  "confirmTokenRequest", "confirmToken", "confirmPaymentRequest", "confirmPayment", "free",
);
export const GpApi = /* @__PURE__ */ remote("GpApi", "tokenizeRequest", "tokenize", "confirmTokenRequest", "confirmToken", "free");
export const GreenPay = /* @__PURE__ */ remote(
  "GreenPay", "pack", "tokenizeRequest", "tokenize", "updateTokenRequest", "updateToken", "payRequest", "pay",
  "confirmTokenRequest", "confirmToken", "confirmPaymentRequest", "confirmPayment", "free",
);
Object.defineProperty(GreenPay.prototype, "warnings", { __proto__: null, get() { return Remote.ask(this, "warnings", []); } });

/** A worker has no screen, and the platform wants to know the one that is really there. */
export class OnlinePayments extends /* @__PURE__ */ remote(
  "OnlinePayments", "publicKeyRequest", "publicKey", "iinDetailsRequest", "iinDetails", "productsRequest", "products",
  "productRequest", "product", "encrypt", "tokenizeRequest", "tokenize", "payRequest", "pay",
  "confirmTokenRequest", "confirmToken", "confirmPaymentRequest", "confirmPayment", "free",
) {
  constructor(options) {
    super({ ...options, device: members(options, "device").device ?? device() });
  }
}

export const WorldlineAcquiring = /* @__PURE__ */ remote(
  "WorldlineAcquiring", "seal", "tokenizeRequest", "tokenize", "payRequest", "pay", "free",
);

export { CardsealError };
export { checkCustomer } from "./customer.js";
export { checkField, maskField } from "./product.js";
