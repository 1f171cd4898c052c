// For pages whose Content-Security-Policy forbids WebAssembly: the same API, run by a worker whose own response allows
// it. The worker also sends the requests, so that neither plain card data nor an answer's token comes back through the
// page's `fetch`, which other scripts may have replaced, and the page's connect-src can stay closed.

import type * as page from './all.js';
import { not_loaded, request_aborted, type_invalid } from './codes.js';
import { device } from './device.js';
import { CardsealError } from './error.js';
import { failure } from './failure.js';
import { attempt } from './load.js';
import { policy } from './policy.js';
import { isObject, members } from './read.js';
import type { Formatted } from './types.js';

export interface LoadOptions {
  /**
   * The URL of `cardseal/worker-host.js` on your server, or a worker made from it. If the page requires Trusted Types,
   * the URL must be a `TrustedScriptURL`. Default: the file beside this module.
   */
  worker?: string | URL | Worker | { toString(): string; toJSON(): string };
}

/** The asynchronous form of a function. */
type Later<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : Promise<F>;
type Remote<T> = { readonly [K in keyof T]: Later<T[K]> };
/** Options without functions, which cannot be passed to a worker. It has its own clock and `fetch`. */
type Plain<O> = Omit<O, 'now' | 'fetch'>;

/** A call to worker-host.ts: id, object, method, arguments, and which argument had a signal. */
export type Message = [id: number, target: number, name: string, args: unknown[], signalAt?: number];
/** The reply to a call. */
export type Reply = [id: number, value?: unknown, error?: ConstructorParameters<typeof CardsealError>[0]];

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

let worker: Worker | undefined;
let loading: Promise<void> | undefined;
let count = 0;
const waiting = new Map<number, Waiting>();
const gone = new FinalizationRegistry<number>((id) => worker?.postMessage([0, id, 'free', []]));

/** Starts the worker and loads the module in it. Repeated calls return the same promise until it fails. */
export function load(options?: LoadOptions): Promise<void> {
  const { worker: given } = members(options, 'worker');
  loading ??= attempt(() => start(given as LoadOptions['worker']), reason).catch((error) => {
    terminate();
    throw error;
  });
  return loading;
}

/** Ends the worker and everything in it. Calls in progress fail with `request_aborted`. You may call `load` again. */
export function terminate(): void {
  worker?.terminate();
  worker = undefined;
  loading = undefined;
  settle(failure(request_aborted, { message: 'the worker was terminated' }));
}

function settle(error: Error): void {
  for (const [, { reject }] of waiting) reject(error);
  waiting.clear();
}

const isWorker = (given: LoadOptions['worker']): given is Worker =>
  typeof (given as Worker | undefined)?.postMessage === 'function';

async function start(given: LoadOptions['worker']): Promise<void> {
  // Bundlers recognize only exactly this form.
  const standard = (): Worker => new Worker(new URL('./worker-host.js', import.meta.url), { type: 'module' });
  if (isWorker(given)) worker = given;
  else worker = given ? new Worker(given as string, { type: 'module' }) : standard();
  worker.onmessage = ({ data: [id, value, error] }: MessageEvent<Reply>) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (!error) call?.resolve(value);
    else call?.reject(Object.hasOwn(error, 'code') ? new CardsealError(error) : new Error(error.message));
  };
  worker.onerror = ({ message }) => settle(new Error(message ?? 'no script'));
  await ask(0, 'load', []);
}

function reason(text: string, broken: string): string {
  if (!globalThis.Worker) return 'there are no workers here';
  if (/Trusted/.test(text)) return 'require-trusted-types-for: pass load({ worker }) a Worker or a TrustedScriptURL';
  if (/src/.test(broken)) return policy('worker-src for worker-host.js');
  return "worker-host.js must come from the page's origin, as text/javascript, with the page's Cross-Origin-Embedder-Policy";
}

const wrong = (message: string, field?: string): CardsealError => failure(type_invalid, { message, field });

/** Copies only the fields of a card. */
function fieldsOf(card: object): object {
  const found = { ...members(card, 'number', 'expiry', 'cvc', 'holder', 'nickname') };
  return isObject(found.expiry) ? { ...found, expiry: { ...members(found.expiry, 'month', 'year') } } : found;
}

/** Copies a value for the worker. Only the fields of a card are copied, and a framework's proxies are resolved. */
function plain(value: unknown): unknown {
  const isCard = (given: unknown): given is object =>
    isObject(given) && (Object.hasOwn(given, 'cvc') || Object.hasOwn(given, 'number'));
  try {
    const { card } = members(value, 'card');
    let own = value;
    if (isCard(card)) own = { ...(value as object), card: fieldsOf(card) };
    else if (isCard(value)) own = fieldsOf(value);
    return own && JSON.parse(JSON.stringify(own, checked));
  } catch (error) {
    throw error instanceof CardsealError ? error : wrong('a value cannot be sent to the worker');
  }
}

/** Copies a member through JSON. A value that JSON does not have becomes one of a wrong type. */
function checked(field: string, item: unknown): unknown {
  if (typeof item === 'function') throw wrong('a function cannot be sent to the worker', field);
  const isLost = /bigint|symbol/.test(typeof item) || (typeof item === 'number' && !Number.isFinite(item));
  return isLost ? [] : item;
}

/** Sends one message and waits for the reply. A signal stays here; its event is forwarded. */
function post(id: number, target: number, name: string, args: unknown[]): void {
  if (!worker) throw failure(not_loaded);
  const signals = args.map((value) => members(value, 'signal').signal as AbortSignal | undefined);
  const signalAt = signals.findIndex((given) => given);
  const signal = signals.find((given) => given);
  const sent = args.map((value, at) => plain(at === signalAt ? { ...(value as object), signal: undefined } : value));
  const message: Message = [id, target, name, sent, signalAt];
  worker.postMessage(message);
  const abort = (): void => worker?.postMessage([0, id, 'abort', []]);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, Object.assign(Object.create(null), { once: true }));
}

const ask = (target: number, name: string, args: unknown[]): Promise<unknown> =>
  new Promise((resolve, reject) => {
    count += 1;
    const id = count;
    post(id, target, name, args);
    waiting.set(id, { resolve, reject });
  });

type Functions = Omit<typeof page, 'load' | 'CardsealError'>;
const verb = <Name extends keyof Functions>(name: Name): Later<Functions[Name]> =>
  ((...args: unknown[]) => ask(0, name, args)) as Later<Functions[Name]>;

export const validateCard: (
  card: Parameters<typeof page.validateCard>[0],
  options?: Plain<page.ValidateOptions>,
) => Promise<page.Validation> = verb('validateCard');
export const candidateBrands = verb('candidateBrands');
export const formatCardNumber = verb('formatCardNumber');
export const formatExpiry = verb('formatExpiry');
export const formatSecurityCode = verb('formatSecurityCode');
export const openSessionRequest = verb('openSessionRequest');
// Its result type depends on its argument, which a mapped type would lose.
export const openSession = verb('openSession') as typeof page.openSession;

/** Text that was typed while the worker was busy stays as it is, because it has its own `input` event. */
async function formatInput<Result extends Formatted>(
  input: HTMLInputElement,
  format: (text: string, caret: number | undefined) => Promise<Result>,
): Promise<Result> {
  if (typeof input?.value !== 'string') throw wrong('a value has the wrong type', 'input');
  const { value, selectionStart } = input;
  const formatted = await format(value, selectionStart ?? undefined);
  const { text, caret } = members(formatted, 'text', 'caret') as Formatted;
  if (text !== value && input.value === value) {
    input.value = text;
    if (selectionStart !== null) input.setSelectionRange(caret, caret);
  }
  return formatted;
}

/** Formats the input in place, unless the customer has typed into it meanwhile. */
export const formatCardNumberInput = async (input: HTMLInputElement): Promise<page.Brand[]> =>
  (await formatInput(input, formatCardNumber)).brands;

/** Formats the input in place, unless the customer has typed into it meanwhile. */
export const formatExpiryInput = async (input: HTMLInputElement): Promise<void> => {
  await formatInput(input, formatExpiry);
};

/** Formats the input in place, unless the customer has typed into it meanwhile. */
export const formatSecurityCodeInput = async (input: HTMLInputElement, number?: string): Promise<void> => {
  await formatInput(input, (text, caret) => formatSecurityCode(text, caret, number));
};

class RemoteObject {
  readonly #id: number;

  constructor(kind: string, options: unknown) {
    count += 1;
    this.#id = count;
    post(0, this.#id, 'new', [kind, options]);
    gone.register(this, this.#id);
  }

  static ask(object: RemoteObject, name: string, args: unknown[]): Promise<unknown> {
    return ask(object.#id, name, args);
  }
}

/** Creates a class with these methods, each asynchronous. */
function remote<T, Options extends unknown[]>(
  kind: string,
  names: (keyof T & string)[],
): new (
  ...options: Options
) => Remote<T> {
  const Class = class extends RemoteObject {
    constructor(options: unknown) {
      super(kind, options);
    }
  };
  Object.defineProperty(Class, 'name', { value: kind });
  for (const name of names) {
    Object.defineProperty(Class.prototype, name, {
      value(this: RemoteObject, ...args: unknown[]) {
        return RemoteObject.ask(this, name, args);
      },
      writable: true,
      configurable: true,
    });
  }
  return Class as unknown as new (
    ...options: Options
  ) => Remote<T>;
}

/** Invalid options are reported by the first call of a method. */
export const GreenPay = /* @__PURE__ */ withWarnings(
  remote<page.GreenPay, [options: Plain<page.GreenPayOptions>]>('GreenPay', [
    'pack',
    'tokenizeRequest',
    'tokenize',
    'updateTokenRequest',
    'updateToken',
    'payRequest',
    'pay',
    'formUrl',
    'returnedToken',
    'returnedPayment',
    'confirmTokenRequest',
    'confirmToken',
    'confirmPaymentRequest',
    'confirmPayment',
    'free',
  ]),
);
export type GreenPay = Remote<page.GreenPay>;

/** Adds the getter `warnings`. */
function withWarnings<Class extends abstract new (...args: never[]) => unknown>(of: Class): Class {
  Object.defineProperty(of.prototype, 'warnings', {
    get(this: RemoteObject) {
      return RemoteObject.ask(this, 'warnings', []);
    },
  });
  return of;
}

/** Invalid options are reported by the first call of a method. */
export const CcBill = /* @__PURE__ */ remote<page.CcBill, [options?: Plain<page.CcBillOptions>]>('CcBill', [
  'createPaymentTokenRequest',
  'createPaymentToken',
  'threeDsRequiredRequest',
  'threeDsRequired',
  'confirmTokenRequest',
  'confirmToken',
  'confirmPaymentRequest',
  'confirmPayment',
  'free',
]);
export type CcBill = Remote<page.CcBill>;

/** Invalid options are reported by the first call of a method. */
export const GpApi = /* @__PURE__ */ remote<page.GpApi, [options?: Plain<page.GpApiOptions>]>('GpApi', [
  'tokenizeRequest',
  'tokenize',
  'confirmTokenRequest',
  'confirmToken',
  'initiateAuthenticationRequest',
  'initiateAuthentication',
  'authenticationResultRequest',
  'authenticationResult',
  'readAuthentication',
  'free',
]);
export type GpApi = Remote<page.GpApi>;

type OnlinePaymentsArguments = [options?: Plain<page.OnlinePaymentsOptions>];

/** Invalid options are reported by the first call of a method. */
export const OnlinePayments = /* @__PURE__ */ withDevice(
  remote<page.OnlinePayments, OnlinePaymentsArguments>('OnlinePayments', [
    'publicKeyRequest',
    'publicKey',
    'iinDetailsRequest',
    'iinDetails',
    'productsRequest',
    'products',
    'productRequest',
    'product',
    'encrypt',
    'tokenizeRequest',
    'tokenize',
    'payRequest',
    'pay',
    'confirmTokenRequest',
    'confirmToken',
    'confirmPaymentRequest',
    'confirmPayment',
    'free',
  ]),
);
export type OnlinePayments = Remote<page.OnlinePayments>;

/** Passes the page's browser data on, because a worker has no screen. */
function withDevice(
  of: new (...options: OnlinePaymentsArguments) => Remote<page.OnlinePayments>,
): new (
  ...options: OnlinePaymentsArguments
) => Remote<page.OnlinePayments> {
  return class OnlinePayments extends of {
    constructor(options?: OnlinePaymentsArguments[0]) {
      super({ ...options, device: (members(options, 'device').device ?? device()) as Record<string, unknown> });
    }
  };
}

/** Invalid options are reported by the first call of a method. */
export const WorldlineAcquiring = /* @__PURE__ */ remote<
  page.WorldlineAcquiring,
  [options?: Plain<page.WorldlineAcquiringOptions>]
>('WorldlineAcquiring', ['seal', 'tokenizeRequest', 'tokenize', 'payRequest', 'pay', 'free']);
export type WorldlineAcquiring = Remote<page.WorldlineAcquiring>;

export const checkCustomer = verb('checkCustomer');
export const checkField: (field: page.ProductField, value?: string) => Promise<string[]> = verb('checkField');
export const maskField = verb('maskField');

export type * from './types.js';
export { CardsealError };
