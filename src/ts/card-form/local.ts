// The backend with the fields in this document. The page uses it, and so does the program that runs in the frame.

import { card_invalid, customer_invalid, option_invalid } from '../codes.js';
import { CardsealError } from '../error.js';
import { failure } from '../failure.js';
import { validateCard } from '../form.js';
import { english, speak, type Texts } from '../languages/index.js';
import { openSession } from '../session.js';
import type {
  Authentication,
  CcBillCustomer,
  PaymentOutcome,
  Platform,
  Problem,
  ServerSession,
  StoredToken,
  ValidateOptions,
  Validation,
} from '../types.js';
import type {
  AuthenticationAsk,
  Backend,
  CallOptions,
  CustomerField,
  Explanation,
  Facts,
  Host,
  PayOptions,
  SessionReason,
  Settings,
  TokenizeOptions,
} from './backend.js';
import { declineOf, failureOf } from './failures.js';
import { Fields } from './fields.js';
import type { BrandChoice } from './row.js';
import { isGone, mayBeGone, noSession, Sessions } from './sessions.js';
import { isPlatform, loadTokenizer, needsOf, type Tokenizer } from './tokenizer.js';

/** Above the server's own limit for a platform, so that the server's word comes first. */
const TIMEOUT_MS = 60_000;

/** What the form can ask about the customer. */
const CUSTOMER: readonly CustomerField[] = ['firstName', 'lastName', 'email', 'postalCode', 'country'];

/** After these nobody can say from here whether money moved. */
const IN_DOUBT = new Set([
  'network_failed',
  'request_timeout',
  'request_aborted',
  'answer_malformed',
  'signature_invalid',
  'module_failed',
]);
const IN_DOUBT_AT_SERVER = new Set(['internal', 'record_unreadable', 'platform_answer_invalid', undefined]);

/** Of a request that was sent before, these say nothing: it is not yet over, or was not looked at this time. */
const STILL_IN_DOUBT = new Set(['idempotency_in_progress', 'rate_limited', 'too_many_attempts', 'storage_unavailable']);

/** A payment whose outcome is not known. The very same request is sent again, or nothing is. */
interface Doubt {
  session: ServerSession;
  key: string;
  request: { url: string; init: RequestInit } | null;
  error: CardsealError;
}

export class LocalBackend implements Backend {
  readonly #host: Host;
  readonly #fields: Fields;
  readonly #sessions = new Sessions((why) => this.#openSession(why));
  #settings: Settings | null = null;
  #texts: Texts = english();
  #spoken = '';
  #tokenizer: Tokenizer | null = null;
  #loading: { platform: Platform; done: Promise<Tokenizer> } | null = null;
  #platform: Platform | null = null;
  #kind: ServerSession['kind'] = 'tokenize';
  /** What was asked ahead of the platform, successfully or not: not every focus and every key is a try. */
  #prepared: ServerSession | null = null;
  #asked = '';
  #choices: BrandChoice[] = [];
  #began = '';
  #doubt: Doubt | null = null;
  #busy = false;
  #removed = false;
  #unloaded = false;
  #validate: ((card: Parameters<typeof validateCard>[0]) => Validation) | null = null;
  #validates = '';

  constructor(root: HTMLElement, host: Host) {
    this.#host = host;
    this.#fields = new Fields({
      changed: (facts) => host.changed(facts),
      edited: () => {
        // Typing does not bring what could not be loaded.
        if (this.#unloaded) return;
        this.#fields.notice('');
        host.edited();
      },
      submitted: () => host.submitted(),
      pressed: (action) => this.#pressed(action),
      began: (digits) => void this.#ask(digits),
    });
    root.append(this.#fields.root);
  }

  get facts(): Facts {
    return this.#fields.facts;
  }

  get anchor(): HTMLElement {
    return this.#fields.anchor;
  }

  configure(settings: Settings): void {
    // A session that the page takes back says no longer what the form is for.
    if (this.#settings?.session && !settings.session) this.#kind = 'tokenize';
    // Neither does a session that was opened for another platform, server or customer.
    const purpose = ({ platform, server, customer }: Settings): string => JSON.stringify([platform, server, customer]);
    if (this.#settings && purpose(this.#settings) !== purpose(settings)) this.#sessions.forget();
    this.#settings = settings;
    this.#sessions.given = settings.session;
    if (settings.session) this.#kind = settings.session.kind;
    this.#platform = settings.platform ?? settings.session?.platform ?? this.#platform;
    this.#fields.theme = settings.theme;
    this.#fields.disabled = settings.disabled;
    void this.#speak(settings);
    this.#rule();
    if (this.#platform) this.#load(this.#platform).catch(() => {});
    // Without a platform, only a session can say which one it is. The page may be about to give one.
    else setTimeout(() => !this.#platform && !this.#removed && this.warm());
  }

  warm(): void {
    const unknown = this.#platform !== null && !isPlatform(this.#platform);
    if (this.#settings?.disabled || this.#busy || unknown) return;
    void this.#warm();
  }

  async #warm(): Promise<void> {
    const session = await this.#sessions.warm();
    if (!session || this.#removed) return;
    const tokenizer = await this.#learn(session).catch(() => null);
    if (!tokenizer || this.#prepared === session) return;
    this.#prepared = session;
    await tokenizer.prepare(session, this.#where()).catch(() => {});
    await this.#ask(this.#began);
  }

  check(report: boolean): boolean {
    if (report) return this.#fields.report();
    this.#fields.refresh();
    return this.facts.valid;
  }

  async tokenize(options: TokenizeOptions = {}): Promise<StoredToken> {
    const how = timed(options);
    const token = await this.#call(true, async (tokenizer, session) => {
      const { card, extras } = this.#input(how);
      return tokenizer.tokenize(session, card, { ...extras, ...this.#where() });
    });
    if (options.keep) this.#sessions.drop();
    else this.#took(token);
    return token;
  }

  async pay(options: PayOptions = {}): Promise<PaymentOutcome> {
    const how = timed(options);
    const outcome = await this.#call(false, (tokenizer, session) => this.#charge(tokenizer, session, how, options));
    this.#doubt = null;
    if (outcome.status === 'declined' || outcome.status === 'failed') {
      const { declines, failures } = this.#texts.messages;
      const words = outcome.status === 'declined' ? declines[declineOf(outcome.decline?.reason)] : failures.rejected;
      this.#fields.notice(words);
      // The session has been used.
      this.#sessions.drop();
    } else {
      this.#took(outcome);
    }
    return outcome;
  }

  async authentication(ask: AuthenticationAsk, options: CallOptions = {}): Promise<Authentication> {
    if (!this.#platform) throw failure(option_invalid, { field: 'platform', message: 'say which platform it is' });
    const tokenizer = await this.#load(this.#platform);
    return tokenizer.authentication(ask, { ...timed(options), ...this.#where() });
  }

  notice(words: string): void {
    this.#fields.notice(words);
  }

  explain(error: CardsealError): Explanation {
    const name = failureOf(error);
    return { name, message: this.#texts.messages.failures[name] };
  }

  clear(): void {
    this.#fields.clear();
    this.#fields.notice('');
    this.#fields.taken = null;
    this.#choices = [];
    this.#began = '';
  }

  revive(): void {
    this.#sessions.drop();
    this.#tokenizer?.free();
  }

  focus(): void {
    this.#fields.focus();
  }

  remove(): void {
    this.#removed = true;
    this.#fields.clear();
    this.#fields.root.remove();
    this.#tokenizer?.free();
  }

  // ------------------------------------------------------------------------------------------ inside

  async #speak({ lang, messages, dir }: Settings): Promise<void> {
    const wanted = JSON.stringify([lang, dir, messages]);
    if (wanted === this.#spoken) return;
    this.#spoken = wanted;
    const texts = await speak(lang, messages);
    if (wanted !== this.#spoken) return;
    this.#texts = texts;
    this.#fields.texts = texts;
    this.#fields.dir = dir;
  }

  #load(platform: Platform): Promise<Tokenizer> {
    if (this.#loading?.platform === platform) return this.#loading.done;
    const done = loadTokenizer(platform);
    const loading = { platform, done };
    this.#loading = loading;
    done.then(
      (tokenizer) => {
        if (this.#loading !== loading || this.#removed) return;
        this.#tokenizer?.free();
        this.#tokenizer = tokenizer;
        this.#unloaded = false;
        this.#rule();
      },
      (error) => {
        if (this.#loading !== loading || this.#removed) return;
        this.#loading = null;
        this.#unloaded = true;
        const failed = known(error);
        this.#fields.notice(this.explain(failed).message, true);
        this.#host.failed(failed);
      },
    );
    return done;
  }

  /** What a session says about itself. */
  async #learn(session: ServerSession): Promise<Tokenizer> {
    // Of a session of another platform, or of none, the module says so in its own words before anything is encrypted.
    this.#platform = this.#settings?.platform ?? session.platform;
    if (this.#kind !== session.kind && session.kind) {
      this.#kind = session.kind;
      this.#rule();
    }
    return this.#load(this.#platform);
  }

  /** Passes the rules on, as the page and the platform make them. */
  #rule(): void {
    const settings = this.#settings;
    if (!settings) return;
    const platform = this.#platform;
    const needs = platform && isPlatform(platform) ? needsOf(platform) : null;
    const tokenizer = this.#tokenizer?.platform === platform ? this.#tokenizer : null;
    const options: ValidateOptions = { kind: this.#kind, ...(platform && { platform }) };
    // The same function as long as it does the same, so that nothing is drawn anew.
    const validates = tokenizer ? JSON.stringify(options) : '';
    if (validates !== this.#validates) {
      this.#validates = validates;
      this.#validate = tokenizer ? (card) => validateCard(card, options) : null;
    }
    this.#fields.rules = {
      // What the platform needs is always asked.
      holder: needs?.holder === 'required' ? 'required' : (settings.holder ?? needs?.holder ?? 'required'),
      nickname: settings.nickname && this.#kind !== 'payment' && (needs?.nickname ?? false),
      customer: needs?.customer ? this.#missing(settings.customerDetails, tokenizer) : NOBODY,
      acceptedBrands: settings.acceptedBrands,
      required: settings.required,
      validate: this.#validate,
      checkCustomer: tokenizer?.needs.customer ? this.#checkCustomer : null,
    };
  }

  readonly #checkCustomer = (typed: Partial<CcBillCustomer>) =>
    this.#tokenizer?.checkCustomer({ ...this.#settings?.customerDetails, ...typed }) ?? [];

  /** The details that the page did not give, or gave wrong. */
  #missing(details: Partial<CcBillCustomer>, tokenizer: Tokenizer | null): CustomerField[] {
    const wrong = tokenizer?.checkCustomer(details).map(({ field }) => field) ?? [];
    return CUSTOMER.filter((field) => !details[field] || wrong.includes(field));
  }

  /** Asks the platform for the card's brands, where it takes a choice. */
  async #ask(digits: string): Promise<void> {
    this.#began = digits;
    const tokenizer = this.#tokenizer;
    const session = digits && tokenizer ? await this.#sessions.warm() : null;
    if (!tokenizer || !session || this.#asked === `${session.id} ${digits}`) return;
    this.#asked = `${session.id} ${digits}`;
    const found = await tokenizer.choices(session, digits, this.#where()).catch((): BrandChoice[] => []);
    if (digits !== this.#began || this.#removed) return;
    this.#choices = found;
    this.#fields.choices = found.map(({ brand }) => brand);
  }

  #openSession(why: SessionReason): Promise<ServerSession> {
    const { openSession: own, session, platform, server = '', customer } = this.#settings ?? ({} as Partial<Settings>);
    if (own) return Promise.resolve(own(why));
    // What the page gave was for a purpose that only the page knows.
    if (session && session.kind !== 'tokenize') return Promise.reject(noSession());
    return openSession({ server, ...(platform && { platform }), ...(customer && { customer }) });
  }

  #where(): { server: string } {
    return { server: this.#settings?.server ?? '' };
  }

  #input(how: CallOptions): { card: ReturnType<Fields['read']>; extras: CallOptions & { customer?: CcBillCustomer } } {
    const choice = this.#choices.find(({ brand }) => brand === this.#fields.choice);
    const customer = { ...this.#settings?.customerDetails, ...this.#fields.readCustomer() } as CcBillCustomer;
    return {
      card: this.#fields.read(),
      extras: {
        ...how,
        ...(choice && { choice }),
        ...(this.#tokenizer?.needs.customer && { customer }),
      },
    };
  }

  /** Does `work` with a session; and once more with another, if the first one was of no use and `again` is harmless. */
  async #call<Result>(
    again: boolean,
    work: (tokenizer: Tokenizer, session: ServerSession) => Promise<Result>,
  ): Promise<Result> {
    this.#fields.notice('');
    // Mistakes come before anything is shown to be under way, and before any session.
    if (!this.#fields.report()) throw this.#invalid();
    this.#fields.busy = true;
    this.#busy = true;
    let reported: CardsealError | undefined;
    try {
      if (!this.facts.loaded) {
        if (this.#platform) await this.#load(this.#platform);
        else await this.#learn(await this.#sessions.get());
        if (!this.#fields.report()) {
          reported = this.#invalid();
          throw reported;
        }
      }
      for (let renewed = false; ; renewed = true) {
        const session = await this.#sessions.get();
        const tokenizer = await this.#learn(session);
        try {
          const result = await work(tokenizer, session);
          return result;
        } catch (error) {
          const failed = known(error);
          const isOld = again && session === this.#prepared && mayBeGone(session, failed);
          // Of a payment that may have been made this session is all that is known.
          if (!(isGone(failed) || isOld) || (!again && this.#doubt)) throw failed;
          this.#sessions.drop();
          // A refusal by the module itself comes before anything is sent.
          if (renewed || !(again || failed.status === undefined)) throw failed;
        }
      }
    } catch (error) {
      const failed = known(error);
      if (failed !== reported) {
        // Whatever came after it, also a session that is over: the payment may have been made.
        if (!again && this.#doubt) inDoubt(failed);
        this.#complain(failed);
      }
      throw failed;
    } finally {
      this.#fields.busy = false;
      this.#busy = false;
    }
  }

  /** The error about what was typed. It names what is wrong, and not what was typed. */
  #invalid(): CardsealError {
    const problems: Problem[] = this.#validate?.(this.#fields.read()).problems ?? [];
    if (problems.length > 0) return failure(card_invalid, { problems });
    const customerProblems = this.#tokenizer?.needs.customer ? this.#checkCustomer(this.#fields.readCustomer()) : [];
    return customerProblems.length > 0 ? failure(customer_invalid, { customerProblems }) : failure(card_invalid);
  }

  #complain(error: CardsealError): void {
    const problems = [...(error.problems ?? []), ...(error.customerProblems ?? [])];
    this.#fields.busy = false;
    this.#fields.notice(this.explain(error).message, error.code === 'load_failed');
    if (problems.length > 0) this.#fields.mark(problems);
  }

  async #charge(
    tokenizer: Tokenizer,
    session: ServerSession,
    how: CallOptions,
    { kountSession, store, authenticate }: PayOptions,
  ): Promise<PaymentOutcome> {
    if (session.kind !== 'payment') {
      throw failure(option_invalid, { field: 'session', message: 'pay() needs a session of kind payment' });
    }
    const earlier = this.#doubt?.session.id === session.id ? this.#doubt : null;
    // The platform itself takes no request twice: its outcome comes to the server.
    if (earlier && !earlier.request) throw earlier.error;
    const key = earlier?.key ?? crypto.randomUUID();
    let request: Doubt['request'] = null;
    /** The card went to a platform that charges it. */
    let straight = false;
    const own = new URL(this.#where().server || '.', document.baseURI).origin;
    const { fetch } = globalThis;
    const keeping: typeof fetch = (url, init = {}) => {
      const address = new URL(String(url), document.baseURI);
      const posts = init.method === 'POST';
      const charges = posts && address.origin === own && address.pathname.endsWith('/v1/payments');
      straight ||= posts && address.origin !== own && tokenizer.charges;
      if (!charges) return fetch(url, init);
      // Every call encrypts anew, and the server refuses another body under the same key.
      request = earlier?.request ?? { url: String(url), init };
      return fetch(request.url, { ...request.init, ...(init.signal && { signal: init.signal }) });
    };
    const { card, extras } = this.#input(how);
    try {
      return await tokenizer.pay(session, card, {
        ...extras,
        kountSession,
        store,
        authenticate,
        idempotencyKey: key,
        server: this.#where().server,
        fetch: keeping,
      });
    } catch (error) {
      const failed = known(error);
      const relayed = request !== null;
      const doubt =
        // What was refused before it was sent again, such as a session that is over by now, says nothing of the first time.
        (earlier !== null &&
          (!(relayed || straight) ||
            STILL_IN_DOUBT.has(failed.code) ||
            STILL_IN_DOUBT.has(failed.platformCode ?? ''))) ||
        ((relayed || straight) &&
          (IN_DOUBT.has(failed.code) ||
            (failed.code === 'server_rejected' &&
              (failed.status ?? 0) >= 500 &&
              IN_DOUBT_AT_SERVER.has(failed.platformCode)))) ||
        // A browser sends a POST again by itself when a kept connection breaks. That the platform then finds the session
        // used says nothing about the first one.
        (straight &&
          (failed.code === 'platform_unavailable' || (failed.code === 'platform_rejected' && isGone(failed))));
      this.#doubt = doubt ? { session, key, request: request ?? earlier?.request ?? null, error: failed } : null;
      throw failed;
    }
  }

  /** The card became something else, and is not kept. */
  #took({ brand, last4 }: { brand: string | null; last4: string | null }): void {
    const facts = this.facts;
    const known = { brand: brand ?? facts.brand, last4: last4 ?? facts.last4 };
    this.#sessions.drop();
    this.#fields.clear();
    this.#choices = [];
    this.#began = '';
    this.#fields.taken = known;
  }

  #pressed(action: 'retry' | 'change'): void {
    if (action === 'change') {
      this.clear();
      this.#host.cleared();
      this.#fields.focus();
      return;
    }
    this.#unloaded = false;
    this.#fields.notice('');
    this.#host.edited();
    if (this.#platform) this.#load(this.#platform).catch(() => {});
    this.#fields.focus();
  }
}

const NOBODY: CustomerField[] = [];

const timed = ({ signal, timeoutMs = TIMEOUT_MS }: CallOptions): CallOptions => ({
  timeoutMs,
  ...(signal && { signal }),
});

/** The error of a payment that may have been made. */
export const inDoubt = (error: CardsealError): CardsealError =>
  Object.assign(error, { retryable: false, outcomeUnknown: true as const });

/** Whatever was thrown, as the package's own kind of error. A page's `openSession` may throw anything. */
export function known(error: unknown): CardsealError {
  if (error instanceof CardsealError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CardsealError({ code: isFetching(message) ? 'load_failed' : 'network_failed', message, cause: error });
}

/** How browsers say that a dynamic import could not be fetched. */
const isFetching = (message: string): boolean => /module|import/i.test(message);
