// The package's card form in this page: where its fields stand, which session it uses, and what it is asked to do.

import { byId, make } from './dom.js';

const QUIET_MS = 20_000;
/** What follows a call, and what somebody typed. */
const OVER = ['done', 'failed', 'expired'];
const TYPED = ['typing', 'invalid', 'valid'];
/** Where the fields are served from another origin: this server, by its other name. */
const FIELDS = '/fields/card-fields.html';
const OTHER_NAME = { '127.0.0.1': 'localhost', localhost: '127.0.0.1' };

/** Why the fields cannot stand in a frame here; null if they can. */
export async function isolationProblem() {
  if (!OTHER_NAME[location.hostname]) return 'The demo has a second address only on this machine.';
  const answer = await fetch('/fields/card-fields.json', { cache: 'no-store' }).catch(() => null);
  const { parents = [] } = answer?.ok ? await answer.json() : {};
  return parents.includes(location.origin) ? null : 'The server of this demo does not serve the fields to this page.';
}

export class Card {
  #open;
  #wanted;
  #element;
  /** The session that the form has, or gets: for what, as text, and when it comes. */
  #for = '';
  #opening = null;
  #failedAt = -Infinity;
  /** `store` or `pay` while the form is asked to. */
  #calling = null;
  /** A payment whose outcome is not known belongs to the session that the form has. */
  #holding = false;
  #used = '';
  /** What the form told the shopper about an error. */
  #said = new WeakMap();
  /** Brand and last four digits of the card that was used last. */
  last = { brand: null, last4: null };

  /**
   * `open(options)` opens a session; `wanted(purpose)` gives the options of the one that the form needs now, to `store`
   * or to `pay`, or null while it should not have one; `onEdit` is told when what was said of the last card is over, and `onShut` why there is no form at all.
   */
  constructor(platform, { open, wanted, onEdit, onShut }) {
    this.#open = open;
    this.#wanted = wanted;
    this.#element = make('cardseal-card-form', { id: 'card', platform: platform.id, required: true });
    this.#element.openSession = this.#supply;
    let before = '';
    this.#element.addEventListener('statechange', () => {
      const { state } = this.#element;
      if (TYPED.includes(state) && !this.isolated) this.#warm();
      if (OVER.includes(before) && !OVER.includes(state) && state !== 'busy') {
        this.#used = '';
        onEdit();
      }
      before = state;
    });
    this.#element.addEventListener('failure', ({ detail }) => {
      this.#said.set(detail.error, detail.message);
      // Before anything was asked of it, only the platform's code can be missing.
      if (starting && !this.#calling) onShut(detail.error);
      starting = false;
    });
    let starting = true;
    this.#element.addEventListener('ready', () => {
      starting = false;
    });
    byId('card-place').replaceChildren(this.#element);
  }

  get isolated() {
    return this.#element.fieldsUrl !== null;
  }

  set isolated(isolated) {
    if (isolated === this.isolated) return;
    const { protocol, hostname, port } = location;
    const host = `${OTHER_NAME[hostname]}${port && `:${port}`}`;
    // In a frame the form is given its sessions, because it learns nothing of them but their ids.
    this.#element.openSession = isolated ? null : this.#supply;
    this.#element.fieldsUrl = isolated ? `${protocol}//${host}${FIELDS}` : null;
    this.renew();
  }

  set platform(platform) {
    this.#element.platform = platform.id;
    this.renew();
  }

  /** Whether the card gets a name of its own. */
  set named(named) {
    this.#element.nickname = named;
  }

  /** While the card that became a token is charged. */
  set disabled(disabled) {
    this.#element.disabled = disabled;
  }

  get state() {
    return this.#element.state;
  }

  /**
   * Digits of the number as typed, or of the card that has just become a token, for the panel's search. Null where this
   * page cannot read them.
   */
  get digits() {
    return this.isolated ? null : this.#typed() || this.#used;
  }

  #typed() {
    return this.#input('number')?.value.replace(/\D/g, '') ?? '';
  }

  /** What the form says about an error of its own, in the shopper's language. */
  wordsOf(error) {
    return this.#said.get(error) ?? '';
  }

  /** Shows every mistake, and says whether there is none. */
  check() {
    return this.#element.check();
  }

  /** Puts values into fields, as an example. */
  fill(values) {
    if (this.isolated) return;
    if (this.#element.token) this.#element.clear();
    for (const [field, value] of Object.entries(values)) {
      const input = this.#input(field);
      if (!input) continue;
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
    }
  }

  clear() {
    this.#holding = false;
    this.#used = '';
    this.#element.clear();
    this.renew();
  }

  focus() {
    this.#element.focus();
  }

  /** A session for something else is not used. */
  renew() {
    if (this.#holding || JSON.stringify(this.#wanted(this.#calling)) === this.#for) return;
    this.#forget();
    this.#element.session = null;
  }

  /** The shop's token of the card. With `keep`, what was typed stays, to be charged as well. */
  store({ keep = false } = {}) {
    return this.#call('store', () => this.#element.tokenize({ keep }));
  }

  /** The outcome of a payment with the card. */
  pay(options) {
    return this.#call('pay', () => {
      this.#holding = true;
      return this.#element.pay(options);
    });
  }

  /** Asks again about a payment whose answer was lost: the form sends the very same request, or none. */
  payAgain() {
    return this.#element.pay();
  }

  async #call(purpose, work) {
    const { brand, last4, token } = this.#element;
    if (!token) {
      this.last = { brand, last4 };
      this.#used = this.isolated ? '' : this.#typed();
    }
    this.#calling = purpose;
    this.#holding = false;
    try {
      this.renew();
      if (this.isolated && !token) await this.#session();
      return await work();
    } finally {
      this.#calling = null;
      // It has been used, or is of no use.
      this.#forget();
    }
  }

  /** How the form in this page asks for a session. */
  #supply = (why) => {
    if (why === 'expired') this.#forget();
    if (this.#calling || this.#opening) return this.#session();
    return Promise.reject(new Error('nothing was typed yet'));
  };

  /** Opens a session while somebody types. After a failure none is opened ahead for a while: not every key is a try. */
  #warm() {
    if (this.#calling || this.#opening || !this.#wanted(null) || Date.now() - this.#failedAt < QUIET_MS) return;
    this.#session().catch(() => {
      this.#failedAt = Date.now();
    });
  }

  #forget() {
    this.#for = '';
    this.#opening = null;
  }

  /** The session for what the page wants to do by then. */
  async #session() {
    for (;;) {
      const options = this.#wanted(this.#calling);
      if (!options) throw new Error('the session of a payment is opened when somebody pays');
      const name = JSON.stringify(options);
      if (name !== this.#for || !this.#opening) {
        this.#for = name;
        this.#opening = this.#open(options);
        const opening = this.#opening;
        opening.catch(() => this.#opening === opening && this.#forget());
      }
      const session = await this.#opening;
      if (this.#for !== name) continue;
      this.#element.session = session;
      return session;
    }
  }

  /** A field in this page. */
  #input(field) {
    return this.#element.querySelector(`[data-field="${field}"]:not([hidden]) :is(input, select)`);
  }
}
