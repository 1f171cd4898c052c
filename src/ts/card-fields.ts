// The program of the frame with isolated fields: `card-fields.html` loads it. What is typed, the wasm, the keys and the
// platform's session stay in this frame; docs/isolated-fields.md says what the page around it is told.

import type { Backend, Facts, FieldName, Host } from './card-form/backend.js';
import { make } from './card-form/fields.js';
import { known, LocalBackend } from './card-form/local.js';
import {
  BEAT_MS,
  EDGE_PX,
  type FrameFacts,
  type FrameSettings,
  plainError,
  publicFacts,
  publicOutcome,
  publicToken,
  readCallOptions,
  readConnect,
  readFrameConfig,
  readFrameSettings,
  sessionId,
  type ToPage,
  VERSION,
} from './card-form/protocol.js';
import { isGone } from './card-form/sessions.js';
import { adopt } from './card-form/style.js';
import { request_aborted, session_expired, type_invalid } from './codes.js';
import type { CardsealError } from './error.js';
import { failure } from './failure.js';
import { english, speak, type Texts } from './languages/index.js';
import { members } from './read.js';
import { openSession, readSession } from './session.js';
import type { ServerSession } from './types.js';

/** Beside this page. */
const CONFIG = 'card-fields.json';

/** A page that takes the focus this soon after a key press did it on purpose. */
const TAKEN_MS = 400;

/** So often, and the frame takes no more cards from this page. */
const TAKEN_TIMES = 2;

/** The frame's own settings, which no page can change. */
interface Config {
  parents: string[];
  server: string;
}

async function readConfig(): Promise<Config> {
  const response = await fetch(new URL(CONFIG, document.baseURI), { credentials: 'omit', cache: 'no-store' });
  if (!response.ok) throw new Error(`${CONFIG}: ${response.status}`);
  return readFrameConfig(await response.json());
}

/** One page, one port, until this document ends. */
class Channel implements Host {
  readonly #port: MessagePort;
  readonly #server: string;
  readonly #backend: Backend;
  readonly #calls = new Map<number, AbortController>();
  readonly #opening = new Map<number, (session: string | null) => void>();
  #settings: FrameSettings | null = null;
  #texts: Texts = english();
  #told = '';
  #ticking = false;
  #edited = false;
  /** Whether the page is told of the next edit: only what it was told before can be over. */
  #answered = false;
  #openings = 0;
  /** There is another session since the call began. */
  #stale = false;
  /** The session that the page gave last. Each is used once. */
  #given: string | null = null;
  readonly #notice = make('div', { class: 'cardseal-notice', role: 'alert' });
  #keyAt = Number.NEGATIVE_INFINITY;
  #taken = 0;

  constructor(port: MessagePort, server: string, root: HTMLElement) {
    this.#port = port;
    this.#server = server;
    this.#backend = new LocalBackend(root, this);
    port.onmessage = ({ data }) => this.#take(data);
    root.append(this.#notice);
    new ResizeObserver(() => this.#tick()).observe(root);
    root.addEventListener('focusin', ({ target }) => {
      if (target instanceof HTMLInputElement) this.#backend.warm();
    });
    this.#watchFocus();
    // A page may be allowed to read the clipboard, and can take what is dropped on it.
    for (const type of ['copy', 'cut', 'dragstart']) root.addEventListener(type, (event) => event.preventDefault());
    addEventListener('pagehide', () => this.#backend.clear());
  }

  // ---------------------------------------------------------------------------------------- from the page

  #take(message: unknown): void {
    const { type, id, settings, name, options, session } = members(
      message,
      'type',
      'id',
      'settings',
      'name',
      'options',
      'session',
    );
    const number = typeof id === 'number' ? id : 0;
    switch (type) {
      case 'settings':
        this.#configure(readFrameSettings(settings));
        break;
      case 'call':
        void this.#call(number, name, options);
        break;
      case 'abort':
        this.#calls.get(number)?.abort();
        break;
      case 'opened':
        this.#opening.get(number)?.(sessionId(session));
        break;
      case 'warm':
        if (this.#settings) this.#backend.warm();
        break;
      case 'clear':
        this.#backend.clear();
        break;
      case 'focus':
        this.#backend.focus();
        break;
      default:
      // A page of a later version may say more.
    }
  }

  #configure(settings: FrameSettings): void {
    const { session, opens: _, style, theme, lang, ...same } = settings;
    const before = this.#settings;
    // The page has another session: the last one is not used any more.
    if (before && session !== before.session) this.#renew();
    this.#settings = settings;
    document.documentElement.style.colorScheme = theme === 'auto' ? 'light dark' : theme;
    for (const name of Object.keys(before?.style ?? {})) document.documentElement.style.removeProperty(name);
    for (const [name, value] of Object.entries(style)) document.documentElement.style.setProperty(name, value);
    void this.#speak(lang);
    this.#backend.configure({
      ...same,
      theme,
      lang,
      disabled: same.disabled || this.#taken >= TAKEN_TIMES,
      server: this.#server,
      // Its words are this frame's own: with other labels a page could have the card number typed into another field.
      messages: {},
      fieldsStyle: {},
      session: null,
      openSession: (why) => this.#open(why),
    });
    // What is asked depends on what the session is for.
    if (session !== null && session !== before?.session) this.#backend.warm();
  }

  /** Uses no session of before, from the next call on. */
  #renew(): void {
    this.#stale = this.#calls.size > 0;
    if (!this.#stale) this.#backend.revive();
  }

  /**
   * A session, always read from this frame's own server: by the id that the page gave, or by one that the page is asked
   * for; else the frame opens one itself.
   */
  async #open(why: 'first' | 'expired'): Promise<ServerSession> {
    const { session = null, opens = false, platform = null, customer = null } = this.#settings ?? {};
    if (session !== null && session !== this.#given) {
      this.#given = session;
      return readSession(session, { server: this.#server });
    }
    if (opens) {
      try {
        return await this.#asked(why);
      } catch (error) {
        // What the page gave was used or over before it was read.
        if (why === 'expired' || !isGone(known(error))) throw error;
        return this.#asked('expired');
      }
    }
    if (session !== null) throw failure(session_expired, { message: 'the session is over; set another one' });
    return openSession({
      server: this.#server,
      kind: 'tokenize',
      ...(platform === null ? {} : { platform }),
      ...(customer === null ? {} : { customer }),
    });
  }

  /** Has the page open a session, which gives its id, and reads it. */
  async #asked(why: 'first' | 'expired'): Promise<ServerSession> {
    const id = ++this.#openings;
    const opened = await new Promise<string | null>((resolve) => {
      this.#opening.set(id, resolve);
      this.#post({ type: 'open', id, why });
    });
    this.#opening.delete(id);
    if (opened === null) throw failure(session_expired, { message: 'the page opened no session' });
    return readSession(opened, { server: this.#server });
  }

  async #call(id: number, name: unknown, given: unknown): Promise<void> {
    const { report = false, timeoutMs, kountSession, store, authentication } = readCallOptions(given);
    const controller = new AbortController();
    this.#calls.set(id, controller);
    const how = { signal: controller.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const paying = { ...how, store: store === true, ...(kountSession === undefined ? {} : { kountSession }) };
    try {
      const value =
        name === 'check'
          ? await this.#backend.check(report)
          : name === 'tokenize'
            ? publicToken(await this.#backend.tokenize(how))
            : name === 'pay'
              ? publicOutcome(await this.#backend.pay(paying))
              : name === 'authentication' && authentication
                ? await this.#backend.authentication(authentication, how)
                : await Promise.reject(failure(type_invalid, { field: 'name' }));
      this.#tell();
      this.#post({ type: 'answer', id, value });
    } catch (cause) {
      const error = known(cause);
      this.#tell();
      this.#post({ type: 'failure', id, error: plainError(error), explanation: this.#backend.explain(error) });
    } finally {
      this.#calls.delete(id);
      this.#answered = true;
      if (this.#stale) this.#renew();
    }
  }

  // ------------------------------------------------------------------------------------------ to the page

  changed(): void {
    this.#tick();
  }

  edited(): void {
    this.#edited = true;
    this.#tick();
  }

  cleared(): void {
    this.#post({ type: 'cleared' });
  }

  submitted(): void {
    this.#tell();
    this.#post({ type: 'submitted' });
  }

  failed(error: CardsealError): void {
    this.#post({ type: 'failed', error: plainError(error) });
  }

  #post(message: ToPage): void {
    this.#port.postMessage(message);
  }

  /** Tells what is new at the next beat. The beats are the same, whenever somebody types. */
  #tick(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setTimeout(
      () => {
        this.#ticking = false;
        this.#tell();
      },
      BEAT_MS - (performance.now() % BEAT_MS),
    );
  }

  #tell(): void {
    if (this.#edited && this.#answered) this.#post({ type: 'edited' });
    this.#edited = false;
    this.#answered = false;
    const facts = this.#facts();
    const text = JSON.stringify(facts);
    if (text === this.#told) return;
    this.#told = text;
    this.#post({ type: 'facts', facts });
  }

  #facts(): FrameFacts {
    const facts: Facts = this.#backend.facts;
    const focused = document.hasFocus() ? facts.focused : null;
    const height = document.documentElement.getBoundingClientRect().height;
    return publicFacts({ ...facts, focused }, height, (field) => this.#wrong(field));
  }

  /** Says that a field is wrong, and not how. */
  #wrong(field: FieldName): string {
    const { problems, customerProblems } = this.#texts.messages;
    return (problems as Record<string, string>)[`${field}_missing`] ?? customerProblems.missing;
  }

  async #speak(lang: string): Promise<void> {
    this.#texts = await speak(lang);
    document.documentElement.lang = this.#texts.tag;
    document.title = this.#texts.messages.form;
  }

  // ------------------------------------------------------------------------------------- who has the focus

  /**
   * A page can take the focus away while somebody types, and then gets the rest of the digits. What was typed before goes
   * then, so that both parts never meet; and after the second time the fields are closed.
   */
  #watchFocus(): void {
    const never = Number.NEGATIVE_INFINITY;
    addEventListener(
      'keydown',
      ({ key }) => {
        // These move the focus, or may.
        const moves = ['Tab', 'Enter', 'Escape', 'Alt', 'Control', 'Meta', 'F6'].includes(key);
        this.#keyAt = moves ? never : performance.now();
      },
      true,
    );
    addEventListener('pointerdown', () => {
      this.#keyAt = never;
    });
    addEventListener('blur', () => {
      this.#tick();
      const { valid, empty } = this.#backend.facts;
      if (performance.now() - this.#keyAt > TAKEN_MS || valid || empty || document.hidden) return;
      this.#taken += 1;
      this.#backend.clear();
      if (this.#taken === TAKEN_TIMES) this.#close();
    });
    addEventListener('focus', () => this.#tick());
  }

  #close(): void {
    if (this.#settings) this.#configure(this.#settings);
    this.#notice.replaceChildren(make('p', {}, this.#texts.messages.failures.shop));
    const message = 'the page took the focus while somebody typed; the fields are closed until it is loaded again';
    this.failed(failure(request_aborted, { message }));
  }
}

/** Waits for the one `connect` of a page that may show these fields. */
function start(root: HTMLElement): void {
  const { parent } = globalThis;
  if (parent === globalThis.window) return;
  const config = readConfig();
  const listen = async (event: MessageEvent): Promise<void> => {
    const connect = event.source === parent ? readConnect(event) : null;
    if (!connect) return;
    const { parents, server } = await config;
    // Not only the page around this one: whoever is around that one could play it.
    const around = [event.origin, ...(location.ancestorOrigins ?? [])];
    if (!around.every((origin) => parents.includes(origin))) return;
    if (taken) return;
    taken = true;
    removeEventListener('message', listen);
    connect.port.postMessage({ type: 'connected', version: VERSION, nonce: connect.nonce } satisfies ToPage);
    new Channel(connect.port, server, root);
  };
  let taken = false;
  config.catch(() => {});
  addEventListener('message', listen);
}

const root = globalThis.document?.getElementById('card-fields');
if (root) {
  const sheet = new CSSStyleSheet();
  // Room for the outline of what has the focus; the page's side moves the frame by as much.
  sheet.replaceSync(`html { font-family: system-ui, sans-serif; } body { margin: 0; padding: ${EDGE_PX}px; }`);
  document.adoptedStyleSheets.push(sheet);
  adopt(document);
  start(root);
}
