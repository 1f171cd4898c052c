// The page's side of isolated fields: a backend whose fields stand in a frame from another origin. Nothing that is typed
// there comes here.

import { network_failed, option_invalid, request_aborted, request_timeout } from '../codes.js';
import type { CardsealError } from '../error.js';
import { failure } from '../failure.js';
import { english, speak, type Texts } from '../languages/index.js';
import { isText, members } from '../read.js';
import type { Authentication, PaymentOutcome, StoredToken } from '../types.js';
import {
  type AuthenticationAsk,
  type Backend,
  type CallOptions,
  type Explanation,
  type Facts,
  type Host,
  NOTHING,
  type PayOptions,
  type Settings,
} from './backend.js';
import { failureOf } from './failures.js';
import { make } from './fields.js';
import { inDoubt } from './local.js';
import {
  type CallName,
  type Connect,
  EDGE_PX,
  type FrameCallOptions,
  type FrameFacts,
  type FrameSettings,
  type FrameStyle,
  newNonce,
  PATIENCE_MS,
  STYLE,
  type ToFrame,
  type ToPage,
  thrownError,
  VERSION,
} from './protocol.js';

/** A call whose answer has not come. */
interface Waiting {
  name: CallName;
  resolve(value: unknown): void;
  reject(error: CardsealError): void;
}

/** Longer than the frame's own patience, which knows more. */
const ANSWER_MS = 60_000;
const MARGIN_MS = 10_000;

/** Reads the address of the fields: on another origin, and encrypted except on this machine. */
function readAddress(url: string): URL | CardsealError {
  let address: URL;
  try {
    address = new URL(url, document.baseURI);
  } catch {
    return wrongAddress('fieldsUrl is not an address');
  }
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(address.hostname);
  if (address.protocol !== 'https:' && !(address.protocol === 'http:' && isLocal)) {
    return wrongAddress('fieldsUrl must begin with https://');
  }
  if (address.origin === location.origin) {
    return wrongAddress('fieldsUrl must be on another origin than the page: a page can read a frame of its own origin');
  }
  // What stands behind # or ? would be the page's word.
  address.hash = '';
  return address;
}

const wrongAddress = (message: string): CardsealError => failure(option_invalid, { field: 'fieldsUrl', message });

export class FrameBackend implements Backend {
  readonly #host: Host;
  /** Null if it cannot be used. */
  readonly #url: URL | null;
  readonly #wrong: CardsealError | null = null;
  readonly #root = make('div', { class: 'cardseal cardseal-isolated' });
  readonly #frame: HTMLIFrameElement;
  readonly #notice = make('div', { class: 'cardseal-notice', role: 'alert' });
  readonly #waiting = new Map<number, Waiting>();
  readonly #explanations = new WeakMap<CardsealError, Explanation>();
  #facts: Facts = NOTHING;
  #settings: Settings | null = null;
  #texts: Texts = english();
  #lang = '';
  #port: MessagePort | null = null;
  /** Kept until the frame is connected. */
  #unsent: ToFrame[] = [];
  #connected = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #calls = 0;
  #removed = false;

  constructor(container: HTMLElement, host: Host, url: string) {
    this.#host = host;
    const address = readAddress(url);
    this.#url = address instanceof URL ? address : null;
    if (!(address instanceof URL)) this.#wrong = address;
    this.#frame = make('iframe', {
      class: 'cardseal-frame',
      // Neither forms nor pop-ups nor the way to the page's own address.
      sandbox: 'allow-scripts allow-same-origin',
      // The origin alone: the fields look at who is around them, and Firefox hides from them what `no-referrer` hides.
      referrerpolicy: 'strict-origin',
      scrolling: 'no',
      title: this.#texts.messages.form,
    });
    Object.assign(this.#frame.style, {
      border: '0',
      display: 'block',
      height: '0',
      margin: `-${EDGE_PX}px`,
      width: `calc(100% + ${2 * EDGE_PX}px)`,
    });
    this.#frame.addEventListener('load', () => this.#connect());
    this.#root.append(this.#frame, this.#notice);
    // With an address before it is in the page, so that no empty document is loaded first.
    this.#load();
    container.append(this.#root);
  }

  get facts(): Facts {
    return this.#facts;
  }

  get anchor(): HTMLElement {
    return this.#frame;
  }

  configure(settings: Settings): void {
    this.#settings = settings;
    this.#root.setAttribute('data-theme', settings.theme);
    // A frame is transparent only while both sides have the same scheme.
    const theme = this.#theme(settings.theme);
    this.#frame.style.colorScheme = theme === 'auto' ? 'light dark' : theme;
    this.#frame.tabIndex = settings.disabled ? -1 : 0;
    if (settings.lang !== this.#lang) {
      this.#lang = settings.lang;
      void this.#speak(settings.lang);
    }
    this.#post({ type: 'settings', settings: this.#frameSettings(settings) });
  }

  warm(): void {
    this.#post({ type: 'warm' });
  }

  check(report: boolean): Promise<boolean> {
    return this.#call('check', { report }, undefined) as Promise<boolean>;
  }

  tokenize(options: CallOptions = {}): Promise<StoredToken> {
    const { signal, timeoutMs } = options;
    return this.#call(
      'tokenize',
      { ...(timeoutMs === undefined ? {} : { timeoutMs }) },
      signal,
    ) as Promise<StoredToken>;
  }

  pay(options: PayOptions = {}): Promise<PaymentOutcome> {
    const { signal, timeoutMs, kountSession, store } = options;
    const how: FrameCallOptions = {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(kountSession === undefined ? {} : { kountSession }),
      ...(store === undefined ? {} : { store }),
    };
    return this.#call('pay', how, signal) as Promise<PaymentOutcome>;
  }

  authentication(ask: AuthenticationAsk, { signal, timeoutMs }: CallOptions = {}): Promise<Authentication> {
    const how: FrameCallOptions = { authentication: ask, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    return this.#call('authentication', how, signal) as Promise<Authentication>;
  }

  notice(words: string): void {
    this.#notice.replaceChildren(...(words ? [make('p', {}, words)] : []));
  }

  explain(error: CardsealError): Explanation {
    const name = failureOf(error);
    return this.#explanations.get(error) ?? { name, message: this.#texts.messages.failures[name] };
  }

  clear(): void {
    this.#post({ type: 'clear' });
  }

  /** A frame that a browser kept is of no use: it starts anew. */
  revive(): void {
    this.#load();
  }

  focus(): void {
    this.#frame.focus();
    this.#post({ type: 'focus' });
  }

  remove(): void {
    this.#removed = true;
    this.#drop();
    clearTimeout(this.#patience);
    this.#root.remove();
  }

  // ------------------------------------------------------------------------------------------- the channel

  #load(): void {
    this.#drop();
    this.#notice.replaceChildren();
    if (this.#url) {
      this.#frame.src = this.#url.href;
      this.#wait(this.#url.origin);
    } else if (this.#wrong) {
      const wrong = this.#wrong;
      queueMicrotask(() => this.#fail(wrong));
    }
  }

  /** Waits for the frame, but not for ever. */
  #wait(origin: string): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      this.#drop();
      const message =
        `the fields at ${origin} did not answer: the page is not there, does not have ` +
        `${location.origin} among its parents, or the policy of this page lacks frame-src ${origin}`;
      this.#fail(failure(network_failed, { message }));
    }, PATIENCE_MS);
  }

  /**
   * The frame has loaded a document: the first one, or another one after it was reloaded or led elsewhere. Each gets a
   * channel of its own, and only a document of the right origin gets one at all.
   */
  #connect(): void {
    if (this.#removed || !this.#url) return;
    const { origin } = this.#url;
    this.#drop();
    this.#wait(origin);
    const channel = new MessageChannel();
    const nonce = newNonce();
    const port = channel.port1;
    port.onmessage = ({ data }) => {
      const { type, version, nonce: echoed } = members(data, 'type', 'version', 'nonce');
      if (type === 'connected') {
        if (this.#port === port && version === VERSION && echoed === nonce) this.#begin();
      } else if (this.#port === port && this.#connected) {
        this.#take(data as ToPage);
      }
    };
    this.#port = port;
    const connect: Connect = { cardseal: 'connect', version: VERSION, nonce };
    this.#frame.contentWindow?.postMessage(connect, origin, [channel.port2]);
  }

  #begin(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#connected = true;
    this.#notice.replaceChildren();
    const unsent = this.#unsent.filter(({ type }) => type !== 'settings');
    this.#unsent = [];
    if (this.#settings) this.#post({ type: 'settings', settings: this.#frameSettings(this.#settings) });
    for (const message of unsent) this.#post(message);
  }

  /** The document in the frame is gone, or about to go. What it was asked for will not be answered. */
  #drop(): void {
    const connected = this.#connected;
    if (this.#port) {
      this.#port.onmessage = null;
      this.#port.close();
    }
    this.#port = null;
    this.#connected = false;
    if (connected) {
      for (const { name, reject } of [...this.#waiting.values()]) {
        const error = failure(network_failed, { message: 'the frame with the fields was reloaded during the call' });
        // Nobody knows whether the card was charged.
        reject(name === 'pay' ? inDoubt(error) : error);
      }
      this.#waiting.clear();
    }
    this.#changed(NOTHING);
  }

  #post(message: ToFrame): void {
    if (this.#connected) this.#port?.postMessage(message);
    else if (message.type !== 'settings') this.#unsent.push(message);
  }

  #take(message: ToPage): void {
    switch (message.type) {
      case 'facts':
        this.#facted(message.facts);
        break;
      case 'answer':
        this.#waiting.get(message.id)?.resolve(message.value);
        break;
      case 'failure': {
        const error = thrownError(message.error);
        this.#explanations.set(error, message.explanation);
        this.#waiting.get(message.id)?.reject(error);
        break;
      }
      case 'failed':
        this.#host.failed(thrownError(message.error));
        break;
      case 'open':
        void this.#open(message);
        break;
      case 'edited':
        this.#host.edited();
        break;
      case 'cleared':
        this.#host.cleared();
        break;
      case 'submitted':
        this.#host.submitted();
        break;
      default:
      // A frame of a later version may say more.
    }
  }

  #facted({ height, ...facts }: FrameFacts): void {
    if (Number.isFinite(height)) this.#frame.style.height = `${Math.min(Math.max(height, 0), 4000)}px`;
    this.#changed(facts);
  }

  #changed(facts: Facts): void {
    if (JSON.stringify(facts) === JSON.stringify(this.#facts)) return;
    this.#facts = facts;
    if (!this.#removed) this.#host.changed(facts);
  }

  /** Opens a session as the page wants it, and passes on its id alone. */
  async #open({ id, why }: Extract<ToPage, { type: 'open' }>): Promise<void> {
    let session: string | null = null;
    try {
      const opened = await this.#settings?.openSession?.(why);
      if (isText(opened?.id)) session = opened.id;
    } catch {
      // The frame says that there is none.
    }
    this.#post({ type: 'opened', id, session });
  }

  #call(name: CallName, options: FrameCallOptions, signal: AbortSignal | undefined): Promise<unknown> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(failure(request_aborted));
        return;
      }
      const abort = (): void => this.#post({ type: 'abort', id });
      const { timeoutMs = ANSWER_MS } = options;
      const late = timeoutMs > 0 && setTimeout(() => over(() => reject(unanswered())), timeoutMs + MARGIN_MS);
      const unanswered = (): CardsealError => {
        const error = failure(request_timeout, { message: 'the frame with the fields did not answer' });
        return name === 'pay' ? inDoubt(error) : error;
      };
      const over = (end: () => void): void => {
        this.#waiting.delete(id);
        if (late) clearTimeout(late);
        signal?.removeEventListener('abort', abort);
        end();
      };
      this.#waiting.set(id, {
        name,
        resolve: (value) => over(() => resolve(value)),
        reject: (error) => over(() => reject(error)),
      });
      signal?.addEventListener('abort', abort);
      this.#post({ type: 'call', id, name, options });
      // After it did not answer, the shopper's next try is one for the frame as well.
      if (!this.#connected && this.#patience === undefined) this.#load();
    });
  }

  // --------------------------------------------------------------------------------------------- the rest

  #frameSettings(settings: Settings): FrameSettings {
    const { platform, session, openSession, customer, holder, nickname, acceptedBrands } = settings;
    const { customerDetails, required, disabled, lang, dir } = settings;
    return {
      platform,
      session: session?.id ?? null,
      opens: openSession !== null,
      customer,
      holder,
      nickname,
      acceptedBrands: [...acceptedBrands],
      customerDetails: { ...customerDetails },
      required,
      disabled,
      lang,
      dir,
      theme: this.#theme(settings.theme),
      style: { ...this.#inherited(), ...settings.fieldsStyle },
    };
  }

  /** Light or dark as the page is: the frame alone knows no more than how the system is set. */
  #theme(theme: Settings['theme']): Settings['theme'] {
    if (theme !== 'auto') return theme;
    const schemes = getComputedStyle(this.#root.parentElement ?? this.#root).colorScheme.split(' ');
    if (!schemes.includes('dark')) return 'light';
    return schemes.includes('light') ? 'auto' : 'dark';
  }

  /** What the fields would inherit if they stood in this page. The frame takes of it what it allows. */
  #inherited(): FrameStyle {
    const style: FrameStyle = {};
    const computed = getComputedStyle(this.#root.parentElement ?? this.#root);
    for (const name of Object.keys(STYLE)) {
      const value = computed.getPropertyValue(name).trim();
      if (value !== '') style[name] = value;
    }
    const { fontSize } = getComputedStyle(document.documentElement);
    return { '--cardseal-font': computed.fontFamily, ...style, 'font-size': fontSize };
  }

  async #speak(lang: string): Promise<void> {
    const texts = await speak(lang);
    if (lang !== this.#lang) return;
    this.#texts = texts;
    this.#frame.title = texts.messages.form;
  }

  /** There are no fields. The shopper can try again, and the page learns why. */
  #fail(error: CardsealError): void {
    for (const { reject } of [...this.#waiting.values()]) reject(error);
    this.#unsent = [];
    const { messages } = this.#texts;
    const retry = make('button', { type: 'button', class: 'cardseal-button' }, messages.actions.retry);
    retry.addEventListener('click', () => this.#load());
    this.#notice.replaceChildren(make('p', {}, messages.failures[failureOf(error)]), retry);
    this.#host.failed(error);
  }
}
