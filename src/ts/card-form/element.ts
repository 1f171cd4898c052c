// The element: attributes, properties, events, states, and what a form control does in the page's form. The fields are a
// backend's; nothing here touches a card.

import { option_invalid, request_aborted } from '../codes.js';
import type { CardsealError } from '../error.js';
import { failure } from '../failure.js';
import { nearest, onlyKnown, SENDING } from '../read.js';
import type {
  Authentication,
  Brand,
  CcBillCustomer,
  PaymentOutcome,
  Platform,
  ServerSession,
  StoredToken,
} from '../types.js';
import type { Authenticated, AuthenticationFacts } from './authentication.js';
import {
  type Backend,
  type CallOptions,
  type Facts,
  type Host,
  NOTHING,
  type OwnMessages,
  type PayOptions,
  type SessionReason,
  type Settings,
  type TokenizeOptions,
} from './backend.js';
import { isBrand } from './brands.js';
import { FrameBackend } from './frame.js';
import { known, LocalBackend } from './local.js';
import { adopt } from './style.js';
import { isPlatform } from './tokenizer.js';

/** What the form is doing. */
export type CardFormState =
  | 'loading'
  | 'empty'
  | 'typing'
  | 'valid'
  | 'invalid'
  | 'busy'
  | 'done'
  | 'failed'
  | 'expired';

/** What `statechange` tells. */
export interface CardFormStatus {
  state: CardFormState;
  brand: Brand | null;
  brands: Brand[];
  last4: string | null;
  valid: boolean;
  empty: boolean;
}

/** The events by name. None of them bubbles. */
export interface CardFormEvents {
  ready: CustomEvent<null>;
  statechange: CustomEvent<CardFormStatus>;
  token: CustomEvent<{ token: StoredToken }>;
  payment: CustomEvent<{ outcome: PaymentOutcome }>;
  authentication: CustomEvent<AuthenticationFacts>;
  failure: CustomEvent<{ error: CardsealError; message: string }>;
  sessionexpired: CustomEvent<null>;
}

/** The properties that a page may set, for the templates of frameworks. */
export type CardFormProperties = {
  [Name in
    | 'platform'
    | 'server'
    | 'customer'
    | 'openSession'
    | 'name'
    | 'required'
    | 'disabled'
    | 'holder'
    | 'nickname'
    | 'customerDetails'
    | 'messages'
    | 'theme'
    | 'fieldsUrl'
    | 'fieldsStyle']?: CardForm[Name] | undefined;
} & {
  session?: CardForm['session'] | string | undefined;
  acceptedBrands?: CardForm['acceptedBrands'] | string | undefined;
};

type EventMap = HTMLElementEventMap & CardFormEvents;

/** What the last call led to. Typing ends `failed` and `expired`. */
type Phase = 'idle' | 'busy' | 'done' | 'failed' | 'expired';

const STATES: readonly CardFormState[] = [
  'loading',
  'empty',
  'typing',
  'valid',
  'invalid',
  'busy',
  'done',
  'failed',
  'expired',
];

const ATTRIBUTES = [
  'platform',
  'session',
  'server',
  'customer',
  'name',
  'required',
  'disabled',
  'holder',
  'nickname',
  'accepted-brands',
  'lang',
  'dir',
  'theme',
  'fields-url',
] as const;

/** Properties that may be set before the class is known, as frameworks do. */
const PROPERTIES = [
  'platform',
  'session',
  'server',
  'customer',
  'openSession',
  'name',
  'required',
  'disabled',
  'holder',
  'nickname',
  'acceptedBrands',
  'customerDetails',
  'messages',
  'theme',
  'fieldsUrl',
  'fieldsStyle',
] as const;

// On a server there is no such class; the module can be imported there all the same.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * `<cardseal-card-form>`: a form for a card, which turns it into a token of the Cardseal server. In a form of the page it
 * is a control whose value is the token's id.
 */
export class CardForm extends Base {
  /** @internal */
  static readonly formAssociated = true;
  /** @internal */
  static readonly observedAttributes: readonly string[] = ATTRIBUTES;

  readonly #internals: ElementInternals;
  #backend: Backend | null = null;
  #facts: Facts = NOTHING;
  #phase: Phase = 'idle';
  #state: CardFormState = 'loading';
  #token: StoredToken | null = null;
  #session: ServerSession | null = null;
  #openSession: Settings['openSession'] = null;
  #customerDetails: Partial<CcBillCustomer> = {};
  #messages: OwnMessages = {};
  #fieldsStyle: Record<string, string> = {};
  #disabledByForm = false;
  #ready = false;
  #configuring = false;
  #languages: MutationObserver | null = null;
  #root: EventTarget | null = null;
  #view: Window | null = null;
  #call: AbortController | null = null;
  #running: Promise<unknown> | null = null;
  /** A press on one of the form's buttons is under way: the browser checks its controls because of that. */
  #pressed = false;

  constructor() {
    super();
    this.#internals = this.attachInternals();
  }

  // ------------------------------------------------------------------------------------------ properties

  /** Whose rules hold. If missing, taken from the session. */
  get platform(): Platform | null {
    const platform = this.getAttribute('platform')?.replaceAll('-', '_');
    return isPlatform(platform) ? platform : null;
  }
  set platform(platform: Platform | null) {
    this.#attribute('platform', platform);
  }

  /** An open session, or its JSON. Without it the element opens one. */
  get session(): ServerSession | null {
    return this.#session;
  }
  set session(session: ServerSession | string | null) {
    this.#session = typeof session === 'string' ? parsed(session) : (session ?? null);
    this.#configure();
  }

  /** Base URL of the Cardseal server. Default: the page's own origin. */
  get server(): string {
    return this.getAttribute('server') ?? '';
  }
  set server(server: string) {
    this.#attribute('server', server || null);
  }

  /** The merchant's reference for the customer, for sessions that the element opens. */
  get customer(): string | null {
    return this.getAttribute('customer');
  }
  set customer(customer: string | null) {
    this.#attribute('customer', customer);
  }

  /** The page's own way to open sessions. */
  get openSession(): ((why: SessionReason) => Promise<ServerSession>) | null {
    return this.#openSession;
  }
  set openSession(open: ((why: SessionReason) => Promise<ServerSession>) | null) {
    this.#openSession = open ?? null;
    this.#configure();
  }

  /** Under which name the token's id is submitted. Default `card_token`. */
  get name(): string {
    return this.getAttribute('name') ?? 'card_token';
  }
  set name(name: string) {
    this.#attribute('name', name);
  }

  get required(): boolean {
    return this.hasAttribute('required');
  }
  set required(required: boolean) {
    this.toggleAttribute('required', Boolean(required));
  }

  get disabled(): boolean {
    return this.hasAttribute('disabled');
  }
  set disabled(disabled: boolean) {
    this.toggleAttribute('disabled', Boolean(disabled));
  }

  /** Whether the name on the card is asked. Default: what the platform needs. */
  get holder(): 'required' | 'optional' | 'hidden' | null {
    const holder = this.getAttribute('holder');
    return holder === 'required' || holder === 'optional' || holder === 'hidden' ? holder : null;
  }
  set holder(holder: 'required' | 'optional' | 'hidden' | null) {
    this.#attribute('holder', holder);
  }

  /** Whether the customer can name the card, where the platform takes that. */
  get nickname(): boolean {
    return this.hasAttribute('nickname');
  }
  set nickname(nickname: boolean) {
    this.toggleAttribute('nickname', Boolean(nickname));
  }

  /** Other brands are refused with a message. Empty: all are accepted. */
  get acceptedBrands(): Brand[] {
    return (this.getAttribute('accepted-brands') ?? '').split(/[\s,]+/).filter(isBrand);
  }
  set acceptedBrands(brands: readonly Brand[] | string | null) {
    const list = typeof brands === 'string' ? brands : (brands?.join(' ') ?? '');
    this.#attribute('accepted-brands', list || null);
  }

  /** CCBill: what is known of the customer. The form asks for the rest. */
  get customerDetails(): Partial<CcBillCustomer> {
    return this.#customerDetails;
  }
  set customerDetails(details: Partial<CcBillCustomer> | null) {
    this.#customerDetails = { ...details };
    this.#configure();
  }

  /** Own words by language tag, for some texts or for a language that the package does not have. */
  get messages(): OwnMessages {
    return this.#messages;
  }
  set messages(messages: OwnMessages | null) {
    this.#messages = messages ?? {};
    this.#configure();
  }

  get theme(): 'auto' | 'light' | 'dark' {
    const theme = this.getAttribute('theme');
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
  }
  set theme(theme: 'auto' | 'light' | 'dark') {
    this.#attribute('theme', theme);
  }

  /** Isolated fields: the address of `card-fields.html` on another origin. */
  get fieldsUrl(): string | null {
    return this.getAttribute('fields-url');
  }
  set fieldsUrl(url: string | null) {
    this.#attribute('fields-url', url);
  }

  /** Isolated fields: how they look. */
  get fieldsStyle(): Record<string, string> {
    return this.#fieldsStyle;
  }
  set fieldsStyle(style: Record<string, string> | null) {
    this.#fieldsStyle = { ...style };
    this.#configure();
  }

  get state(): CardFormState {
    return this.#state;
  }

  /** The brand that was chosen, or else the likeliest. */
  get brand(): Brand | null {
    return this.#facts.brand;
  }

  /** Every brand that fits what was typed. */
  get brands(): Brand[] {
    return [...this.#facts.brands];
  }

  /** The last four digits, once the number is complete. */
  get last4(): string | null {
    return this.#token?.last4 ?? this.#facts.last4;
  }

  /** What became of the card. */
  get token(): StoredToken | null {
    return this.#token;
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form;
  }

  get validity(): ValidityState {
    return this.#internals.validity;
  }

  get validationMessage(): string {
    return this.#internals.validationMessage;
  }

  get willValidate(): boolean {
    return this.#internals.willValidate;
  }

  /** As of a control of a form. */
  get type(): string {
    return 'cardseal-card-form';
  }

  // ------------------------------------------------------------------------------------------ methods

  /**
   * Turns the card into a token, once: while a call is under way, another one gives the same promise. Mistakes are shown and
   * reject with `card_invalid` or `customer_invalid`.
   */
  tokenize(options?: TokenizeOptions): Promise<StoredToken> {
    if (this.#token) return Promise.resolve(this.#token);
    return this.#once(options, ['keep'], async (backend, how) => {
      const token = await backend.tokenize({ ...options, ...how });
      if (options?.keep && this.fieldsUrl === null) this.#enter('idle');
      else this.#take(token);
      this.#emit('token', { token });
      return token;
    });
  }

  /** Charges the card, in a session of kind `payment`. A second call while one is under way gives the same promise. */
  pay(options?: PayOptions): Promise<PaymentOutcome> {
    return this.#once(options, ['kountSession', 'store', 'authenticate'], async (backend, how) => {
      const outcome = await backend.pay({ ...options, ...how });
      this.#enter(outcome.status === 'declined' || outcome.status === 'failed' ? 'failed' : 'done');
      this.#emit('payment', { outcome });
      return outcome;
    });
  }

  /**
   * Takes the customer through an authentication (3-D Secure) that your back end has begun for the token: pass its `id`,
   * `status` and `step`. The bank may ask the customer in a dialog. Tell your back end when it is done; what it then reads
   * from the server counts, and not what the page says. A second call while one is under way gives the same promise.
   * `timeoutMs` is how long the customer has, by default ten minutes.
   */
  authenticate(begun: Partial<Authentication>, options?: CallOptions): Promise<Authenticated> {
    this.#authenticating ??= this.#authenticate(begun, options).finally(() => {
      this.#authenticating = null;
    });
    return this.#authenticating;
  }
  #authenticating: Promise<Authenticated> | null = null;
  #bank: AbortController | null = null;

  /** Whether the form is complete. With isolated fields: by what was known last. */
  checkValidity(): boolean {
    void this.#backend?.check(false);
    return this.#internals.checkValidity();
  }

  /** The same, and shows every mistake. */
  reportValidity(): boolean {
    if (this.#internals.willValidate && !this.#settled()) void this.#backend?.check(true);
    return this.checkValidity();
  }

  /** The same, for fields in the page and in a frame alike. */
  async check(): Promise<boolean> {
    if (!this.#backend || !this.#internals.willValidate || this.#settled()) return true;
    return this.#backend.check(true);
  }

  /** Empties the form and forgets the token. */
  clear(): void {
    this.#call?.abort();
    this.#forget();
    this.#backend?.clear();
    this.#enter('idle');
  }

  override focus(): void {
    this.#backend?.focus();
  }

  override addEventListener<Name extends keyof EventMap>(
    type: Name,
    listener: (this: CardForm, event: EventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  override removeEventListener<Name extends keyof EventMap>(
    type: Name,
    listener: (this: CardForm, event: EventMap[Name]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener, options);
  }

  // ------------------------------------------------------------------------------------------ the browser's calls

  /** @internal */
  connectedCallback(): void {
    for (const name of PROPERTIES) this.#upgrade(name);
    this.#suspect();
    adopt(this.getRootNode() as Document | ShadowRoot);
    if (!this.#backend) {
      // A copy of a form has the fields of the first one in it, with what was typed there.
      for (const child of [...this.children]) if (child.matches('.cardseal, .cardseal-frame')) child.remove();
      this.#backend = this.#makeBackend();
    }
    // In a shadow tree, the event of a form does not come out of it.
    const root = this.getRootNode();
    // The document may be another one than that of this script.
    this.#view = this.ownerDocument.defaultView ?? window;
    this.#root = isShadow(root) ? root : this.#view;
    this.#root.addEventListener('submit', this.#onSubmit, true);
    this.#view.addEventListener('click', this.#onPress, true);
    this.#view.addEventListener('pagehide', this.#onLeave);
    this.#view.addEventListener('pageshow', this.#onReturn);
    super.addEventListener('invalid', this.#onInvalid);
    super.addEventListener('focusin', this.#onFocus);
    this.#languages = new MutationObserver(() => this.#configure());
    this.#languages.observe(this.ownerDocument, { subtree: true, attributeFilter: ['lang'] });
    if (root !== this.ownerDocument) this.#languages.observe(root, { subtree: true, attributeFilter: ['lang'] });
    this.#configure(true);
    this.#show();
  }

  /** @internal */
  disconnectedCallback(): void {
    // Moved elsewhere in the page it stays as it is.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#call?.abort();
      this.#forget();
      this.#backend?.remove();
      this.#backend = null;
      this.#facts = NOTHING;
      this.#phase = 'idle';
      this.#ready = false;
    });
    this.#root?.removeEventListener('submit', this.#onSubmit, true);
    this.#view?.removeEventListener('click', this.#onPress, true);
    this.#view?.removeEventListener('pagehide', this.#onLeave);
    this.#view?.removeEventListener('pageshow', this.#onReturn);
    super.removeEventListener('invalid', this.#onInvalid);
    super.removeEventListener('focusin', this.#onFocus);
    this.#languages?.disconnect();
  }

  /** @internal */
  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === 'session') this.#session = after === null ? null : parsed(after);
    if (name === 'fields-url' && this.#backend) {
      this.#backend.remove();
      this.#facts = NOTHING;
      this.#backend = this.#makeBackend();
    }
    this.#configure();
  }

  /** @internal */
  formDisabledCallback(disabled: boolean): void {
    this.#disabledByForm = disabled;
    this.#configure();
  }

  /** @internal */
  formResetCallback(): void {
    this.clear();
  }

  // ------------------------------------------------------------------------------------------ inside

  #makeBackend(): Backend {
    const host: Host = {
      changed: (facts) => this.#learn(facts),
      edited: () => this.#edited(),
      cleared: () => {
        this.#forget();
        this.#enter('idle');
      },
      submitted: () => this.#submit(),
      failed: (error) => this.#fail(error),
    };
    return this.fieldsUrl === null ? new LocalBackend(this, host) : new FrameBackend(this, host, this.fieldsUrl);
  }

  /**
   * Tells the console of attributes and properties whose names look like ours and are none. Others are the page's or a
   * framework's own.
   */
  #suspect(): void {
    const suspect = (names: string[], ...known: (readonly string[])[]): void => {
      for (const name of names) {
        if (name.length < 4 || known[0]?.includes(name) || this.#suspected.has(name)) continue;
        const near = known.flatMap((list) => {
          const found = nearest(
            name.toLowerCase(),
            list.map((one) => one.toLowerCase()),
          );
          return list.filter((one) => one.toLowerCase() === found);
        });
        if (!near[0]) continue;
        this.#suspected.add(name);
        console.warn(`<${this.localName}> has no ${name}; did you mean ${near[0]}?`);
      }
    };
    suspect(this.getAttributeNames(), ATTRIBUTES, PROPERTIES);
    suspect(Object.keys(this), PROPERTIES, ATTRIBUTES);
  }
  readonly #suspected = new Set<string>();

  #attribute(name: string, value: string | null | undefined): void {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, value);
  }

  /** A property that was set on the plain element hides the class's own. */
  #upgrade(name: (typeof PROPERTIES)[number]): void {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete (this as Record<string, unknown>)[name];
    (this as Record<string, unknown>)[name] = value;
  }

  /** Passes the settings on, once for all that changes in one go. */
  #configure(now = false): void {
    if (!this.#backend || (this.#configuring && !now)) return;
    const pass = (): void => {
      this.#configuring = false;
      this.#backend?.configure(this.#settings());
      this.#value();
    };
    if (now) {
      pass();
      return;
    }
    this.#configuring = true;
    queueMicrotask(pass);
  }

  #settings(): Settings {
    const dir = this.getAttribute('dir');
    return {
      // A name that is none fails aloud, instead of opening a session of another platform.
      platform: this.platform ?? ((this.getAttribute('platform') || null) as Platform | null),
      session: this.#session,
      openSession: this.#openSession && ((why) => Promise.resolve(this.#openSession?.(why) as Promise<ServerSession>)),
      server: this.server,
      customer: this.customer,
      holder: this.holder,
      nickname: this.nickname,
      acceptedBrands: this.acceptedBrands,
      customerDetails: this.#customerDetails,
      required: this.required,
      disabled: this.disabled || this.#disabledByForm,
      lang: languageOf(this),
      dir: dir === 'ltr' || dir === 'rtl' ? dir : null,
      messages: this.#messages,
      theme: this.theme,
      fieldsStyle: this.#fieldsStyle,
    };
  }

  #learn(facts: Facts): void {
    this.#facts = facts;
    this.#value();
    this.#show();
    if (!facts.loaded || this.#ready) return;
    this.#ready = true;
    this.#emit('ready', null);
  }

  #edited(): void {
    if (this.#phase === 'failed' || this.#phase === 'expired') this.#enter('idle');
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#value();
    this.#show();
  }

  /** Nothing is left to do before the page's form can be submitted. */
  #settled(): boolean {
    return this.#token !== null || this.#phase === 'done' || (this.#facts.empty && !this.required);
  }

  /** The value and the validity of the control. */
  #value(): void {
    // With its own name, which a control without the attribute would not have.
    const value = new FormData();
    if (this.#token && this.name) value.set(this.name, this.#token.id);
    this.#internals.setFormValue(this.#token ? value : null);
    const { loaded, empty, message, valid } = this.#facts;
    const anchor = this.#backend?.anchor;
    const say = (flags: ValidityStateFlags): void =>
      this.#internals.setValidity(flags, message || 'Card', anchor?.isConnected ? anchor : undefined);
    if (this.#settled() || valid) this.#internals.setValidity({});
    else if (empty) say({ valueMissing: true });
    // What nobody can check yet is checked before it is sent.
    else if (!loaded) this.#internals.setValidity({});
    else say({ customError: true });
  }

  /** Says the state to the page, if it is another one. */
  #show(): void {
    const { loaded, empty, valid, marked, brand, brands } = this.#facts;
    const typed = empty ? 'empty' : valid ? 'valid' : marked ? 'invalid' : 'typing';
    const state = this.#phase !== 'idle' ? this.#phase : loaded ? typed : 'loading';
    const changed = state !== this.#state || this.getAttribute('data-state') !== state;
    this.#state = state;
    if (changed) {
      this.setAttribute('data-state', state);
      for (const one of STATES) {
        if (one === state) this.#internals.states?.add(one);
        else this.#internals.states?.delete(one);
      }
    }
    const status: CardFormStatus = { state, brand, brands: [...brands], last4: this.last4, valid, empty };
    const text = JSON.stringify(status);
    if (text === this.#said) return;
    this.#said = text;
    this.#emit('statechange', status);
  }
  #said = '';

  #emit<Name extends keyof CardFormEvents>(name: Name, detail: CardFormEvents[Name]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #take(token: StoredToken): void {
    this.#token = token;
    this.#enter('done');
  }

  #forget(): void {
    this.#token = null;
    // It was for this token.
    this.#bank?.abort();
  }

  #fail(error: CardsealError): void {
    // Another session would make another payment of one that may have been made.
    const isOver = error.code === 'session_expired' && !error.outcomeUnknown;
    this.#enter(isOver ? 'expired' : 'failed');
    if (isOver) this.#emit('sessionexpired', null);
    this.#emit('failure', { error, message: this.#backend?.explain(error).message ?? error.message });
  }

  /** One call at a time: who presses twice gets the promise of the first press. */
  #once<Result>(
    options: CallOptions | undefined,
    more: string[],
    work: (backend: Backend, how: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    if (this.#running !== null) return this.#running as Promise<Result>;
    const running = this.#run(options, more, work).finally(() => {
      this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #run<Result>(
    options: CallOptions | undefined,
    more: string[],
    work: (backend: Backend, how: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    onlyKnown(options, () => {}, ...SENDING, ...more);
    this.#suspect();
    const backend = this.#backend;
    if (!backend || this.disabled || this.#disabledByForm) {
      throw failure(option_invalid, {
        field: 'this',
        message: backend ? 'the form is disabled' : 'the form is not in the page',
      });
    }
    // What the page set a moment ago counts.
    if (this.#configuring) this.#configure(true);
    if (this.#phase === 'done') this.clear();
    const call = new AbortController();
    const abort = (): void => call.abort();
    options?.signal?.addEventListener('abort', abort);
    if (options?.signal?.aborted) abort();
    this.#call = call;
    this.#enter('busy');
    try {
      if (call.signal.aborted) throw failure(request_aborted);
      return await work(backend, { ...options, signal: call.signal });
    } catch (thrown) {
      const error = known(thrown);
      // A mistake of the shopper's, or a form that was emptied meanwhile, is no failure.
      const mistake = error.code === 'card_invalid' || error.code === 'customer_invalid';
      if (mistake || (call.signal.aborted && !options?.signal?.aborted)) this.#enter('idle');
      else this.#fail(error);
      throw error;
    } finally {
      options?.signal?.removeEventListener('abort', abort);
      if (this.#call === call) this.#call = null;
    }
  }

  async #authenticate(begun: Partial<Authentication>, options: CallOptions | undefined): Promise<Authenticated> {
    onlyKnown(options, () => {}, ...SENDING);
    const backend = this.#backend;
    if (!backend) throw failure(option_invalid, { field: 'this', message: 'the form is not in the page' });
    if (this.#configuring) this.#configure(true);
    const call = new AbortController();
    const abort = (): void => call.abort();
    options?.signal?.addEventListener('abort', abort);
    if (options?.signal?.aborted) abort();
    this.#bank = call;
    backend.notice('');
    try {
      const { authenticateIn, stageFor } = await import('./authentication.js');
      const stage = await stageFor(this, this.#settings());
      const done = await authenticateIn(
        stage,
        begun,
        (ask, how) => backend.authentication(ask, how),
        { ...options, signal: call.signal },
        (facts) => this.#emit('authentication', facts),
      );
      if (done.status === 'failed') backend.notice(stage.texts.messages.declines.confirmation);
      return done;
    } catch (thrown) {
      const error = known(thrown);
      // A form that was emptied meanwhile is no failure.
      if (!call.signal.aborted || options?.signal?.aborted) {
        const { message } = backend.explain(error);
        backend.notice(message);
        this.#emit('failure', { error, message });
      }
      throw error;
    } finally {
      options?.signal?.removeEventListener('abort', abort);
      this.#bank = null;
    }
  }

  /** Enter in a field does what it does in a field of the page's own form. */
  #submit(): void {
    const { form } = this;
    if (!form || this.#phase === 'busy') return;
    const button = [...form.elements].find((control) => isSubmit(control)) as HTMLButtonElement | undefined;
    void this.#backend?.check(false);
    if (!button) form.requestSubmit();
    else if (!button.disabled) button.click();
  }

  /** The page's form is about to be submitted: first the card has to become a token. */
  readonly #onSubmit = (event: Event): void => {
    const { form } = this;
    if (!form || event.target !== form || this.disabled || this.#disabledByForm) return;
    if (this.#running !== null) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    void this.#backend?.check(false);
    const submitter = (event as SubmitEvent).submitter as HTMLButtonElement | null;
    // The button of a draft, say, asks for nothing.
    if (this.#settled() || (submitter?.formNoValidate && this.#facts.empty)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#settle().then(
      (isSettled) => {
        if (!isSettled || this.form !== form) return;
        form.requestSubmit(submitter && form.contains(submitter) ? submitter : undefined);
      },
      // It was shown, and told to the page by an event.
      () => {},
    );
  };

  /** Does what is left to do: charges the card in a session for that, else makes it a token. */
  async #settle(): Promise<boolean> {
    if (this.#session?.kind !== 'payment') return Boolean(await this.tokenize());
    const { status } = await this.pay();
    // Of anything else the page is told, above all of a bank's page to go to.
    return status === 'approved' || status === 'authorized';
  }

  readonly #onPress = (event: Event): void => {
    const [target] = event.composedPath();
    const button = (target as Partial<Element> | undefined)?.closest?.('button, input');
    if (!button || !isSubmit(button) || (button as HTMLButtonElement).form !== this.form || !this.form) return;
    this.#pressed = true;
    // What was filled in without an event counts when the browser checks the form, and not at the next press.
    void this.#backend?.check(false);
    // The browser checks the controls after all listeners were called.
    setTimeout(() => {
      this.#pressed = false;
    });
  };

  /** The browser found the form incomplete. After a press on a button, the form's own messages are shown instead. */
  readonly #onInvalid = (event: Event): void => {
    if (event.target !== this || !this.#pressed) return;
    this.#pressed = false;
    event.preventDefault();
    const controls = [...(this.form?.elements ?? [])] as HTMLInputElement[];
    const first = controls.find((control) => control.willValidate && !control.validity.valid);
    // Another control comes first: the browser leads there.
    if (first === (this as unknown)) void this.#backend?.check(true);
  };

  readonly #onFocus = (): void => {
    if (this.#phase !== 'busy' && this.#phase !== 'done') this.#backend?.warm();
  };

  readonly #onLeave = (): void => {
    this.clear();
  };

  readonly #onReturn = (event: PageTransitionEvent): void => {
    if (!event.persisted) return;
    this.clear();
    this.#backend?.revive();
  };
}

// By names, not by classes: those of another document are others.
const isSubmit = (control: Element): boolean =>
  control.matches('button, input') && /^(submit|image)$/.test((control as HTMLButtonElement).type);

const isShadow = (root: Node): root is ShadowRoot => 'host' in root;

/** The language of the nearest element that has one, also outside of a shadow tree. */
function languageOf(element: Element): string {
  for (let node: Element | null = element; node; ) {
    const near: Element | null = node.closest('[lang]');
    if (near) return near.getAttribute('lang') || 'en';
    const root: Node = node.getRootNode();
    node = isShadow(root) ? root.host : null;
  }
  return 'en';
}

/** A session as text. Of text that is none, the module says so when it is used. */
function parsed(text: string): ServerSession | null {
  if (text.trim() === '' || text === 'null') return null;
  try {
    const session: unknown = JSON.parse(text);
    if (session !== null && typeof session === 'object') return session as ServerSession;
  } catch {
    // As any other text that is no session.
  }
  return {} as ServerSession;
}
