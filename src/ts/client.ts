// What the classes of all platforms have in common: an object of the module, and calls to the platform and the server.

import { module_failed, network_failed, request_aborted, request_timeout, type_invalid } from './codes.js';
import { CardsealError } from './error.js';
import { failure } from './failure.js';
import { call, type Module, Remade } from './module.js';
import { members, onlyKnown, SENDING } from './read.js';
import { type Answer, readPayment, readToken, type SendHow, send } from './send.js';
import type {
  CardRequest,
  CardsealQuery,
  CardsealRequest,
  CardToken,
  DirectToken,
  PaymentOutcome,
  Platform,
  SendOptions,
  ServerSession,
  StoredToken,
  WithWarnings,
} from './types.js';

/** Codes after which the outcome of a sent payment is unknown: the answer did not come, or could not be read. */
const UNANSWERED: string[] = [request_timeout.code, network_failed.code, request_aborted.code, module_failed.code];

/** The common part of a platform's class. */
export class Client<Inner extends { free(): void }> {
  readonly #platform: Platform;
  readonly #name: keyof Module;
  #fetch: typeof fetch | undefined;
  #inner: Remade<Inner> | undefined;

  constructor(platform: Platform, name: keyof Module, options: unknown) {
    this.#platform = platform;
    this.#name = name;
    type Constructor = new (options: unknown) => Inner;
    onlyKnown(options, (given) => {
      this.#fetch = members(given, 'fetch').fetch as typeof fetch | undefined;
      this.#inner = new Remade(() => call(name, (found) => new (found as unknown as Constructor)(given)));
    });
  }

  /** Frees the memory of this object now, instead of at garbage collection. */
  free(): void {
    this.#inner?.free();
    this.#inner = undefined;
  }

  /** Calls the module. */
  module<Result>(work: (inner: Inner) => Result): Result {
    const inner = this.#inner;
    if (!inner) {
      throw failure(type_invalid, { field: 'this', message: 'the object has been freed', platform: this.#platform });
    }
    return call(this.#name, () => work(inner.get()));
  }

  /** Calls the module with options, of which it has to know each. `also` are others that the call takes. */
  with<Options, Result>(options: Options, work: (inner: Inner, options: Options) => Result, ...also: string[]): Result {
    const known = (given: Options): Result => this.module((inner) => work(inner, given));
    return onlyKnown(options, known, ...SENDING, ...also);
  }

  /** Calls the module asynchronously. Every error rejects the promise. */
  async later<Result>(work: (inner: Inner) => Promise<Result>): Promise<Result> {
    return this.module(work);
  }

  /** Does `work` and adds the platform to its exceptions. */
  async named<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CardsealError) || Object.hasOwn(error, 'platform')) throw error;
      throw failure(error, { ...error, platform: this.#platform, message: error.message });
    }
  }

  /** Sends a request to the platform or, if `own`, to the merchant's server. */
  send(
    request: CardsealRequest | CardsealQuery,
    options: SendOptions | undefined,
    how?: Partial<SendHow>,
  ): Promise<Answer> {
    const { signal, timeoutMs } = members(options, 'signal', 'timeoutMs') as SendOptions;
    return send(request, { ...how, signal, timeoutMs, fetch: this.#fetch } as SendHow);
  }

  /** Sends a card to be stored. In relay mode the server answers, otherwise the platform; `read` reads that answer. */
  async token(
    session: unknown,
    request: CardRequest,
    options: SendOptions | undefined,
    read: (answer: Answer) => DirectToken,
  ): Promise<WithWarnings<CardToken>> {
    const own = isRelayed(session);
    const answer = await this.send(request, options, { own });
    return withWarnings(request, own ? readToken(answer) : await this.named(() => read(answer)));
  }

  /** Sends a card to be charged. */
  async payment(
    session: unknown,
    request: CardRequest,
    options: SendOptions | undefined,
    read: (answer: Answer) => PaymentOutcome,
  ): Promise<WithWarnings<PaymentOutcome>> {
    const own = isRelayed(session);
    const outcome = async (): Promise<PaymentOutcome> => {
      const answer = await this.send(request, options, { own });
      return own ? readPayment(answer) : this.named(() => read(answer));
    };
    return withWarnings(request, await once(outcome()));
  }

  /** Asks the merchant's server for a token. */
  async serverToken(request: CardsealRequest, options?: SendOptions): Promise<StoredToken> {
    return readToken(await this.send(request, options, { own: true }));
  }

  /** Asks the merchant's server for the outcome of a payment. */
  async serverPayment(request: CardsealRequest, options?: SendOptions): Promise<PaymentOutcome> {
    return readPayment(await this.send(request, options, { own: true }));
  }

  /** Asks the merchant's server to charge. */
  serverCharge(request: CardsealRequest, options?: SendOptions): Promise<PaymentOutcome> {
    return once(this.serverPayment(request, options));
  }
}

/** Adds the warnings about the card to a result. */
export const withWarnings = <Result>({ warnings }: CardRequest, result: Result): WithWarnings<Result> => ({
  ...result,
  warnings,
});

const isRelayed = (session: unknown): boolean => members(session as ServerSession, 'mode').mode === 'relay';

/** Marks errors of a charge without an answer: the outcome is unknown, and so the same call must not be made again. */
const once = <Result>(sent: Promise<Result>): Promise<Result> =>
  sent.catch((error) => {
    if (error instanceof CardsealError && UNANSWERED.includes(error.code)) {
      Object.assign(error, { retryable: false, outcomeUnknown: true });
    }
    throw error;
  });
